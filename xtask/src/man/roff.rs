//! A page as the text that `man` formats.
//!
//! Knows roff and nothing of the programs.

use std::fmt::Write as _;

use super::{Block, Page};

/// The page in roff, with the macros of man(7).
pub(super) fn render(page: &Page) -> String {
    let mut out = Roff::default();
    let title = page.program.to_uppercase();
    out.line(format_args!(
        ".TH \"{}\" \"{}\" \"\" \"ovsdb\\-rs {}\" \"Open vSwitch Manual\"",
        escape(&title),
        page.section,
        env!("CARGO_PKG_VERSION")
    ));
    out.section("NAME");
    out.line(format_args!(
        "{} \\- {}",
        escape(page.program),
        escape(page.summary)
    ));
    out.section("SYNOPSIS");
    for (index, usage) in page.usage.iter().enumerate() {
        if index > 0 {
            out.line(format_args!(".br"));
        }
        out.line(format_args!(
            "\\fB{}\\fR {}",
            escape(page.program),
            escape(usage)
        ));
    }
    out.section("DESCRIPTION");
    for paragraph in page.description {
        out.block(&Block::Text(paragraph));
    }
    if !page.commands.is_empty() {
        out.section("COMMANDS");
        for (term, text) in &page.commands {
            out.item(term, text);
        }
    }
    if !page.options.is_empty() {
        out.section("OPTIONS");
        for options in &page.options {
            out.line(format_args!(".SS \"{}\"", escape(options.title)));
            for (term, text) in &options.items {
                out.item(term, text);
            }
        }
    }
    for (title, blocks) in page.sections {
        out.section(title);
        for block in *blocks {
            out.block(block);
        }
    }
    out.text
}

#[derive(Default)]
struct Roff {
    text: String,
}

impl Roff {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("a String takes any text");
    }

    fn section(&mut self, title: &str) {
        self.line(format_args!(".SH {}", escape(title)));
    }

    fn item(&mut self, term: &str, text: &str) {
        self.line(format_args!(".TP\n\\fB{}\\fR", escape(term)));
        for line in text.lines() {
            self.line(format_args!("{}", escape(line)));
        }
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Text(text) => self.line(format_args!(".PP\n{}", escape(text))),
            Block::Item(term, text) => self.item(term, text),
            Block::Example(lines) => {
                self.line(format_args!(".PP\n.nf"));
                for line in lines.lines() {
                    self.line(format_args!("{}", escape(line)));
                }
                self.line(format_args!(".fi"));
            }
        }
    }
}

/// Text that stands for itself.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // A line that begins with one of these would be a request.
    if text.starts_with(['.', '\'']) {
        out.push_str("\\&");
    }
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stands_for_itself() {
        let cases = [
            ("a-b", "a\\-b"),
            (".TH", "\\&.TH"),
            ("a\\b", "a\\eb"),
            ("'x'", "\\&\\(aqx\\(aq"),
        ];
        for (text, expected) in cases {
            assert_eq!(escape(text), expected);
        }
    }
}
