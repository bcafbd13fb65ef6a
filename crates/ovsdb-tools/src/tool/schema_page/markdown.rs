//! A page in Markdown, with the tables that GitHub's and most other dialects have.

use super::page::{Block, Page, Span};

/// The whole page.
pub(super) fn write(page: &Page) -> String {
    let mut text = format!("# {}\n", escaped(&page.title));
    for block in &page.blocks {
        text.push('\n');
        match block {
            Block::Heading(heading) => text.push_str(&format!("## {heading}\n")),
            // The anchor is written out, because dialects make different ones of headings.
            Block::TableHeading(name) => {
                text.push_str(&format!("## <a id=\"{name}\"></a>{}\n", code(name)));
            }
            Block::Paragraph(spans) => text.push_str(&format!("{}\n", line(spans))),
            Block::List(points) => {
                for point in points {
                    text.push_str(&format!("- {}\n", line(point)));
                }
            }
            Block::Grid { head, rows } => {
                text.push_str(&format!("| {} |\n", head.join(" | ")));
                text.push_str(&format!("|{}\n", "---|".repeat(head.len())));
                for row in rows {
                    text.push('|');
                    for cell in row {
                        // A bar ends a cell even within code.
                        text.push_str(&format!(" {} |", line(cell).replace('|', "\\|")));
                    }
                    text.push('\n');
                }
            }
        }
    }
    text
}

fn line(spans: &[Span]) -> String {
    spans
        .iter()
        .map(|span| match span {
            Span::Text(text) => escaped(text),
            Span::Code(text) => code(text),
            Span::Table(name) => format!("[{}](#{name})", code(name)),
        })
        .collect()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '#'
        ) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Code between as many backquotes as it takes for those within to mean nothing.
fn code(text: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let touches = text.starts_with('`') || text.ends_with('`');
    let room = if touches { " " } else { "" };
    format!("{fence}{room}{text}{room}{fence}")
}
