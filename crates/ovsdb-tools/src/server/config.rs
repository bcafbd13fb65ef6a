//! What a server is to serve, as JSON: the file of `--config-file`, and what is kept for a daemon that is started again.
//!
//! Reads and writes; what becomes of it is [`reconfigure`](super::reconfigure)'s. The format, its errors and warnings are
//! the reference program's.

use std::collections::BTreeMap;
use std::fmt;

use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::json::{self, Json, JsonError, Object};
use ovsdb_proto::parser::{Kinds, Members};
use ovsdb_server::remotes::RemoteOptions;

/// What a server is to serve.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Config {
    /// Remotes by name.
    pub(super) remotes: BTreeMap<String, RemoteOptions>,
    /// Databases by file.
    pub(super) databases: BTreeMap<String, DatabaseConfig>,
    /// What the options and control commands about an active server have said last.
    pub(super) sync: Sync,
}

/// An active server and what a backup leaves out of it. This server is never a backup: it keeps what it was told, so that
/// scripts can ask for it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Sync {
    /// The active server.
    pub(super) from: Option<String>,
    /// Tables to leave out, as they were given.
    pub(super) exclude: Option<String>,
}

/// How one database is to be served.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct DatabaseConfig {
    pub(super) model: Model,
}

/// The service models of ovsdb(7), as far as a configuration tells them apart.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Model {
    /// Whatever the file is.
    #[default]
    Unknown,
    Standalone,
    Clustered,
    /// Of two servers the active one.
    Active,
    /// The other.
    Backup,
    Relay,
}

impl Model {
    /// The word in a configuration.
    pub(super) fn word(self) -> Option<&'static str> {
        match self {
            Model::Unknown => None,
            Model::Standalone => Some("standalone"),
            Model::Clustered => Some("clustered"),
            Model::Active | Model::Backup => Some("active-backup"),
            Model::Relay => Some("relay"),
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word().unwrap_or("unknown"))
    }
}

/// Why a configuration is refused as a whole. Every line of the text is a line of the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigError {
    #[error("config: reading JSON failed ({0})")]
    Json(#[from] JsonError),
    #[error("configuration in a file must be a JSON object")]
    NotObject,
    #[error("config: 'remotes' is not a JSON object\nconfig: failed to parse 'remotes'")]
    RemotesNotObject,
    #[error(
        "{name}: JSON-RPC options are not a JSON object or null\nconfig: failed to parse 'remotes'"
    )]
    RemoteNotObject { name: String },
    #[error(
        "config: 'databases' is not a JSON object or null\nconfig: failed to parse 'databases'"
    )]
    DatabasesNotObject,
    #[error(
        "Unrecognized database service model: '{model}'\n{source}\nconfig: failed to parse 'databases'"
    )]
    Model { model: String, source: OvsdbError },
    #[error("{0}\nconfig: failed to parse 'databases'")]
    Database(OvsdbError),
}

impl Config {
    /// Reads a configuration. Options of remotes that are wrong are logged, and the others count.
    pub(super) fn parse(text: &[u8]) -> Result<Config, ConfigError> {
        let json = json::parse(text)?;
        let object = json.as_object().ok_or(ConfigError::NotObject)?;
        let text = |name: &str| object.get(name).and_then(Json::as_str).map(str::to_owned);
        Ok(Config {
            remotes: remotes(object.get("remotes"))?,
            databases: databases(object.get("databases"))?,
            sync: Sync {
                from: text("sync_from"),
                exclude: text("sync_exclude"),
            },
        })
    }

    /// The text that reads back as this.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut remotes = Object::new();
        for (name, options) in &self.remotes {
            remotes.insert(name.as_str(), remote_to_json(options));
        }
        let mut databases = Object::new();
        for (name, database) in &self.databases {
            databases.insert(name.as_str(), database_to_json(database));
        }
        let mut object = Object::new();
        object.insert("remotes", Json::Object(remotes));
        object.insert("databases", Json::Object(databases));
        for (name, text) in [
            ("sync_from", &self.sync.from),
            ("sync_exclude", &self.sync.exclude),
        ] {
            if let Some(text) = text {
                object.insert(name, text.as_str());
            }
        }
        Json::Object(object).to_bytes()
    }
}

fn remotes(json: Option<&Json>) -> Result<BTreeMap<String, RemoteOptions>, ConfigError> {
    let mut remotes = BTreeMap::new();
    let object = match json {
        None | Some(Json::Null) => return Ok(remotes),
        Some(json) => json.as_object().ok_or(ConfigError::RemotesNotObject)?,
    };
    for (name, json) in object.iter() {
        let mut options = RemoteOptions::default_for(name);
        match json {
            Json::Object(_) => read_options(json, &mut options, false),
            Json::Null => {}
            _ => {
                return Err(ConfigError::RemoteNotObject {
                    name: name.to_string(),
                });
            }
        }
        remotes.insert(name.to_string(), options);
    }
    Ok(remotes)
}

/// Reads the options of a connection: with `is_source`, one to another server.
fn read_options(json: &Json, options: &mut RemoteOptions, is_source: bool) {
    let mut members = Members::new(json, "JSON-RPC options");
    let mut integer = |name| match members.optional(name, Kinds::INTEGER) {
        Some(Json::Integer(value)) => Some(*value),
        _ => None,
    };
    if let Some(ms) = integer("max-backoff") {
        options.max_backoff_ms = u64::try_from(ms).unwrap_or(0);
    }
    if let Some(ms) = integer("inactivity-probe") {
        options.probe_interval_ms = u64::try_from(ms).unwrap_or(0);
    }
    if let Some(dscp) = integer("dscp") {
        options.set_dscp(dscp);
    }
    if !is_source {
        if let Some(read_only) = members.optional_bool("read-only") {
            options.read_only = read_only;
        }
        if let Some(role) = members
            .optional("role", Kinds::STRING)
            .and_then(Json::as_str)
        {
            options.role = Some(role.to_owned());
        }
    }
    if let Err(error) = members.finish() {
        tracing::warn!(target: "ovsdb_jsonrpc_server", "{error}");
    }
}

fn remote_to_json(options: &RemoteOptions) -> Json {
    let number = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    let mut object = Object::new();
    object.insert("max-backoff", number(options.max_backoff_ms));
    object.insert("inactivity-probe", number(options.probe_interval_ms));
    object.insert("dscp", i64::from(options.dscp));
    object.insert("read-only", options.read_only);
    if let Some(role) = &options.role {
        object.insert("role", role.as_str());
    }
    Json::Object(object)
}

fn databases(json: Option<&Json>) -> Result<BTreeMap<String, DatabaseConfig>, ConfigError> {
    let mut databases = BTreeMap::new();
    let object = match json {
        None | Some(Json::Null) => return Ok(databases),
        Some(json) => json.as_object().ok_or(ConfigError::DatabasesNotObject)?,
    };
    for (name, json) in object.iter() {
        let database = match json {
            Json::Null => DatabaseConfig::default(),
            json => database(name, json)?,
        };
        databases.insert(name.to_string(), database);
    }
    Ok(databases)
}

fn database(name: &str, json: &Json) -> Result<DatabaseConfig, ConfigError> {
    let mut members = Members::new(json, format!("database {name}"));
    let mut unknown = None;
    let word = members.optional("service-model", Kinds::STRING);
    let mut model = match word.and_then(Json::as_str) {
        None => Model::Unknown,
        Some("standalone") => Model::Standalone,
        Some("clustered") => Model::Clustered,
        Some("active-backup") => Model::Active,
        Some("relay") => Model::Relay,
        Some(word) => {
            members.fail(format_args!("'{word}' is not a valid service model"));
            unknown = Some(word.to_owned());
            Model::Unknown
        }
    };
    if model == Model::Active {
        if let Some(Json::Bool(true)) = members.required("backup", Kinds::BOOLEAN) {
            model = Model::Backup;
        }
        let excluded = members.optional("exclude-tables", Kinds::ARRAY);
        let mut excluded = excluded.and_then(Json::as_array).unwrap_or_default().iter();
        if excluded.any(|table| !matches!(table, Json::String(_) | Json::NotUtf8(_))) {
            members.fail("'exclude-tables' must contain strings");
        }
    }
    let source = match model {
        Model::Backup | Model::Relay => members.required("source", Kinds::OBJECT),
        Model::Active => members.optional("source", Kinds::OBJECT),
        _ => None,
    };
    if let Some(source) = source.and_then(Json::as_object) {
        let mut sources = source.iter();
        match (sources.next(), sources.next()) {
            (Some((remote, options @ Json::Object(_))), None) => {
                // Nothing here connects to it, but what is wrong is to be said.
                read_options(options, &mut RemoteOptions::default_for(remote), true);
            }
            (Some((_, Json::Null)), None) => {}
            (Some(_), None) => members.fail("JSON-RPC options is not a JSON object or null"),
            _ => members.fail("'source' should be an object with exactly one element"),
        }
    }
    match (members.finish(), unknown) {
        (Ok(()), _) => Ok(DatabaseConfig { model }),
        (Err(source), Some(model)) => Err(ConfigError::Model { model, source }),
        (Err(error), None) => Err(ConfigError::Database(error)),
    }
}

fn database_to_json(database: &DatabaseConfig) -> Json {
    let mut object = Object::new();
    if let Some(word) = database.model.word() {
        object.insert("service-model", word);
    }
    if matches!(database.model, Model::Active | Model::Backup) {
        object.insert("backup", database.model == Model::Backup);
    }
    Json::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The configuration in short, or the lines of the error.
    fn shown(text: &str) -> String {
        let config = match Config::parse(text.as_bytes()) {
            Ok(config) => config,
            Err(error) => return error.to_string(),
        };
        let remotes = config.remotes.iter().map(|(name, options)| {
            let RemoteOptions {
                probe_interval_ms,
                max_backoff_ms,
                dscp,
                read_only,
                role,
            } = options;
            format!("{name} {probe_interval_ms} {max_backoff_ms} {dscp} {read_only} {role:?}")
        });
        let databases = config.databases.iter();
        let databases = databases.map(|(name, database)| format!("{name} {:?}", database.model));
        let all: Vec<String> = remotes.chain(databases).collect();
        all.join("; ")
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(shown(text), expected, "{text}");
    }

    #[test]
    fn remotes_and_databases_have_their_options() {
        check("{}", "");
        check(r#"{"remotes":null,"databases":null,"more":2}"#, "");
        check(
            r#"{"remotes":{"punix:s":null,"ptcp:0":{"inactivity-probe":7,"max-backoff":8,"dscp":9,"read-only":true,"role":"r"}},
                "databases":{"a.db":null,"b.db":{}}}"#,
            r#"ptcp:0 7 8 9 true Some("r"); punix:s 0 0 48 false None; a.db Unknown; b.db Unknown"#,
        );
        check(
            r#"{"databases":{"a":{"service-model":"standalone"},"b":{"service-model":"clustered"},
                "c":{"service-model":"active-backup","backup":false},
                "d":{"service-model":"active-backup","backup":true,"exclude-tables":["T"],"source":{"tcp:1":{"dscp":3}}},
                "e":{"service-model":"relay","source":{"tcp:1":null}}}}"#,
            "a Standalone; b Clustered; c Active; d Backup; e Relay",
        );
    }

    #[test]
    fn options_of_a_remote_count_whatever_is_wrong_with_others() {
        check(
            r#"{"remotes":{"punix:s":{"max-backoff":5,"dscp":"x","read-only":true}}}"#,
            "punix:s 0 5 48 true None",
        );
        check(
            r#"{"remotes":{"punix:s":{"max-backoff":-5,"dscp":64,"bogus":1}}}"#,
            "punix:s 0 0 48 false None",
        );
    }

    #[test]
    fn what_is_wrong_is_told_in_the_words_of_the_reference() {
        let remotes = "\nconfig: failed to parse 'remotes'";
        let databases = "\nconfig: failed to parse 'databases'";
        let cases = [
            (
                "",
                String::from(
                    "config: reading JSON failed (line 0, column 0, byte 0: empty input stream)",
                ),
            ),
            (
                "[1]",
                String::from("configuration in a file must be a JSON object"),
            ),
            (
                r#"{"remotes":[]}"#,
                format!("config: 'remotes' is not a JSON object{remotes}"),
            ),
            (
                r#"{"remotes":{"ptcp:0":3}}"#,
                format!("ptcp:0: JSON-RPC options are not a JSON object or null{remotes}"),
            ),
            (
                r#"{"databases":3}"#,
                format!("config: 'databases' is not a JSON object or null{databases}"),
            ),
            (
                r#"{"databases":{"a":{"service-model":"bogus"}}}"#,
                format!(
                    "Unrecognized database service model: 'bogus'\n\
                     syntax \"{{\"service-model\":\"bogus\"}}\": syntax error: Parsing database a failed: \
                     'bogus' is not a valid service model{databases}"
                ),
            ),
            (
                r#"{"databases":{"a":{"service-model":"relay"}}}"#,
                format!(
                    "syntax \"{{\"service-model\":\"relay\"}}\": syntax error: Parsing database a failed: \
                     Required 'source' member is missing.{databases}"
                ),
            ),
            (
                r#"{"databases":{"a":{"service-model":"relay","source":{}}}}"#,
                format!(
                    "syntax \"{{\"service-model\":\"relay\",\"source\":{{}}}}\": syntax error: Parsing database a failed: \
                     'source' should be an object with exactly one element{databases}"
                ),
            ),
            (
                r#"{"databases":{"a":{"service-model":"active-backup"}}}"#,
                format!(
                    "syntax \"{{\"service-model\":\"active-backup\"}}\": syntax error: Parsing database a failed: \
                     Required 'backup' member is missing.{databases}"
                ),
            ),
        ];
        for (text, expected) in cases {
            check(text, &expected);
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let text = r#"{"remotes":{"ptcp:0":{"inactivity-probe":7,"max-backoff":8,"dscp":9,"read-only":true,"role":"r"}},
            "databases":{"a\"b":{"service-model":"active-backup","backup":false},"c":null},
            "sync_from":"tcp:1","sync_exclude":"A:B"}"#;
        let config = Config::parse(text.as_bytes()).expect("a configuration");
        let again = Config::parse(&config.to_bytes()).expect("a configuration");
        assert_eq!(config, again);
        assert_eq!(again.sync.from.as_deref(), Some("tcp:1"));
    }
}
