//! The table of control commands and the answer to one call.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;

use ovsdb_proto::json::{Json, Object};
use parking_lot::RwLock;

use crate::program;

/// What a connection wants its answers to be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// Plain text in a JSON string.
    #[default]
    Text,
    /// JSON; plain text is wrapped into an object.
    Json,
}

impl Format {
    /// The format of that name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("text") {
            Some(Self::Text)
        } else if name.eq_ignore_ascii_case("json") {
            Some(Self::Json)
        } else {
            None
        }
    }

    /// The name on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// One call of a command.
#[derive(Clone, Debug)]
pub struct Call {
    /// The command's name.
    pub command: String,
    /// Its arguments, as many as the command takes.
    pub args: Vec<String>,
    /// What the answer should be.
    pub format: Format,
}

/// The answer to a call that succeeded.
pub struct Answer {
    body: Body,
    then: Option<Then>,
}

#[derive(Debug)]
enum Body {
    Text(String),
    Json(Json),
}

/// What is to be done once an answer has been sent.
pub(super) type Then = Box<dyn FnOnce() + Send>;

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// Plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            body: Body::Text(text.into()),
            then: None,
        }
    }

    /// JSON, for calls whose format is [`Format::Json`].
    #[must_use]
    pub fn json(json: Json) -> Self {
        Self {
            body: Body::Json(json),
            then: None,
        }
    }

    /// Runs `then` once the answer has been sent, or cannot be: so that `exit` answers before it exits.
    #[must_use]
    pub fn then(mut self, then: impl FnOnce() + Send + 'static) -> Self {
        self.then = Some(Box::new(then));
        self
    }

    /// The answer as it is sent. Plain text ends with a line feed: old releases of `ovs-appctl` rely on the daemon for
    /// it, new ones do not mind.
    pub(super) fn into_parts(self, format: Format) -> (Json, Option<Then>) {
        let body = match (self.body, format) {
            (Body::Text(text), Format::Text) => Json::string(with_newline(&text)),
            (Body::Text(text), Format::Json) => {
                let mut wrapped = Object::new();
                wrapped.insert("reply", Json::string(text));
                wrapped.insert("reply-format", Json::string("plain"));
                Json::Object(wrapped)
            }
            (Body::Json(json), _) => json,
        };
        (body, self.then)
    }
}

/// `text` with a line feed at its end; no text stays none.
pub(super) fn with_newline(text: &str) -> String {
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{text}{end}")
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for Answer {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

/// No text at all, which is what commands without output answer.
impl From<()> for Answer {
    fn from((): ()) -> Self {
        Self::text("")
    }
}

type Pending = Pin<Box<dyn Future<Output = Result<Answer, String>> + Send>>;
type Handler = Arc<dyn Fn(Call) -> Pending + Send + Sync>;

#[derive(Clone)]
struct Command {
    usage: Option<String>,
    args: RangeInclusive<usize>,
    handler: Handler,
}

/// A table of commands; clones share it, and it may grow while it is served.
#[derive(Clone)]
pub struct Commands {
    table: Arc<RwLock<BTreeMap<String, Command>>>,
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.table.read().keys()).finish()
    }
}

impl Default for Commands {
    fn default() -> Self {
        Self::new()
    }
}

impl Commands {
    /// A table with the commands that every daemon has: `list-commands` and `version`. (`set-options` is the
    /// connection's own.)
    #[must_use]
    pub fn new() -> Self {
        let commands = Self {
            table: Arc::default(),
        };
        let weak = Arc::downgrade(&commands.table);
        commands.register("list-commands", Some(""), 0..=0, move |call| {
            // The table outlives every call of its commands.
            let table = weak.upgrade().unwrap_or_default();
            Ok(list(&table.read(), call.format))
        });
        commands.register("version", Some(""), 0..=0, |_| Ok(program::version()));
        commands.insert(
            "set-options",
            Some("[--format text|json]"),
            1..=2,
            Arc::new(|_| Box::pin(std::future::ready(Ok(Answer::from(()))))),
        );
        commands
    }

    /// Adds a command whose handler answers at once; it must not block. `usage` describes the arguments in
    /// `list-commands`, which leaves out commands without. A command of the same name is replaced.
    pub fn register<A: Into<Answer>>(
        &self,
        name: &str,
        usage: Option<&str>,
        args: RangeInclusive<usize>,
        handler: impl Fn(&Call) -> Result<A, String> + Send + Sync + 'static,
    ) {
        self.insert(
            name,
            usage,
            args,
            Arc::new(move |call| Box::pin(std::future::ready(handler(&call).map(Into::into)))),
        );
    }

    /// Adds a command whose handler may wait; further calls of the same connection wait for it, other connections do
    /// not. See [`Commands::register`].
    pub fn register_async<A, F>(
        &self,
        name: &str,
        usage: Option<&str>,
        args: RangeInclusive<usize>,
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) where
        A: Into<Answer>,
        F: Future<Output = Result<A, String>> + Send + 'static,
    {
        self.insert(
            name,
            usage,
            args,
            Arc::new(move |call| {
                let answer = handler(call);
                Box::pin(async move { answer.await.map(Into::into) })
            }),
        );
    }

    fn insert(
        &self,
        name: &str,
        usage: Option<&str>,
        args: RangeInclusive<usize>,
        handler: Handler,
    ) {
        let command = Command {
            usage: usage.map(str::to_owned),
            args,
            handler,
        };
        self.table.write().insert(name.to_owned(), command);
    }

    /// Checks a call and starts it.
    pub(super) fn start(
        &self,
        method: &str,
        params: &[Json],
        format: Format,
    ) -> Result<Pending, String> {
        let command = self.table.read().get(method).cloned();
        let Some(command) = command else {
            return Err(format!(
                "\"{method}\" is not a valid command (use \"list-commands\" to see a list of valid commands)"
            ));
        };
        if params.len() < *command.args.start() {
            return Err(format!(
                "\"{method}\" command requires at least {} arguments",
                command.args.start()
            ));
        }
        if params.len() > *command.args.end() {
            return Err(format!(
                "\"{method}\" command takes at most {} arguments",
                command.args.end()
            ));
        }
        let args = params
            .iter()
            .map(|param| param.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| format!("\"{method}\" command has non-string argument"))?;
        Ok((command.handler)(Call {
            command: method.to_owned(),
            args,
            format,
        }))
    }
}

fn list(table: &BTreeMap<String, Command>, format: Format) -> Answer {
    let shown = table
        .iter()
        .filter_map(|(name, command)| Some((name, command.usage.as_deref()?)));
    if format == Format::Json {
        return Answer::json(Json::Object(
            shown
                .map(|(name, usage)| (name.as_str(), Json::string(usage)))
                .collect::<Object>(),
        ));
    }
    let mut text = "The available commands are:\n".to_owned();
    for (name, usage) in shown {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:<23} {usage}");
    }
    Answer::text(text)
}
