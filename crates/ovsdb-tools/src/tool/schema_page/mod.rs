//! `schema-doc [SCHEMA]`: a page that tells what a database holds, table by table, for people to read.
//!
//! [`contents`] says what stands on the page, [`words`] puts types into words, and [`page`] is what a page consists of,
//! which [`markdown`] and [`html`] write down.

mod contents;
mod html;
mod markdown;
mod page;
#[cfg(test)]
mod tests;
mod words;

use super::schema::read_schema_of;
use super::{Answer, Call, ToolError};

/// The language of a page.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Language {
    /// Markdown with tables, as forges show it.
    #[default]
    Markdown,
    /// One HTML file that needs no other.
    Html,
}

impl Language {
    /// The language with this name.
    fn named(name: &str) -> Option<Language> {
        match name {
            "markdown" | "md" => Some(Language::Markdown),
            "html" => Some(Language::Html),
            _ => None,
        }
    }
}

pub(super) fn run(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let language = match call.settings.format {
        None => Language::default(),
        Some(name) => Language::named(name).ok_or_else(|| ToolError::UnknownFormat {
            format: name.to_owned(),
            known: "markdown, html",
        })?,
    };
    let page = contents::of(&read_schema_of(&call.schema(0))?);
    let text = match language {
        Language::Markdown => markdown::write(&page),
        Language::Html => html::write(&page),
    };
    call.out.write_all(text.as_bytes())?;
    Ok(Answer::Yes)
}
