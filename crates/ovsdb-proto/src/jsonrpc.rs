//! JSON-RPC 1.0 messages as OVSDB uses them (RFC 7047, section 4).
//!
//! A message is a request, a notification, a reply or an error; which, follows from the members that are not `null`.
//! Methods and their parameters are none of this module's business.

mod glance;

use std::fmt;

use ecow::EcoString;
use thiserror::Error;

use crate::json::cursor::{Cursor, Stop};
use crate::json::reader::{Event, Reader};
use crate::json::{Json, JsonError, Object, write};
use crate::words::Method;

pub use glance::{Glance, glance};

/// The four kinds of messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Has a method, parameters and an id.
    Request,
    /// Has a method and parameters.
    Notification,
    /// Has a result and an id.
    Reply,
    /// Has an error and an id.
    Error,
}

impl Kind {
    /// The word for it in logs and error messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Request => "request",
            Kind::Notification => "notification",
            Kind::Reply => "reply",
            Kind::Error => "error",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A JSON-RPC message.
///
/// A received one has no `null` for a result, an error or an id. One to send may have them, as some replies need.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Asks for a reply or an error with the same id.
    Request {
        /// The method to call.
        method: EcoString,
        /// Its parameters.
        params: Vec<Json>,
        /// Anything but `null`; the reply repeats it.
        id: Json,
    },
    /// Asks for no answer.
    Notification {
        /// The method to call.
        method: EcoString,
        /// Its parameters.
        params: Vec<Json>,
    },
    /// The answer to a request that succeeded.
    Reply {
        /// The result of the method.
        result: Json,
        /// The request's id.
        id: Json,
    },
    /// The answer to a request that failed.
    Error {
        /// Why it failed.
        error: Json,
        /// The request's id.
        id: Json,
    },
}

/// Why a JSON value is not a JSON-RPC message.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// It is an array.
    #[error("message is not a JSON object")]
    NotObject,
    /// It has a method that is no string.
    #[error("method is not a JSON string")]
    MethodNotString,
    /// It has a member that no message has; of several, the first by name.
    #[error("message has unexpected member \"{0}\"")]
    UnexpectedMember(EcoString),
    /// It has parameters that are no array.
    #[error("\"params\" must be JSON array")]
    ParamsNotArray,
    /// It lacks a member that its kind must have.
    #[error("{kind} must have \"{member}\"")]
    MissingMember {
        /// The kind, as told by the members it has.
        kind: Kind,
        /// The name of the member.
        member: &'static str,
    },
    /// It has a member that its kind must not have.
    #[error("{kind} must not have \"{member}\"")]
    ExtraMember {
        /// The kind, as told by the members it has.
        kind: Kind,
        /// The name of the member.
        member: &'static str,
    },
}

/// Why a text is not a JSON-RPC message.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
pub enum ParseError {
    /// It is not JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// It is JSON, but not a message.
    #[error(transparent)]
    Message(#[from] MessageError),
}

/// The members of a message as they come; absent and `null` are the same, except for the method.
#[derive(Default)]
struct Members {
    method: Option<Json>,
    params: Option<Json>,
    result: Option<Json>,
    error: Option<Json>,
    id: Option<Json>,
    unexpected: Option<EcoString>,
}

impl Members {
    /// Takes a member. The last of several with one name counts.
    fn put(&mut self, name: &str, value: Json) {
        let member = match name {
            "method" => {
                self.method = Some(value);
                return;
            }
            "params" => &mut self.params,
            "result" => &mut self.result,
            "error" => &mut self.error,
            "id" => &mut self.id,
            _ => {
                if self.unexpected.as_deref().is_none_or(|first| name < first) {
                    self.unexpected = Some(name.into());
                }
                return;
            }
        };
        *member = (!value.is_null()).then_some(value);
    }

    fn into_message(self) -> Result<Message, MessageError> {
        let method = match self.method {
            None => None,
            Some(Json::String(method)) => Some(method),
            // No method is called that, which is for the callee to say.
            Some(Json::NotUtf8(method)) => Some(String::from_utf8_lossy(&method).into()),
            Some(_) => return Err(MessageError::MethodNotString),
        };
        if let Some(name) = self.unexpected {
            return Err(MessageError::UnexpectedMember(name));
        }
        let params = match self.params {
            None => None,
            Some(Json::Array(params)) => Some(params),
            Some(_) => return Err(MessageError::ParamsNotArray),
        };
        let kind = match (&self.result, &self.error, &self.id) {
            (Some(_), _, _) => Kind::Reply,
            (None, Some(_), _) => Kind::Error,
            (None, None, Some(_)) => Kind::Request,
            (None, None, None) => Kind::Notification,
        };
        let check = |member, has: bool, kinds: &[Kind]| match (has, kinds.contains(&kind)) {
            (false, true) => Err(MessageError::MissingMember { kind, member }),
            (true, false) => Err(MessageError::ExtraMember { kind, member }),
            _ => Ok(()),
        };
        check(
            "method",
            method.is_some(),
            &[Kind::Request, Kind::Notification],
        )?;
        check(
            "params",
            params.is_some(),
            &[Kind::Request, Kind::Notification],
        )?;
        check("result", self.result.is_some(), &[Kind::Reply])?;
        check("error", self.error.is_some(), &[Kind::Error])?;
        check(
            "id",
            self.id.is_some(),
            &[Kind::Request, Kind::Reply, Kind::Error],
        )?;

        // The checks leave exactly these four combinations.
        Ok(match (method, params, self.result, self.error, self.id) {
            (Some(method), Some(params), None, None, Some(id)) => {
                Message::Request { method, params, id }
            }
            (Some(method), Some(params), None, None, None) => {
                Message::Notification { method, params }
            }
            (None, None, Some(result), None, Some(id)) => Message::Reply { result, id },
            (None, None, None, Some(error), Some(id)) => Message::Error { error, id },
            _ => unreachable!("members were checked against the kind"),
        })
    }
}

impl Message {
    /// A request.
    pub fn request(
        method: impl Into<EcoString>,
        params: Vec<Json>,
        id: impl Into<Json>,
    ) -> Message {
        Message::Request {
            method: method.into(),
            params,
            id: id.into(),
        }
    }

    /// A notification.
    pub fn notification(method: impl Into<EcoString>, params: Vec<Json>) -> Message {
        Message::Notification {
            method: method.into(),
            params,
        }
    }

    /// The kind of the message.
    pub fn kind(&self) -> Kind {
        match self {
            Message::Request { .. } => Kind::Request,
            Message::Notification { .. } => Kind::Notification,
            Message::Reply { .. } => Kind::Reply,
            Message::Error { .. } => Kind::Error,
        }
    }

    /// The message that `json` is.
    ///
    /// # Errors
    /// If it is none.
    pub fn from_json(json: Json) -> Result<Message, MessageError> {
        let Json::Object(object) = json else {
            return Err(MessageError::NotObject);
        };
        let mut members = Members::default();
        for (name, value) in object {
            members.put(&name, value);
        }
        members.into_message()
    }

    /// The message whose text is `bytes`.
    ///
    /// # Errors
    /// If it is not JSON, or not a message.
    pub fn parse(bytes: &[u8]) -> Result<Message, ParseError> {
        let mut reader = Reader::new(bytes);
        let mut members = Members::default();
        let mut event = reader.next_event()?;
        let is_object = event == Event::BeginObject;
        if !is_object {
            reader.skip(&event)?;
        }
        loop {
            event = reader.next_event()?;
            match event {
                Event::Name(name) => {
                    let first = reader.next_event()?;
                    let value = reader.value(first)?;
                    members.put(&name, value);
                }
                Event::End => break,
                // The end of the object; only white space may follow.
                _ => {}
            }
        }
        if !is_object {
            return Err(MessageError::NotObject.into());
        }
        Ok(members.into_message()?)
    }

    /// The message as a JSON value.
    pub fn to_json(&self) -> Json {
        let mut object = Object::with_capacity(3);
        match self {
            Message::Request { method, params, id } => {
                object.insert("id", id.clone());
                object.insert("method", method.clone());
                object.insert("params", params.clone());
            }
            Message::Notification { method, params } => {
                object.insert("id", Json::Null);
                object.insert("method", method.clone());
                object.insert("params", params.clone());
            }
            Message::Reply { result, id } => {
                object.insert("error", Json::Null);
                object.insert("id", id.clone());
                object.insert("result", result.clone());
            }
            Message::Error { error, id } => {
                object.insert("error", error.clone());
                object.insert("id", id.clone());
            }
        }
        Json::Object(object)
    }

    /// Appends the message as it goes over the wire.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Message::Request { method, params, id } => {
                call(method, id, out, |out| write::array(params, out))
            }
            Message::Notification { method, params } => {
                call(method, &Json::Null, out, |out| write::array(params, out));
            }
            Message::Reply { result, id } => write_reply_with(id, |out| result.write_to(out), out),
            Message::Error { error, id } => write_error_with(id, |out| error.write_to(out), out),
        }
    }

    /// The message as it goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_to(&mut out);
        out
    }
}

/// The form that debug logs show: `request, method="echo", params=[], id=1`.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().as_str())?;
        match self {
            Message::Request { method, params, id } => {
                write!(
                    f,
                    ", method=\"{method}\", params={}, id={id}",
                    ArrayText(params)
                )
            }
            Message::Notification { method, params } => {
                write!(f, ", method=\"{method}\", params={}", ArrayText(params))
            }
            Message::Reply { result, id } => write!(f, ", result={result}, id={id}"),
            Message::Error { error, id } => write!(f, ", error={error}, id={id}"),
        }
    }
}

struct ArrayText<'a>(&'a [Json]);

impl fmt::Display for ArrayText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        write::array(self.0, &mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// Reads a `transact` request of the usual form straight from its text: `operations` is given the name of the database
/// and the place behind it, and reads the rest of the parameters. Gives back the request's id and what became of them.
///
/// # Errors
/// The text is something else, or of another form: see [`Message::parse`].
pub fn read_transact<T>(
    text: &str,
    operations: impl FnOnce(&str, &mut Cursor<'_>) -> Result<T, Stop>,
) -> Result<(Json, T), Stop> {
    let mut cursor = Cursor::new(text);
    let (mut id, mut method, mut params) = (None, false, Params::Missing);
    let mut operations = Some(operations);
    let mut read = |params: &mut Cursor<'_>| {
        let operations = operations.take().ok_or(Stop::Unexpected)?;
        params.expect(b'[')?;
        let database = params.string()?;
        operations(&database, params)
    };
    let mut is_first = true;
    cursor.expect(b'{')?;
    while cursor.another(b'}', is_first)? {
        is_first = false;
        match &*cursor.name()? {
            "id" if id.is_none() => {
                id = Some(match cursor.peek()? {
                    b'"' => Json::string(&*cursor.string()?),
                    _ => Json::Integer(cursor.integer()?),
                });
            }
            "method" if !method && cursor.string()? == Method::Transact.as_str() => method = true,
            "params" if matches!(params, Params::Missing) => {
                params = if method {
                    Params::Read(read(&mut cursor)?)
                } else {
                    // What they are is yet to be said.
                    let place = cursor.clone();
                    cursor.skip()?;
                    Params::At(place)
                };
            }
            _ => return Err(Stop::Unexpected),
        }
    }
    let is_end = cursor.peek() == Err(Stop::End);
    let (Some(id), true, true) = (id, method, is_end) else {
        return Err(Stop::Unexpected);
    };
    match params {
        Params::Read(operations) => Ok((id, operations)),
        Params::At(mut place) => Ok((id, read(&mut place)?)),
        Params::Missing => Err(Stop::Unexpected),
    }
}

/// The parameters of a request that is being read.
enum Params<'a, T> {
    Missing,
    /// They begin here.
    At(Cursor<'a>),
    Read(T),
}

/// Appends a reply whose result is JSON text already.
pub fn write_reply(id: &Json, result: &[u8], out: &mut Vec<u8>) {
    out.reserve(result.len() + 64);
    write_reply_with(id, |out| out.extend_from_slice(result), out);
}

/// Appends an error reply whose error is JSON text already.
pub fn write_error(id: &Json, error: &[u8], out: &mut Vec<u8>) {
    write_error_with(id, |out| out.extend_from_slice(error), out);
}

/// Appends a request whose parameters are the text of a JSON array already.
pub fn write_request(method: &str, params: &[u8], id: &Json, out: &mut Vec<u8>) {
    call(method, id, out, |out| out.extend_from_slice(params));
}

/// Appends a notification whose parameters are the text of a JSON array already.
pub fn write_notification(method: &str, params: &[u8], out: &mut Vec<u8>) {
    out.reserve(params.len() + 64);
    call(method, &Json::Null, out, |out| {
        out.extend_from_slice(params)
    });
}

/// Appends a reply whose result `write` appends as JSON text.
pub fn write_reply_with(id: &Json, write: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"error\":null,\"id\":");
    id.write_to(out);
    out.extend_from_slice(b",\"result\":");
    write(out);
    out.push(b'}');
}

/// Appends an error reply whose error `write` appends as JSON text. It has no member `result`: RFC 7047 wants one that
/// is `null`, the reference sends none, and receivers accept both.
pub fn write_error_with(id: &Json, write: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"error\":");
    write(out);
    out.extend_from_slice(b",\"id\":");
    id.write_to(out);
    out.push(b'}');
}

/// Appends a notification whose parameters `write` appends as the text of a JSON array.
pub fn write_notification_with(method: &str, write: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    call(method, &Json::Null, out, write);
}

fn call(method: &str, id: &Json, out: &mut Vec<u8>, params: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"{\"id\":");
    id.write_to(out);
    out.extend_from_slice(b",\"method\":");
    write::string(method, out);
    out.extend_from_slice(b",\"params\":");
    params(out);
    out.push(b'}');
}
