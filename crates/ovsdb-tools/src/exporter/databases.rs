//! Copies of what is told of databases, and what their servers say of them.
//!
//! Each database has a client of its own, which connects again when a server has gone. Only the columns that are told are
//! copied; of a database that dashboards do not know, no more than which rows there are.

use std::sync::Arc;

use ovsdb_client::replica::{Limits, Replica, Row, RowView, Status, Version};
use ovsdb_client::{Client, ClientMetrics, ConnectError};
use ovsdb_net::{DEFAULT_PORT, Method};
use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, Schema, Selection, TableId};
use ovsdb_proto::uuid::Uuid;

use super::component::Database;
use crate::metrics::metric::Writing;
use crate::metrics::rows::{
    Cells, Contents, NORTHBOUND, OPEN_VSWITCH, RowFigures, SOUTHBOUND, Told,
};

/// The database in which servers tell of the others.
const SERVER: &str = "_Server";
/// Rows of a database that are copied. Of one that has more, nothing is told that stands in rows.
const ROWS_MAX: usize = 8 << 20;
/// Memory for the copy of a database, in bytes. Of one that needs more, nothing is told that stands in rows.
const ROWS_BYTES_MAX: usize = 2 << 30;

/// Columns of tables from which something is told.
const CHOSEN: &[(&str, &str, &[&str])] = &[
    (
        NORTHBOUND,
        "Logical_Switch",
        &["name", "ports", "external_ids"],
    ),
    (NORTHBOUND, "Logical_Switch_Port", &["name", "addresses"]),
    (NORTHBOUND, "Connection", &["target"]),
    (SOUTHBOUND, "Chassis", &["name", "encaps"]),
    (SOUTHBOUND, "Encap", &["ip"]),
    (
        SOUTHBOUND,
        "Datapath_Binding",
        &["tunnel_key", "external_ids"],
    ),
    (
        SOUTHBOUND,
        "Port_Binding",
        &["logical_port", "tunnel_key", "chassis", "datapath"],
    ),
    (SOUTHBOUND, "Connection", &["target"]),
    (
        OPEN_VSWITCH,
        "Open_vSwitch",
        &[
            "external_ids",
            "system_type",
            "system_version",
            "ovs_version",
            "db_version",
        ],
    ),
    (OPEN_VSWITCH, "Manager", &["target"]),
    (
        OPEN_VSWITCH,
        "Interface",
        &[
            "name",
            "admin_state",
            "link_state",
            "duplex",
            "ingress_policing_burst",
            "ingress_policing_rate",
            "mac_in_use",
            "mtu",
            "ofport",
            "ifindex",
            "link_resets",
            "link_speed",
            "statistics",
            "status",
            "options",
            "external_ids",
        ],
    ),
];

/// What is to be copied of a database.
fn selection(database: &str) -> Selection {
    let chosen = CHOSEN.iter().filter(|(of, ..)| *of == database);
    let mut chosen = chosen.peekable();
    let none = match chosen.peek() {
        Some(_) => Selection::new(),
        None => Selection::rows(),
    };
    chosen.fold(none, |selection, (_, table, columns)| {
        selection.columns(*table, columns.iter().copied())
    })
}

/// The databases.
pub(super) struct Databases {
    all: Vec<Followed>,
    rows: RowFigures<usize>,
}

/// A database, as it is followed.
struct Followed {
    database: Database,
    client: Client,
    replica: Replica,
    /// The server's database of databases, by a client of its own: it is there, too, while the database itself is of no use.
    server: Replica,
    /// The client of that, which ends when nobody has it.
    _server_client: Client,
}

/// What is known of a database at a moment.
pub(super) struct Seen<'a> {
    pub(super) database: &'a Database,
    /// Whether there is a connection to a server that serves it.
    pub(super) is_up: bool,
    /// What it holds of what is told; `None` while that may be old.
    pub(super) contents: Option<Arc<Version>>,
    /// What it has been through.
    pub(super) client: ClientMetrics,
    /// Its row in the server's database of databases; `None` where there is none, as in servers before Open vSwitch 2.9.
    pub(super) info: Option<Info>,
}

/// What a server says of a database.
#[derive(Clone, Debug, Default)]
pub(super) struct Info {
    pub(super) model: String,
    pub(super) connected: Option<bool>,
    pub(super) leader: Option<bool>,
    pub(super) cluster: Option<Uuid>,
    pub(super) server: Option<Uuid>,
    pub(super) index: Option<i64>,
}

impl Databases {
    /// Begins to follow databases.
    ///
    /// # Errors
    /// The servers of one cannot be connected to, with its name.
    pub(super) fn start(databases: &[Database]) -> Result<Databases, (String, ConnectError)> {
        let all = databases.iter().map(|database| {
            Followed::start(database).map_err(|error| (database.name.clone(), error))
        });
        Ok(Databases {
            all: all.collect::<Result<_, _>>()?,
            rows: RowFigures::alone(),
        })
    }

    /// How all of them stand of which something is to be told.
    pub(super) fn look(&self) -> Vec<(usize, Seen<'_>)> {
        let all = self.all.iter().enumerate();
        all.filter_map(|(index, followed)| Some((index, followed.look()?)))
            .collect()
    }

    /// Goes on with what stands in rows.
    pub(super) fn write_rows(
        &self,
        seen: &[(usize, Seen<'_>)],
        system_id: &str,
        writing: &mut Writing,
    ) {
        let known = [NORTHBOUND, SOUTHBOUND, OPEN_VSWITCH];
        let live = seen.iter().filter_map(|(index, seen)| {
            let name = seen.database.name.as_str();
            let contents = seen.contents.as_ref().filter(|_| known.contains(&name))?;
            Some((*index, name, contents))
        });
        let of = Told {
            system_id: system_id.to_owned(),
            versions: live
                .clone()
                .map(|(index, _, contents)| (index, contents.generation()))
                .collect(),
        };
        let databases = live.map(|(_, name, contents)| (name, &**contents as &dyn Contents));
        self.rows.write(of, databases.collect(), writing);
    }

    /// About how many bytes of memory the copies need, and how many rows they have.
    pub(super) fn size(&self) -> (usize, usize) {
        let versions = self.all.iter().filter_map(|it| it.replica.snapshot());
        versions.fold((0, 0), |(bytes, rows), version| {
            (bytes + version.n_bytes(), rows + version.n_rows())
        })
    }
}

impl Followed {
    fn start(database: &Database) -> Result<Followed, ConnectError> {
        // What is of interest is this server, whether or not it leads a cluster.
        let client = |name: &str| {
            let builder = Client::builder(&database.servers).database(name);
            builder.leader_only(false).shuffle(false).start()
        };
        let follow = |client: &Client, name: &str, selection| {
            let limits = Limits {
                rows_max: ROWS_MAX,
                bytes_max: ROWS_BYTES_MAX,
            };
            Replica::start(client.attach(), name, selection, limits)
        };
        let columns = [
            "name",
            "model",
            "connected",
            "leader",
            "cid",
            "sid",
            "index",
        ];
        let of_server = Selection::new().columns("Database", columns);
        let own = client(&database.name)?;
        let server = client(SERVER)?;
        Ok(Followed {
            replica: follow(&own, &database.name, selection(&database.name)),
            client: own,
            server: follow(&server, SERVER, of_server),
            _server_client: server,
            database: database.clone(),
        })
    }

    /// How it stands; `None` if it was only looked for, and has never been found.
    fn look(&self) -> Option<Seen<'_>> {
        let snapshot = self.replica.snapshot();
        let status = self.client.status().borrow().clone();
        let is_up = matches!(status, ovsdb_client::Status::Ready { .. });
        let is_told = self.database.is_wanted || is_up || snapshot.is_some();
        let is_live = is_up && matches!(self.replica.status(), Status::Live);
        is_told.then(|| Seen {
            database: &self.database,
            is_up,
            contents: snapshot.filter(|_| is_live),
            client: self.client.metrics(),
            info: self.info(),
        })
    }

    fn info(&self) -> Option<Info> {
        let is_live = matches!(self.server.status(), Status::Live);
        let contents = self.server.snapshot().filter(|_| is_live)?;
        let databases = contents.table_named("Database")?;
        let row = databases.find("name", &*self.database.name).next()?;
        Some(Info {
            model: row.get("model").unwrap_or_default(),
            connected: optional(row, "connected"),
            leader: optional(row, "leader"),
            cluster: optional(row, "cid"),
            server: optional(row, "sid"),
            index: optional(row, "index"),
        })
    }
}

/// What a column holds that may be empty, and which the server may lack.
fn optional<T>(row: RowView<'_>, column: &str) -> Option<T>
where
    Option<T>: ovsdb_proto::value::FromDatum,
{
    row.get::<Option<T>>(column).ok().flatten()
}

impl Seen<'_> {
    /// What the table of the system's own says: a column that is a text, or a value of its `external_ids`.
    pub(super) fn system(&self, column: &str) -> Option<String> {
        let table = self.contents.as_ref()?.table_named(OPEN_VSWITCH)?;
        let row = table.iter().next()?;
        optional(row, column)
    }

    /// The name that the system has.
    pub(super) fn system_id(&self) -> Option<String> {
        let table = self.contents.as_ref()?.table_named(OPEN_VSWITCH)?;
        let ids: std::collections::BTreeMap<String, String> =
            table.iter().next()?.get("external_ids").ok()?;
        ids.get("system-id").cloned()
    }

    /// Where the database says that its server is to listen, as connection methods.
    pub(super) fn targets(&self) -> Vec<String> {
        let tables = ["Connection", "Manager"].into_iter();
        let tables = tables.filter_map(|name| self.contents.as_ref()?.table_named(name));
        let rows = tables.flat_map(|table| table.iter());
        rows.filter_map(|row| row.get("target").ok()).collect()
    }

    /// The version of the schema; empty if it has none or is not known.
    pub(super) fn schema_version(&self) -> String {
        let schema = self.contents.as_ref().map(|contents| contents.schema());
        let version = schema.and_then(|schema| schema.version.as_ref());
        version.map(ToString::to_string).unwrap_or_default()
    }
}

/// The lowest port of the remotes of this kind (`ptcp:` or `pssl:`) on which a server listens; 0 if there is none.
pub(super) fn port<'a>(kind: &str, remotes: impl Iterator<Item = &'a str>) -> u16 {
    let ports = remotes.filter_map(|remote| {
        let rest = remote.strip_prefix(kind)?;
        Method::parse(remote).ok()?;
        let port = rest.split(':').next().unwrap_or_default();
        match port.is_empty() {
            true => Some(DEFAULT_PORT),
            false => port.parse().ok(),
        }
    });
    ports.min().unwrap_or(0)
}

impl Cells for Row {
    fn uuid(&self) -> Uuid {
        Row::uuid(self)
    }

    fn get(&self, column: ColumnId) -> &Datum {
        Row::get(self, column)
    }
}

impl Contents for Version {
    fn schema(&self) -> &Schema {
        Version::schema(self)
    }

    fn len(&self, table: TableId) -> usize {
        Version::rows(self, table).len()
    }

    fn rows(&self, table: TableId) -> Box<dyn Iterator<Item = &dyn Cells> + '_> {
        let rows = Version::rows(self, table).values();
        Box::new(rows.map(|row| row as &dyn Cells))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_those_of_remotes_that_listen() {
        let remotes = [
            "punix:/x",
            "ptcp:6642:0.0.0.0",
            "ptcp:6641:[::1]",
            "tcp:1.2.3.4:80",
            "pssl:",
            "db:A,B,C",
        ];
        assert_eq!(port("ptcp:", remotes.into_iter()), 6641);
        assert_eq!(port("pssl:", remotes.into_iter()), DEFAULT_PORT);
        assert_eq!(port("ptcp:", ["pssl:1"].into_iter()), 0);
    }
}
