//! The pull parser: grammar on top of tokens, one event a call, with no tree and no recursion.
//!
//! Whoever knows the shape of a message reads it from events straight into types; [`Reader::value`] builds a tree for
//! the parts whose shape is not known.

use std::borrow::Cow;

use ecow::EcoString;

use super::error::{JsonError, JsonErrorKind};
use super::lexer::{self, Fault, Lexer, Text, Token};
use super::number::Number;
use super::{Json, MAX_DEPTH, Object};

/// One step through a JSON text.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// `{`
    BeginObject,
    /// `}`
    EndObject,
    /// `[`
    BeginArray,
    /// `]`
    EndArray,
    /// The name of an object's member; its value follows. What is not UTF-8 in it is replaced by U+FFFD, which no name
    /// of the protocol contains.
    Name(Cow<'a, str>),
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number that is integral and fits, in any notation.
    Integer(i64),
    /// Any other number; always finite.
    Real(f64),
    /// A string value.
    String(Cow<'a, str>),
    /// A string value that is not UTF-8, with its escapes resolved.
    NotUtf8(Box<[u8]>),
    /// The outermost value is complete and only white space followed.
    End,
}

/// What the grammar allows next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Start,
    /// After `{`.
    ObjectFirst,
    /// After a comma in an object.
    ObjectName,
    /// After a name.
    ObjectColon,
    /// After the colon.
    ObjectValue,
    /// After a member.
    ObjectNext,
    /// After `[`.
    ArrayFirst,
    /// After a comma in an array.
    ArrayValue,
    /// After an element.
    ArrayNext,
    Done,
}

/// Which brackets are open: one bit each, set for an object.
#[derive(Clone, Debug)]
pub(crate) struct Nesting {
    depth: usize,
    depth_max: usize,
    objects: [u64; MAX_DEPTH.div_ceil(64)],
}

impl Nesting {
    pub(crate) const fn new() -> Nesting {
        Nesting::within(0)
    }

    /// For a text inside so many other brackets.
    const fn within(levels: usize) -> Nesting {
        Nesting {
            depth: 0,
            depth_max: MAX_DEPTH - levels,
            objects: [0; MAX_DEPTH.div_ceil(64)],
        }
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Opens a bracket; false if that would be too deep.
    #[inline]
    pub(crate) fn push(&mut self, object: bool) -> bool {
        if self.depth == self.depth_max {
            return false;
        }
        let (word, bit) = (self.depth / 64, 1u64 << (self.depth % 64));
        if object {
            self.objects[word] |= bit;
        } else {
            self.objects[word] &= !bit;
        }
        self.depth += 1;
        true
    }

    /// Closes the innermost bracket.
    #[inline]
    pub(crate) fn pop(&mut self) {
        self.depth -= 1;
    }

    /// Whether the innermost bracket is an object's; `None` if none is open.
    #[inline]
    pub(crate) fn innermost_is_object(&self) -> Option<bool> {
        let top = self.depth.checked_sub(1)?;
        Some(self.objects[top / 64] >> (top % 64) & 1 == 1)
    }
}

/// Where a reader stands, apart from the text itself.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pos: usize,
    state: State,
    nesting: Nesting,
}

impl Place {
    pub(crate) const fn start() -> Place {
        Place {
            pos: 0,
            state: State::Start,
            nesting: Nesting::new(),
        }
    }

    /// How much of the text is before it, in bytes.
    pub(crate) fn offset(&self) -> usize {
        self.pos
    }
}

/// A pull parser over one JSON text in memory.
///
/// The outermost value must be an array or an object, and nothing but white space may surround it. Any string may be
/// read from the events without a copy, unless it holds escapes.
///
/// ```
/// use ovsdb_proto::json::reader::{Event, Reader};
///
/// let mut reader = Reader::new(br#"["a", 1.0]"#);
/// assert_eq!(reader.next_event()?, Event::BeginArray);
/// assert_eq!(reader.next_event()?, Event::String("a".into()));
/// assert_eq!(reader.next_event()?, Event::Integer(1));
/// assert_eq!(reader.next_event()?, Event::EndArray);
/// assert_eq!(reader.next_event()?, Event::End);
/// # Ok::<(), ovsdb_proto::json::JsonError>(())
/// ```
#[derive(Debug)]
pub struct Reader<'a> {
    lexer: Lexer<'a>,
    /// The whole input, if all of it is UTF-8, so that strings need not be checked one by one.
    text: Option<&'a str>,
    state: State,
    nesting: Nesting,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `input`.
    pub fn new(input: &'a [u8]) -> Reader<'a> {
        Reader::within(input, 0)
    }

    /// A reader at the start of a text that is known to be UTF-8.
    pub fn of_text(text: &'a str) -> Reader<'a> {
        Reader {
            lexer: Lexer::new(text.as_bytes(), 0, false),
            text: Some(text),
            state: State::Start,
            nesting: Nesting::within(0),
        }
    }

    /// A reader of a text that is inside `levels` arrays or objects.
    pub(super) fn within(input: &'a [u8], levels: usize) -> Reader<'a> {
        Reader {
            lexer: Lexer::new(input, 0, false),
            text: std::str::from_utf8(input).ok(),
            state: State::Start,
            nesting: Nesting::within(levels),
        }
    }

    /// Checks `input`, the beginning of a text that may go on, from `place` on, and moves `place` to the last token
    /// that is complete.
    ///
    /// # Errors
    /// Only faults that no further input can cure.
    pub(crate) fn check_prefix(input: &'a [u8], place: &mut Place) -> Result<(), JsonError> {
        let mut reader = Reader {
            lexer: Lexer::new(input, place.pos, true),
            text: None,
            state: place.state,
            nesting: place.nesting.clone(),
        };
        let result = loop {
            match reader.step() {
                Ok(Step::End) => break Ok(()),
                Ok(
                    Step::String {
                        start,
                        end,
                        escaped: true,
                    }
                    | Step::Name {
                        start,
                        end,
                        escaped: true,
                    },
                ) => {
                    if let Err(kind) = lexer::unescape(&input[start..end]) {
                        break Err(JsonError::locate(input, end, kind));
                    }
                }
                Ok(_) => {}
                Err(fault) if fault.kind.is_incomplete() => break Ok(()),
                Err(fault) => break Err(JsonError::locate(input, fault.at, fault.kind)),
            }
        };
        *place = Place {
            pos: reader.lexer.pos,
            state: reader.state,
            nesting: reader.nesting,
        };
        result
    }

    /// The number of arrays and objects that are open.
    pub fn depth(&self) -> usize {
        self.nesting.depth()
    }

    /// The number of bytes read so far: the end of the last event.
    pub fn offset(&self) -> usize {
        self.lexer.pos
    }

    /// The next event; [`Event::End`] again and again at the end.
    ///
    /// # Errors
    /// If the text is not JSON. The reader is of no further use then.
    #[inline]
    pub fn next_event(&mut self) -> Result<Event<'a>, JsonError> {
        let step = match self.step() {
            Ok(step) => step,
            Err(fault) => return Err(self.error(fault.at, fault.kind)),
        };
        Ok(match step {
            Step::BeginObject => Event::BeginObject,
            Step::EndObject => Event::EndObject,
            Step::BeginArray => Event::BeginArray,
            Step::EndArray => Event::EndArray,
            Step::Null => Event::Null,
            Step::Bool(value) => Event::Bool(value),
            Step::Number(Number::Integer(value)) => Event::Integer(value),
            Step::Number(Number::Real(value)) => Event::Real(value),
            Step::Name {
                start,
                end,
                escaped,
            } => match self.decode(start, end, escaped)? {
                Text::Utf8(text) => Event::Name(text),
                Text::NotUtf8(bytes) => {
                    Event::Name(String::from_utf8_lossy(&bytes).into_owned().into())
                }
            },
            Step::String {
                start,
                end,
                escaped,
            } => match self.decode(start, end, escaped)? {
                Text::Utf8(text) => Event::String(text),
                Text::NotUtf8(bytes) => Event::NotUtf8(bytes),
            },
            Step::End => Event::End,
        })
    }

    /// Reads the rest of the value that `first` begins, and returns it as a tree.
    ///
    /// # Errors
    /// If the text is not JSON.
    ///
    /// # Panics
    /// If `first` begins no value: a name, the end of an array or object, or the end.
    pub fn value(&mut self, first: Event<'a>) -> Result<Json, JsonError> {
        let mut open: Vec<Open> = Vec::new();
        // What belongs to arrays and objects whose ends are still to come. Each gets its share in one allocation of the
        // right size, once that is known.
        let mut elements: Vec<Json> = Vec::new();
        let mut members: Vec<(EcoString, Json)> = Vec::new();
        let mut event = first;
        loop {
            let value = match event {
                Event::Null => Json::Null,
                Event::Bool(value) => Json::Bool(value),
                Event::Integer(value) => Json::Integer(value),
                Event::Real(value) => Json::Real(value),
                Event::String(text) => Json::String(EcoString::from(&*text)),
                Event::NotUtf8(bytes) => Json::NotUtf8(bytes),
                Event::BeginArray => {
                    open.push(Open::Array {
                        first: elements.len(),
                    });
                    event = self.next_event()?;
                    continue;
                }
                Event::BeginObject => {
                    open.push(Open::Object {
                        first: members.len(),
                        name: EcoString::new(),
                    });
                    event = self.next_event()?;
                    continue;
                }
                Event::Name(text) => {
                    let Some(Open::Object { name, .. }) = open.last_mut() else {
                        panic!("a name begins no value");
                    };
                    *name = EcoString::from(&*text);
                    event = self.next_event()?;
                    continue;
                }
                Event::EndArray | Event::EndObject | Event::End => match open.pop() {
                    Some(Open::Array { first }) => Json::Array(elements.drain(first..).collect()),
                    Some(Open::Object { first, .. }) => {
                        Json::Object(Object::from_members(members.drain(first..).collect()))
                    }
                    None => panic!("an end begins no value"),
                },
            };
            match open.last_mut() {
                None => return Ok(value),
                Some(Open::Array { .. }) => elements.push(value),
                Some(Open::Object { name, .. }) => members.push((std::mem::take(name), value)),
            }
            event = self.next_event()?;
        }
    }

    /// Reads the rest of the value that `first` begins, and drops it.
    ///
    /// # Errors
    /// If the text is not JSON.
    pub fn skip(&mut self, first: &Event<'a>) -> Result<(), JsonError> {
        if !matches!(first, Event::BeginArray | Event::BeginObject) {
            return Ok(());
        }
        let outside = self.depth() - 1;
        while self.depth() > outside {
            self.pass_event()?;
        }
        Ok(())
    }

    /// [`Reader::next_event`] for somebody who wants to know only that there is one.
    fn pass_event(&mut self) -> Result<(), JsonError> {
        match self.step() {
            // All else in a string is sound if its quotes are.
            Ok(
                Step::String {
                    start,
                    end,
                    escaped: true,
                }
                | Step::Name {
                    start,
                    end,
                    escaped: true,
                },
            ) => lexer::unescape(&self.lexer.input[start..end])
                .map(drop)
                .map_err(|kind| self.error(end, kind)),
            Ok(_) => Ok(()),
            Err(fault) => Err(self.error(fault.at, fault.kind)),
        }
    }

    fn error(&self, at: usize, kind: JsonErrorKind) -> JsonError {
        JsonError::locate(self.lexer.input, at, kind)
    }

    /// The string between the quotes at `start` and `end`.
    #[inline]
    fn decode(&self, start: usize, end: usize, escaped: bool) -> Result<Text<'a>, JsonError> {
        if escaped {
            return lexer::unescape(&self.lexer.input[start..end])
                .map_err(|kind| self.error(end, kind));
        }
        if let Some(text) = self.text {
            return Ok(Text::Utf8(Cow::Borrowed(&text[start..end])));
        }
        let raw = &self.lexer.input[start..end];
        Ok(match std::str::from_utf8(raw) {
            Ok(text) => Text::Utf8(Cow::Borrowed(text)),
            Err(_) => Text::NotUtf8(raw.into()),
        })
    }

    /// Moves by one event, and leaves strings undecoded.
    fn step(&mut self) -> Result<Step, Fault> {
        loop {
            let token = self.lexer.token()?;
            if matches!(token, Token::End) {
                return match self.state {
                    State::Done => Ok(Step::End),
                    State::Start => Err(Fault {
                        at: self.lexer.end_offset(),
                        kind: JsonErrorKind::Empty,
                    }),
                    _ => Err(Fault {
                        at: self.lexer.end_offset(),
                        kind: JsonErrorKind::UnexpectedEnd,
                    }),
                };
            }
            let after_value = match self.state {
                State::Start => {
                    return match token {
                        Token::BeginObject => self.open(true),
                        Token::BeginArray => self.open(false),
                        _ => self.refuse(&token, JsonErrorKind::NotContainer),
                    };
                }
                State::Done => return self.refuse(&token, JsonErrorKind::TrailingGarbage),
                State::ObjectFirst | State::ObjectName => {
                    return match token {
                        Token::EndObject if self.state == State::ObjectFirst => {
                            Ok(self.close(Step::EndObject))
                        }
                        Token::String {
                            start,
                            end,
                            escaped,
                        } => {
                            self.state = State::ObjectColon;
                            Ok(Step::Name {
                                start,
                                end,
                                escaped,
                            })
                        }
                        _ => self.refuse(&token, JsonErrorKind::ExpectedName),
                    };
                }
                State::ObjectColon => match token {
                    Token::Colon => {
                        self.state = State::ObjectValue;
                        continue;
                    }
                    _ => return self.refuse(&token, JsonErrorKind::ExpectedColon),
                },
                State::ObjectNext => match token {
                    Token::Comma => {
                        self.state = State::ObjectName;
                        continue;
                    }
                    Token::EndObject => return Ok(self.close(Step::EndObject)),
                    _ => return self.refuse(&token, JsonErrorKind::ExpectedObjectNext),
                },
                State::ArrayNext => match token {
                    Token::Comma => {
                        self.state = State::ArrayValue;
                        continue;
                    }
                    Token::EndArray => return Ok(self.close(Step::EndArray)),
                    _ => return self.refuse(&token, JsonErrorKind::ExpectedArrayNext),
                },
                State::ArrayFirst if matches!(token, Token::EndArray) => {
                    return Ok(self.close(Step::EndArray));
                }
                State::ArrayFirst | State::ArrayValue => State::ArrayNext,
                State::ObjectValue => State::ObjectNext,
            };
            let step = match token {
                Token::BeginObject => return self.open(true),
                Token::BeginArray => return self.open(false),
                Token::Null => Step::Null,
                Token::True => Step::Bool(true),
                Token::False => Step::Bool(false),
                Token::Number(value) => Step::Number(value),
                Token::String {
                    start,
                    end,
                    escaped,
                } => Step::String {
                    start,
                    end,
                    escaped,
                },
                _ => return self.refuse(&token, JsonErrorKind::ExpectedValue),
            };
            self.state = after_value;
            return Ok(step);
        }
    }

    /// The fault of a token that the grammar does not allow. Brackets and the like are reported at themselves, strings at
    /// their closing quote, words and numbers after their end.
    #[cold]
    fn refuse(&self, token: &Token, kind: JsonErrorKind) -> Result<Step, Fault> {
        let after = self.lexer.pos;
        match *token {
            Token::Null | Token::True | Token::False | Token::Number(_) | Token::End => {
                Err(Fault { at: after, kind })
            }
            // A string must be sound before it can be out of place.
            Token::String {
                start,
                end,
                escaped: true,
            } => {
                let kind = lexer::unescape(&self.lexer.input[start..end])
                    .err()
                    .unwrap_or(kind);
                Err(Fault { at: end, kind })
            }
            _ => Err(Fault {
                at: after - 1,
                kind,
            }),
        }
    }

    #[inline]
    fn open(&mut self, object: bool) -> Result<Step, Fault> {
        if !self.nesting.push(object) {
            return Err(Fault {
                at: self.lexer.pos - 1,
                kind: JsonErrorKind::TooDeep,
            });
        }
        Ok(if object {
            self.state = State::ObjectFirst;
            Step::BeginObject
        } else {
            self.state = State::ArrayFirst;
            Step::BeginArray
        })
    }

    #[inline]
    fn close(&mut self, step: Step) -> Step {
        self.nesting.pop();
        self.state = match self.nesting.innermost_is_object() {
            None => State::Done,
            Some(true) => State::ObjectNext,
            Some(false) => State::ArrayNext,
        };
        step
    }
}

/// An array or object whose end has not been read yet, with the place of its first element or member among those that
/// are waiting.
enum Open {
    Array { first: usize },
    Object { first: usize, name: EcoString },
}

/// An [`Event`] whose string is still a range of the input.
enum Step {
    BeginObject,
    EndObject,
    BeginArray,
    EndArray,
    Name {
        start: usize,
        end: usize,
        escaped: bool,
    },
    Null,
    Bool(bool),
    Number(Number),
    String {
        start: usize,
        end: usize,
        escaped: bool,
    },
    End,
}
