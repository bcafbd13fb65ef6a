//! Bringing what is served in line with a configuration: at start, after a crash, and when `ovsdb-server/reload` asks.
//!
//! What is in the configuration and served already stays as it is. Log lines are the reference program's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ovsdb_daemon::notify;
use ovsdb_log::{LockPolicy, OpenMode};
use ovsdb_server::configuration::Configuration;
use ovsdb_server::file::{self, FileError};
use ovsdb_server::server::{AddError, Server};
use parking_lot::Mutex;

use super::config::{Config, DatabaseConfig, Model, Sync};
use super::saved::{Loaded, Saved};

/// Where a configuration is kept.
#[derive(Debug)]
pub(super) enum Source {
    /// In the file of `--config-file`, which nothing here writes to.
    File(PathBuf),
    /// Where control commands leave what they have changed.
    Saved(Saved),
}

/// What is served, and where that comes from.
pub(super) struct Reconfiguration {
    server: Arc<Server>,
    configuration: Arc<Configuration>,
    source: Source,
    /// The service models of the databases that are served, by file.
    models: Mutex<BTreeMap<String, Model>>,
    sync: Mutex<Sync>,
    /// What of the last configuration is not served, and why.
    missing: Mutex<Vec<String>>,
    /// Held while a configuration is read or saved: one comes after the other.
    changing: tokio::sync::Mutex<()>,
}

/// A configuration has not come into force, or not all of it. The log says why.
#[derive(Debug, thiserror::Error)]
#[error("server configuration failed")]
pub(super) struct Failed;

/// Why a database of a configuration is not served.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error(transparent)]
    Add(#[from] AddError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("ovsdb error: {file}: database is standalone and not clustered")]
    NotClustered { file: String },
    #[error("{0} databases are not supported by this server")]
    Unsupported(&'static str),
}

/// A database that is served.
#[derive(Clone, Debug)]
struct Current {
    name: String,
    file: String,
    model: Model,
}

/// What is to be done about one database.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Step {
    /// Stop serving it, for that reason.
    Remove {
        name: String,
        file: String,
        comment: String,
    },
    /// Serve it as before, whatever it is called now.
    Keep { file: String, model: Model },
    /// Serve it.
    Open { file: String, model: Model },
}

/// The way from what is served to what is wanted: first what goes, then what stays, then what comes.
fn plan(served: &[Current], wanted: &BTreeMap<String, DatabaseConfig>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut kept = BTreeMap::new();
    for Current { name, file, model } in served {
        let comment = match wanted
            .get(file)
            .map(|wanted| can_become(*model, wanted.model))
        {
            Some(Some(model)) => {
                kept.insert(file, model);
                continue;
            }
            Some(None) => format!("service model changed for database {name}"),
            None => format!("database {name} removed from configuration"),
        };
        steps.push(Step::Remove {
            name: name.clone(),
            file: file.clone(),
            comment,
        });
    }
    steps.extend(kept.iter().map(|(file, model)| Step::Keep {
        file: String::clone(file),
        model: *model,
    }));
    let new = wanted.iter().filter(|(file, _)| !kept.contains_key(file));
    steps.extend(new.map(|(file, database)| Step::Open {
        file: file.clone(),
        model: database.model,
    }));
    steps
}

/// What a database is that is served as `old` and wanted as `new`; `None` if it has to be closed in between.
fn can_become(old: Model, new: Model) -> Option<Model> {
    match (old, new) {
        (Model::Standalone, Model::Unknown) => Some(Model::Standalone),
        (Model::Standalone | Model::Active, Model::Standalone | Model::Active) => Some(new),
        // This server is no backup: it must not go on as if it were the active one.
        _ => None,
    }
}

impl Reconfiguration {
    /// Nothing is served yet.
    pub(super) fn new(
        server: Arc<Server>,
        configuration: Arc<Configuration>,
        source: Source,
    ) -> Reconfiguration {
        Reconfiguration {
            server,
            configuration,
            source,
            models: Mutex::default(),
            sync: Mutex::default(),
            missing: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// The file of `--config-file`.
    pub(super) fn file(&self) -> Option<&Path> {
        match &self.source {
            Source::File(path) => Some(path),
            Source::Saved(_) => None,
        }
    }

    /// The databases of the last configuration that could not be served, and why, a text each.
    pub(super) fn missing(&self) -> Vec<String> {
        self.missing.lock().clone()
    }

    /// What was last said about an active server.
    pub(super) fn sync(&self) -> Sync {
        self.sync.lock().clone()
    }

    /// Changes that, and keeps it.
    pub(super) async fn set_sync(&self, change: impl FnOnce(&mut Sync)) {
        change(&mut self.sync.lock());
        self.save().await;
    }

    /// The databases that are served as the active one of two, by name.
    pub(super) fn active(&self) -> Vec<String> {
        let models = self.models.lock();
        let mut served = self.served(&models);
        served.retain(|database| database.model == Model::Active);
        served.into_iter().map(|database| database.name).collect()
    }

    /// The databases in files.
    fn served(&self, models: &BTreeMap<String, Model>) -> Vec<Current> {
        let databases = self.server.databases().into_iter();
        let databases = databases.filter_map(|database| {
            let file = database.path()?.display().to_string();
            let model = models.get(&file).copied().unwrap_or(Model::Standalone);
            let name = database.name().to_owned();
            Some(Current { name, file, model })
        });
        databases.collect()
    }

    /// What is served has changed: tells who started the server, and keeps it.
    pub(super) async fn save(&self) {
        self.tell().await;
        self.keep().await;
    }

    /// Keeps what is served now for a daemon that is started again.
    pub(super) async fn keep(&self) {
        let Source::Saved(saved) = &self.source else {
            return;
        };
        let _changing = self.changing.lock().await;
        let served = self.served(&self.models.lock()).into_iter();
        let config = Config {
            remotes: self.configuration.wanted().await,
            databases: served
                .map(|Current { file, model, .. }| (file, DatabaseConfig { model }))
                .collect(),
            sync: self.sync(),
        };
        if let Err(error) = saved.save(&config) {
            tracing::warn!(target: "ovsdb_server", "{error}");
        }
    }

    /// Reads the configuration and brings what is served in line with it. What cannot be opened is logged, and all else
    /// is served.
    ///
    /// # Errors
    /// The configuration cannot be read, and everything is as before; or something in it cannot be served that was not served
    /// before.
    pub(super) async fn load(&self) -> Result<(), Failed> {
        let _changing = self.changing.lock().await;
        // What has been served before is served as far as it can be: a server that comes back after a crash is worth more than
        // one that insists on a remote whose database was taken away.
        let (config, must_be_whole) = match &self.source {
            Source::Saved(saved) => {
                let Loaded { config, was_served } = saved.load().map_err(|error| {
                    tracing::error!(target: "ovsdb_server", "{error}");
                    Failed
                })?;
                (config, !was_served)
            }
            Source::File(path) => (read(path).await?, true),
        };
        *self.sync.lock() = config.sync;
        let databases = self.set_databases(&config.databases).await;
        if databases.is_err() {
            tracing::warn!(target: "ovsdb_server", "failed to configure databases");
        }
        self.configuration.set(config.remotes).await;
        let remotes = self.configuration.apply().await;
        if let Err(error) = &remotes {
            tracing::warn!(target: "ovsdb_server", "failed to configure remotes: {error}");
        }
        let tls = self.configuration.check_tls().await;
        if let Err(error) = &tls {
            tracing::warn!(target: "ovsdb_server", "failed to configure SSL/TLS: {error}");
        }
        self.tell().await;
        match databases.and(remotes.and(tls).map_err(|_| Failed)) {
            Err(failed) if must_be_whole => Err(failed),
            _ => Ok(()),
        }
    }

    /// Tells the service manager what is served.
    async fn tell(&self) {
        let databases = self.server.databases().into_iter();
        let databases = databases.filter(|database| !database.is_internal());
        let databases: Vec<_> = databases
            .map(|database| database.name().to_owned())
            .collect();
        let remotes = self.configuration.list().await;
        notify::status(&status(&databases, &remotes));
    }

    async fn set_databases(&self, wanted: &BTreeMap<String, DatabaseConfig>) -> Result<(), Failed> {
        let steps = plan(&self.served(&self.models.lock()), wanted);
        let mut missing = Vec::new();
        for step in steps {
            match step {
                Step::Remove {
                    name,
                    file,
                    comment,
                } => {
                    self.server.remove(&name, &comment).await;
                    self.models.lock().remove(&file);
                }
                Step::Keep { file, model } => {
                    self.models.lock().insert(file, model);
                }
                Step::Open { file, model } => {
                    if let Err(error) = self.open(&file, model).await {
                        tracing::warn!(
                            target: "ovsdb_server",
                            "failed to open database '{file}': {error}"
                        );
                        missing.push(format!("{file}: {error}"));
                    }
                }
            }
        }
        let result = match missing.is_empty() {
            true => Ok(()),
            false => Err(Failed),
        };
        *self.missing.lock() = missing;
        result
    }

    async fn open(&self, file: &str, model: Model) -> Result<(), OpenError> {
        let model = match model {
            Model::Unknown => Model::Standalone,
            Model::Standalone | Model::Active => model,
            Model::Clustered => {
                look_at(file).await?;
                return Err(OpenError::NotClustered {
                    file: file.to_owned(),
                });
            }
            Model::Backup => return Err(OpenError::Unsupported("backup")),
            Model::Relay => return Err(OpenError::Unsupported("relay")),
        };
        self.server.add_file(Path::new(file)).await?;
        self.models.lock().insert(file.to_owned(), model);
        Ok(())
    }
}

/// What is served where, in one line for people.
fn status(databases: &[String], remotes: &[String]) -> String {
    format!("serving {} on {}", some(databases), some(remotes))
}

/// The first few of some names, and how many there are besides.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let (shown, more) = names.split_at(names.len().min(SHOWN));
    match (shown, more.len()) {
        ([], _) => String::from("nothing"),
        (shown, 0) => shown.join(", "),
        (shown, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Whether a file holds a standalone database.
async fn look_at(file: &str) -> Result<(), FileError> {
    let path = PathBuf::from(file);
    let open = move || file::open(&path, OpenMode::ReadOnly, LockPolicy::IfWritable).map(drop);
    tokio::task::spawn_blocking(open)
        .await
        .expect("opening a file does not panic")
}

/// Reads the file of `--config-file`.
async fn read(path: &Path) -> Result<Config, Failed> {
    let file = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || std::fs::read(file));
    let text = reading
        .await
        .expect("reading a file does not panic")
        .map_err(|error| {
            tracing::error!(
                target: "ovsdb_server", "failed to open configuration file '{}': {}",
                path.display(), ovsdb_net::errno_text(&error)
            );
            Failed
        })?;
    tracing::info!(target: "ovsdb_server", "loading configuration from '{}'", path.display());
    Config::parse(&text).map_err(|error| {
        for line in error.to_string().lines() {
            tracing::warn!(target: "ovsdb_server", "{line}");
        }
        tracing::warn!(
            target: "ovsdb_server", "failed to load configuration from {}", path.display()
        );
        Failed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both sides as `FILE MODEL`, the steps as words.
    #[track_caller]
    fn check(served: &[(&str, Model)], wanted: &[(&str, Model)], expected: &[&str]) {
        let served: Vec<Current> = served
            .iter()
            .map(|(file, model)| Current {
                name: file.to_uppercase(),
                file: String::from(*file),
                model: *model,
            })
            .collect();
        let wanted = wanted.iter();
        let wanted =
            wanted.map(|(file, model)| (String::from(*file), DatabaseConfig { model: *model }));
        let steps = plan(&served, &wanted.collect());
        let steps = steps.into_iter().map(|step| match step {
            Step::Remove { file, comment, .. } => format!("remove {file}: {comment}"),
            Step::Keep { file, model } => format!("keep {file} {model:?}"),
            Step::Open { file, model } => format!("open {file} {model:?}"),
        });
        assert_eq!(steps.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_status_names_a_few_databases_and_remotes() {
        let names = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        for (databases, remotes, expected) in [
            ("", "", "serving nothing on nothing"),
            ("A", "punix:x ptcp:1", "serving A on punix:x, ptcp:1"),
            ("A B C D", "x", "serving A, B, C, D on x"),
            ("A B C D E F", "x", "serving A, B, C, D and 2 more on x"),
        ] {
            assert_eq!(status(&names(databases), &names(remotes)), expected);
        }
    }

    #[test]
    fn what_is_wanted_and_served_stays() {
        use Model::{Active, Standalone, Unknown};
        check(&[], &[("a", Unknown)], &["open a Unknown"]);
        check(
            &[("a", Standalone), ("b", Standalone), ("c", Active)],
            &[
                ("a", Unknown),
                ("b", Active),
                ("c", Standalone),
                ("d", Unknown),
            ],
            &[
                "keep a Standalone",
                "keep b Active",
                "keep c Standalone",
                "open d Unknown",
            ],
        );
    }

    #[test]
    fn what_is_not_wanted_any_more_or_as_something_else_goes_first() {
        use Model::{Active, Backup, Clustered, Standalone, Unknown};
        check(
            &[
                ("a", Standalone),
                ("b", Standalone),
                ("c", Active),
                ("d", Standalone),
            ],
            &[
                ("0", Unknown),
                ("b", Clustered),
                ("c", Unknown),
                ("d", Backup),
            ],
            &[
                "remove a: database A removed from configuration",
                "remove b: service model changed for database B",
                "remove c: service model changed for database C",
                "remove d: service model changed for database D",
                "open 0 Unknown",
                "open b Clustered",
                "open c Unknown",
                "open d Backup",
            ],
        );
    }
}
