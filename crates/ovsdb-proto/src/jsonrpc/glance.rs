//! A look at the outside of a message: its kind and where its contents are, without reading them.
//!
//! For receivers that read large contents straight into values. What is refused here is not wrong yet: whoever is
//! stopped asks [`Message::parse`](super::Message::parse), which knows every form of a message and has words for errors.

use std::borrow::Cow;

use crate::json::Json;
use crate::json::cursor::{Cursor, Stop};

/// A message whose contents have not been read.
///
/// Contents are texts that end where they should if they are JSON, which is for their reader to see. None is `null`.
#[derive(Clone, Debug, PartialEq)]
pub enum Glance<'a> {
    /// Asks for a reply or an error with the same id.
    Request {
        /// The method to call.
        method: Cow<'a, str>,
        /// Its parameters: the text of an array.
        params: &'a str,
        /// An integer or a string.
        id: Json,
    },
    /// Asks for no answer.
    Notification {
        /// The method to call.
        method: Cow<'a, str>,
        /// Its parameters: the text of an array.
        params: &'a str,
    },
    /// The answer to a request that succeeded.
    Reply {
        /// The text of the result.
        result: &'a str,
        /// The request's id, an integer or a string.
        id: Json,
    },
    /// The answer to a request that failed.
    Error {
        /// The text of the error.
        error: &'a str,
        /// The request's id, an integer or a string.
        id: Json,
    },
}

/// Looks at a message. Its members may stand in any order.
///
/// # Errors
/// The text is no message, or one of a less usual form: with a member twice, say, or with an id that is an array.
pub fn glance(text: &[u8]) -> Result<Glance<'_>, Stop> {
    let text = std::str::from_utf8(text).map_err(|_| Stop::Unexpected)?;
    let mut cursor = Cursor::new(text);
    let (mut id, mut method) = (None, None);
    let (mut params, mut result, mut error) = (None, None, None);
    let mut is_first = true;
    cursor.expect(b'{')?;
    while cursor.another(b'}', is_first)? {
        is_first = false;
        match &*cursor.name()? {
            "id" => once(&mut id, member_id(&mut cursor)?)?,
            "method" => once(&mut method, cursor.string()?)?,
            "params" => once(&mut params, contents(&mut cursor)?)?,
            "result" => once(&mut result, contents(&mut cursor)?)?,
            "error" => once(&mut error, contents(&mut cursor)?)?,
            _ => return Err(Stop::Unexpected),
        }
    }
    if cursor.peek() != Err(Stop::End) {
        return Err(Stop::Unexpected);
    }
    // Absent and `null` are the same.
    match (
        method,
        params.flatten(),
        result.flatten(),
        error.flatten(),
        id.flatten(),
    ) {
        (Some(method), Some(params), None, None, id) if params.starts_with('[') => Ok(match id {
            Some(id) => Glance::Request { method, params, id },
            None => Glance::Notification { method, params },
        }),
        (None, None, Some(result), None, Some(id)) => Ok(Glance::Reply { result, id }),
        (None, None, None, Some(error), Some(id)) => Ok(Glance::Error { error, id }),
        _ => Err(Stop::Unexpected),
    }
}

/// Takes a member that may not come twice.
fn once<T>(member: &mut Option<T>, value: T) -> Result<(), Stop> {
    match member.replace(value) {
        None => Ok(()),
        Some(_) => Err(Stop::Unexpected),
    }
}

fn contents<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a str>, Stop> {
    let text = cursor.skip()?;
    Ok((text != "null").then_some(text))
}

fn member_id(cursor: &mut Cursor<'_>) -> Result<Option<Json>, Stop> {
    Ok(match cursor.peek()? {
        b'n' => {
            cursor.null()?;
            None
        }
        b'"' => Some(Json::string(&*cursor.string()?)),
        _ => Some(Json::Integer(cursor.integer()?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::jsonrpc::Message;

    /// Any JSON value, which the parser of whole texts takes only within an array.
    fn value(text: &str) -> Option<Json> {
        match json::parse(format!("[{text}]").as_bytes()) {
            Ok(Json::Array(values)) if values.len() == 1 => values.into_iter().next(),
            _ => None,
        }
    }

    /// The message, read through a glance; `None` if the glance or the reading of its contents stops.
    fn through_glance(text: &[u8]) -> Option<Message> {
        let array = |text| match value(text)? {
            Json::Array(values) => Some(values),
            _ => None,
        };
        Some(match glance(text).ok()? {
            Glance::Request { method, params, id } => {
                Message::request(&*method, array(params)?, id)
            }
            Glance::Notification { method, params } => {
                Message::notification(&*method, array(params)?)
            }
            Glance::Reply { result, id } => Message::Reply {
                result: value(result)?,
                id,
            },
            Glance::Error { error, id } => Message::Error {
                error: value(error)?,
                id,
            },
        })
    }

    #[track_caller]
    fn check(text: &str, is_usual: bool) {
        let seen = through_glance(text.as_bytes());
        assert_eq!(seen.is_some(), is_usual, "{text}");
        if seen.is_some() {
            assert_eq!(seen, Message::parse(text.as_bytes()).ok(), "{text}");
        }
    }

    #[test]
    fn usual_messages_are_the_same_at_a_glance_and_in_full() {
        for text in [
            r#"{"id":1,"method":"echo","params":[1,"x",{"a":[]}]}"#,
            r#"{"method":"update","params":[null,{"T":{}}],"id":null}"#,
            r#"{"params":["]\"}"],"method":"upd\u0061te"}"#,
            r#"{"id":7,"result":{"a":"\\"},"error":null}"#,
            r#"{"error":null,"id":"x","result":false} "#,
            " {\"id\" : 1.0 ,\n\"error\":\"canceled\",\"result\" :null }",
            r#"{"error":{"error":"x"},"id":-3}"#,
        ] {
            check(text, true);
        }
    }

    #[test]
    fn what_is_no_message_and_what_is_an_unusual_one_is_left_to_others() {
        for text in [
            "",
            "[]",
            "{}",
            "{",
            r#"{"id":1}"#,
            r#"{"id":1,"result":null,"error":null}"#,
            r#"{"id":1,"result":1,"error":1}"#,
            r#"{"id":[1],"result":1}"#,
            r#"{"id":1.5,"result":1}"#,
            r#"{"id":null,"result":1}"#,
            r#"{"id":1,"id":1,"result":1}"#,
            r#"{"id":1,"result":1,"result":2}"#,
            r#"{"id":1,"result":1,"method":"x"}"#,
            r#"{"id":1,"method":null,"params":[]}"#,
            r#"{"id":1,"method":"x","params":{}}"#,
            r#"{"id":1,"method":"x"}"#,
            r#"{"id":1,"result":1,"other":1}"#,
            r#"{"id":1,"result":1}x"#,
            r#"{"id":1,"result":nul}"#,
            r#"{"id":1,"result":[1}"#,
        ] {
            check(text, false);
        }
        assert_eq!(
            glance(b"{\"id\":1,\"result\":\"\xff\"}"),
            Err(Stop::Unexpected)
        );
    }

    #[test]
    fn contents_are_found_where_they_are() {
        let text = r#"{"id":null,"method":"update3","params":[ ["ovsdb",1] , "}", {}]}"#;
        let Ok(Glance::Notification { params, .. }) = glance(text.as_bytes()) else {
            panic!("this is a notification");
        };
        assert_eq!(params, r#"[ ["ovsdb",1] , "}", {}]"#);
    }
}
