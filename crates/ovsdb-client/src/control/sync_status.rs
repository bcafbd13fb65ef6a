//! `ovsdb-server/sync-status`: whether a server is active, or keeps copies of another server's databases.

use super::error::AnswerError;
use super::lines::lines;

/// Whether a server is active, or keeps copies of another server's databases.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SyncStatus {
    /// What is told, in the server's order. Up to Open vSwitch 3.2 that is one for all databases; later servers tell it for
    /// each database that may be replicated, and one without a name if there is none.
    pub parts: Vec<Synced>,
    /// Lines that are none of these.
    pub other: Vec<String>,
}

/// One or more databases that are in the same state.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Synced {
    /// The databases by name; empty where the server tells it of all that it has.
    pub databases: Vec<String>,
    /// Their state.
    pub state: SyncState,
    /// Where a backup stands with its active server.
    pub replication: Option<Replication>,
    /// Databases and tables that are left out.
    pub excluded: Vec<(String, String)>,
}

/// The state of a database that may be replicated.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SyncState {
    /// Clients may write to it.
    Active,
    /// It is a copy.
    Backup,
    /// Another word.
    Other(String),
}

/// Where a backup stands with its active server, which is named by its connection method.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Replication {
    /// It has not got so far yet.
    Connecting(String),
    /// It follows the active server.
    Replicating(String),
    /// It cannot follow the active server.
    Failed(String),
    /// It has given up connecting.
    NotConnected(String),
    /// The server knows of no replication of the database.
    NotConfigured,
}

impl SyncStatus {
    /// Reads the answer to `ovsdb-server/sync-status`.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub fn parse(text: &str) -> Result<Self, AnswerError> {
        let mut out = Self::default();
        // What a database's name before its state belongs to. Older servers tell the names after the state.
        let mut name = None;
        let names_first = lines(text).find(|line| line.starts_with("state: ") || is_name(line));
        let names_first = names_first.is_some_and(is_name);
        for line in lines(text) {
            if let Some(state) = line.strip_prefix("state: ") {
                out.parts.push(Synced {
                    databases: name.take().into_iter().collect(),
                    state: SyncState::parse(state),
                    replication: None,
                    excluded: Vec::new(),
                });
            } else if names_first && is_name(line) {
                name = line.strip_prefix("database: ").map(str::to_owned);
            } else if out
                .parts
                .last_mut()
                .and_then(|part| part.line(line))
                .is_none()
            {
                out.other.push(line.to_owned());
            }
        }
        if out.parts.is_empty() {
            return Err(AnswerError {
                command: "ovsdb-server/sync-status",
                missing: "a state",
            });
        }
        Ok(out)
    }

    /// What is told of a database: by its name, or because it is told of all.
    #[must_use]
    pub fn of(&self, database: &str) -> Option<&Synced> {
        let named = |part: &&Synced| part.databases.iter().any(|name| name == database);
        let unnamed = |part: &&Synced| part.databases.is_empty();
        let mut parts = self.parts.iter();
        parts
            .find(named)
            .or_else(|| self.parts.iter().find(unnamed))
    }
}

fn is_name(line: &str) -> bool {
    line.starts_with("database:")
}

impl SyncState {
    fn parse(text: &str) -> Self {
        match text {
            "active" => Self::Active,
            "backup" => Self::Backup,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl Synced {
    /// Takes one line; `None` if it says nothing that is known.
    fn line(&mut self, line: &str) -> Option<()> {
        if let Some(names) = line.strip_prefix("database:") {
            let names = names.split(',').map(str::trim);
            let names = names.filter(|name| !name.is_empty());
            self.databases.extend(names.map(str::to_owned));
            return Some(());
        }
        if let Some(tables) = line.strip_prefix("exclude: ") {
            let tables = tables.split(',').map(|table| table.split_once(':'));
            let tables: Option<Vec<_>> = tables.collect();
            let owned = |(database, table): (&str, &str)| (database.to_owned(), table.to_owned());
            self.excluded.extend(tables?.into_iter().map(owned));
            return Some(());
        }
        let after = |name| line.strip_prefix(name).map(str::to_owned);
        let replication = if let Some(server) = after("connecting: ") {
            Replication::Connecting(server)
        } else if let Some(server) = after("replicating: ") {
            Replication::Replicating(server)
        } else if let Some(server) = after("not connected to ") {
            Replication::NotConnected(server)
        } else if let Some(server) = line.strip_prefix("Replication to (") {
            Replication::Failed(server.strip_suffix(") failed")?.to_owned())
        } else if line.ends_with(" is not configured for replication") {
            Replication::NotConfigured
        } else {
            return None;
        };
        self.replication = Some(replication);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::recorded;
    use super::*;

    fn text_of(replication: &Replication) -> String {
        match replication {
            Replication::Connecting(server) => format!("connecting: {server}"),
            Replication::Replicating(server) => format!("replicating: {server}"),
            Replication::Failed(server) => format!("failed: {server}"),
            Replication::NotConnected(server) => format!("not connected: {server}"),
            Replication::NotConfigured => "not configured".to_owned(),
        }
    }

    /// In one line: the parts, at semicolons.
    fn shown(status: &SyncStatus) -> String {
        let part = |part: &Synced| {
            let excluded = part
                .excluded
                .iter()
                .map(|(db, table)| format!(" -{db}.{table}"));
            format!(
                "{} {:?} {}{}",
                part.databases.join("+"),
                part.state,
                part.replication.as_ref().map_or_else(String::new, text_of),
                excluded.collect::<String>()
            )
        };
        let parts: Vec<String> = status.parts.iter().map(part).collect();
        parts.join("; ").trim().to_owned()
    }

    fn check(text: &str, expect: &str) {
        let status = SyncStatus::parse(text).expect("a status");
        assert_eq!(shown(&status), expect, "{text}");
        assert_eq!(status.other, [""; 0], "{text}");
    }

    #[test]
    fn recorded_answers_are_read() {
        // What all versions but the older ones tell, and what those tell.
        let cases = [
            ("none", "Active", "Active"),
            ("active", "Active", "Active"),
            (
                "backup",
                "NB Backup replicating: R; SB Backup replicating: R",
                "NB+SB Backup replicating: R",
            ),
            (
                "excluding",
                "NB Backup replicating: R -NB.ACL -NB.Meter; SB Backup replicating: R",
                "NB+SB Backup replicating: R -NB.ACL -NB.Meter",
            ),
        ];
        let mut tried = 0;
        for (path, text) in recorded("sync-status") {
            let (_, name) = path.rsplit_once('/').expect("a folder");
            let case = cases
                .iter()
                .find(|(case, ..)| name == format!("{case}.txt"));
            let (_, newer, older) = case.unwrap_or_else(|| panic!("{path} is not expected"));
            let status = SyncStatus::parse(&text).expect("a status");
            let shown = shown(&status)
                .replace("OVN_Northbound", "NB")
                .replace("OVN_Southbound", "SB");
            let server = shown.split_once("tcp:").map(|(_, rest)| rest);
            let server = server.and_then(|rest| rest.split([';', ' ']).next());
            let shown = match server {
                Some(server) => shown.replace(&format!("tcp:{server}"), "R"),
                None => shown,
            };
            assert!(shown == *newer || shown == *older, "{path}: {shown}");
            assert_eq!(status.other, [""; 0], "{path}");
            tried += 1;
        }
        assert!(tried >= 2 * cases.len());
    }

    #[test]
    fn a_backup_tells_what_keeps_it() {
        check(
            "state: backup\nconnecting: tcp:h:1",
            "Backup connecting: tcp:h:1",
        );
        check(
            "state: backup\nnot connected to tcp:h:1",
            "Backup not connected: tcp:h:1",
        );
        check(
            "state: backup\nReplication to (tcp:h:1) failed\n",
            "Backup failed: tcp:h:1",
        );
        check("state: active\n", "Active");
        // Not every form ends with a line feed, so that the next database may follow without an empty line.
        check(
            "database: A\nstate: backup\nA is not configured for replication\ndatabase: B\nstate: active\n",
            "A Backup not configured; B Active",
        );
    }

    #[test]
    fn a_database_is_found_by_its_name_or_because_all_are_alike() {
        let text = "database: A\nstate: backup\ndatabase: B\nstate: active\n";
        let status = SyncStatus::parse(text).expect("a status");
        assert_eq!(
            status.of("B").map(|part| &part.state),
            Some(&SyncState::Active)
        );
        assert_eq!(status.of("C"), None);
        let status = SyncStatus::parse("state: backup\n").expect("a status");
        assert_eq!(
            status.of("C").map(|part| &part.state),
            Some(&SyncState::Backup)
        );
    }

    #[test]
    fn other_lines_are_kept_and_a_state_must_be_told() {
        let status = SyncStatus::parse("mood: sunny\nstate: dozing\nexclude: x\n");
        let status = status.expect("a status");
        assert_eq!(status.other, ["mood: sunny", "exclude: x"]);
        assert_eq!(status.parts[0].state, SyncState::Other("dozing".to_owned()));
        assert!(SyncStatus::parse("database: A\n").is_err());
    }
}
