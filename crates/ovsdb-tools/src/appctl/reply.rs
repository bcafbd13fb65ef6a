//! A daemon's answer as text.

use ovsdb_proto::json::Json;

/// The answer is not what was asked for.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("Unexpected reply type in JSON rpc reply: {0}")]
pub(super) struct ReplyError(&'static str);

/// Ends a text that has no final line feed with one; no text stays none.
fn with_newline(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// An answer in plain text.
pub(super) fn text(reply: &Json) -> Result<String, ReplyError> {
    let text = reply
        .as_str()
        .ok_or_else(|| ReplyError(reply.type_name()))?;
    Ok(with_newline(text.to_owned()))
}

/// An answer in JSON.
pub(super) fn json(reply: &Json, pretty: bool) -> String {
    with_newline(if pretty {
        reply.to_pretty_string()
    } else {
        reply.to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_line_feed_is_added() {
        for (reply, expect) in [("", ""), ("x", "x\n"), ("x\n", "x\n"), ("x\n\n", "x\n\n")] {
            assert_eq!(text(&Json::string(reply)).as_deref(), Ok(expect));
        }
    }

    #[test]
    fn text_must_be_a_string() {
        let error = text(&Json::Array(Vec::new())).expect_err("an array");
        assert_eq!(
            error.to_string(),
            "Unexpected reply type in JSON rpc reply: array"
        );
    }

    #[test]
    fn json_is_compact_or_pretty() {
        let reply = Json::Array(vec![Json::Integer(1)]);
        assert_eq!(json(&reply, false), "[1]\n");
        assert_eq!(json(&reply, true), "[\n  1]\n");
    }
}
