//! A page in HTML, in one file that needs no other.

use super::page::{Block, Page, Span};

const STYLE: &str =
    "body { font-family: sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; }
td, th { border: 1px solid #bbb; padding: 0.2em 0.6em; text-align: left; vertical-align: top; }
code { font-size: 110%; }
";

/// The whole page.
pub(super) fn write(page: &Page) -> String {
    let title = escaped(&page.title);
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    for block in &page.blocks {
        match block {
            Block::Heading(heading) => text.push_str(&format!("<h2>{}</h2>\n", escaped(heading))),
            Block::TableHeading(name) => {
                let name = escaped(name);
                text.push_str(&format!("<h2 id=\"{name}\"><code>{name}</code></h2>\n"));
            }
            Block::Paragraph(spans) => text.push_str(&format!("<p>{}</p>\n", line(spans))),
            Block::List(points) => {
                text.push_str("<ul>\n");
                for point in points {
                    text.push_str(&format!("<li>{}</li>\n", line(point)));
                }
                text.push_str("</ul>\n");
            }
            Block::Grid { head, rows } => {
                text.push_str("<table>\n<tr>");
                for cell in *head {
                    text.push_str(&format!("<th>{}</th>", escaped(cell)));
                }
                text.push_str("</tr>\n");
                for row in rows {
                    text.push_str("<tr>");
                    for cell in row {
                        text.push_str(&format!("<td>{}</td>", line(cell)));
                    }
                    text.push_str("</tr>\n");
                }
                text.push_str("</table>\n");
            }
        }
    }
    text + "</body>\n</html>\n"
}

fn line(spans: &[Span]) -> String {
    spans
        .iter()
        .map(|span| match span {
            Span::Text(text) => escaped(text),
            Span::Code(text) => format!("<code>{}</code>", escaped(text)),
            Span::Table(name) => {
                let name = escaped(name);
                format!("<a href=\"#{name}\"><code>{name}</code></a>")
            }
        })
        .collect()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}
