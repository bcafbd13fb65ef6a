//! What a page consists of, whatever language it is written in.

/// A page.
#[derive(Debug)]
pub(super) struct Page {
    /// Plain text.
    pub(super) title: String,
    pub(super) blocks: Vec<Block>,
}

/// A part of a page that stands by itself.
#[derive(Debug)]
pub(super) enum Block {
    /// A heading below the title.
    Heading(&'static str),
    /// The heading of a table of the database, to which [`Span::Table`] leads.
    TableHeading(String),
    /// A paragraph.
    Paragraph(Vec<Span>),
    /// A list of points.
    List(Vec<Vec<Span>>),
    /// Rows and columns.
    Grid {
        head: &'static [&'static str],
        /// As many cells each as the head has.
        rows: Vec<Vec<Vec<Span>>>,
    },
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Span {
    /// Words of the page.
    Text(String),
    /// A name or a value of the schema.
    Code(String),
    /// The name of a table of the database, which leads to its heading.
    Table(String),
}

impl From<&str> for Span {
    fn from(text: &str) -> Span {
        Span::Text(text.to_owned())
    }
}

impl From<String> for Span {
    fn from(text: String) -> Span {
        Span::Text(text)
    }
}

/// Puts `between` between the texts of `parts`.
pub(super) fn join(parts: impl IntoIterator<Item = Vec<Span>>, between: &str) -> Vec<Span> {
    let mut joined = Vec::new();
    for part in parts {
        if !joined.is_empty() {
            joined.push(between.into());
        }
        joined.extend(part);
    }
    joined
}
