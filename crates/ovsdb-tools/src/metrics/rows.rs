//! Figures that stand in rows, under the names that dashboards for OVN and for Open vSwitch know: chassis, logical switches and
//! their ports, interfaces.
//!
//! They are written from the version that is current at a moment and kept as text, so that it costs little to ask often. Tables
//! with very many rows are left out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ovsdb_daemon::metrics::{Samples, Text};
use ovsdb_proto::atom::Atom;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, Schema, TableId, TableSchema};
use ovsdb_proto::uuid::Uuid;
use parking_lot::Mutex;

use super::metric::{Metric, OVN, OVS, Writing};
use super::row_table::{self as table, NOT_TOLD};

/// The database of OVN that users change.
pub(crate) const NORTHBOUND: &str = "OVN_Northbound";
/// The database of OVN that chassis follow.
pub(crate) const SOUTHBOUND: &str = "OVN_Southbound";
/// The database of Open vSwitch.
pub(crate) const OPEN_VSWITCH: &str = "Open_vSwitch";

/// Nothing is told on the page `/metrics` of what stands in the rows of a table that has more.
const ROWS_MAX: usize = 4_000;
/// What was told is not written anew until so many times as long as it took have passed, where others wait for the processor: a
/// quarter of a hundredth of it.
const PAUSE_SHARE: u32 = 400;
/// The same for a program that has nothing else to do: rates over short times are to be right.
const PAUSE_SHARE_ALONE: u32 = 20;

/// Figures of an interface that are values of its statistics, with the keys.
const STATISTICS: [(&Metric, &str); 14] = [
    (&table::RX_CRC, "rx_crc_err"),
    (&table::RX_DROPPED, "rx_dropped"),
    (&table::RX_FRAME, "rx_frame_err"),
    (&table::RX_OVERRUN, "rx_over_err"),
    (&table::RX_ERRORS, "rx_errors"),
    (&table::RX_MISSED, "rx_missed_errors"),
    (&table::RX_PACKETS, "rx_packets"),
    (&table::RX_BYTES, "rx_bytes"),
    (&table::RX_MULTICAST, "rx_multicast_packets"),
    (&table::TX_PACKETS, "tx_packets"),
    (&table::TX_BYTES, "tx_bytes"),
    (&table::TX_DROPPED, "tx_dropped"),
    (&table::TX_ERRORS, "tx_errors"),
    (&table::COLLISIONS, "collisions"),
];

/// Figures of an interface that are the only value of a column, which may be empty.
const NUMBERS: [(&Metric, &str); 7] = [
    (&table::POLICING_BURST, "ingress_policing_burst"),
    (&table::POLICING_RATE, "ingress_policing_rate"),
    (&table::MTU, "mtu"),
    (&table::OFPORT, "ofport"),
    (&table::IFINDEX, "ifindex"),
    (&table::LINK_RESETS, "link_resets"),
    (&table::LINK_SPEED, "link_speed"),
];

/// A figure of an interface that stands for a word.
struct Word {
    metric: &'static Metric,
    column: &'static str,
    known: [(&'static str, f64); 2],
    /// For all other words, and for none.
    other: f64,
}

const WORDS: [Word; 3] = [
    Word {
        metric: &table::ADMIN_STATE,
        column: "admin_state",
        known: [("down", 0.0), ("up", 1.0)],
        other: 2.0,
    },
    Word {
        metric: &table::LINK_STATE,
        column: "link_state",
        known: [("down", 0.0), ("up", 1.0)],
        other: 2.0,
    },
    Word {
        metric: &table::DUPLEX,
        column: "duplex",
        known: [("half", 1.0), ("full", 2.0)],
        other: 0.0,
    },
];

/// Maps of an interface that are told pair by pair.
const PAIRS: [(&Metric, &str); 3] = [
    (&table::STATUS, "status"),
    (&table::OPTIONS, "options"),
    (&table::EXTERNAL_IDS, "external_ids"),
];

/// A row of whatever keeps rows.
pub(crate) trait Cells {
    fn uuid(&self) -> Uuid;
    fn get(&self, column: ColumnId) -> &Datum;
}

/// One version of a database, of whatever keeps databases.
pub(crate) trait Contents {
    fn schema(&self) -> &Schema;
    /// How many rows a table of the schema has.
    fn len(&self, table: TableId) -> usize;
    /// The rows of a table of the schema.
    fn rows(&self, table: TableId) -> Box<dyn Iterator<Item = &dyn Cells> + '_>;
}

/// Databases by name, of which something is told.
pub(crate) type Databases<'a> = HashMap<&'a str, &'a dyn Contents>;

/// What was told last. `I` says which database something is told of, and its number which version of that.
pub(crate) struct RowFigures<I> {
    kept: Mutex<Kept<I>>,
    pause_share: u32,
}

struct Kept<I> {
    text: Text,
    of: Told<I>,
    /// When it may be written anew.
    due: Option<Instant>,
}

/// Of what something is told.
pub(crate) struct Told<I> {
    pub(crate) system_id: String,
    /// Databases and the numbers of their versions.
    pub(crate) versions: Vec<(I, u64)>,
}

impl<I: PartialEq> Told<I> {
    /// Whether `other` tells of the same databases, in whatever versions.
    fn has_databases_of(&self, other: &Told<I>) -> bool {
        let ours = self.versions.iter().map(|(database, _)| database);
        ours.eq(other.versions.iter().map(|(database, _)| database))
    }

    /// Whether `other` tells the same.
    fn is_as(&self, other: &Told<I>) -> bool {
        self.system_id == other.system_id && self.versions == other.versions
    }
}

impl<I> Default for RowFigures<I> {
    fn default() -> Self {
        let of = Told {
            system_id: String::new(),
            versions: Vec::new(),
        };
        let kept = Kept {
            text: Text::new(),
            of,
            due: None,
        };
        RowFigures {
            kept: Mutex::new(kept),
            pause_share: PAUSE_SHARE,
        }
    }
}

impl<I> RowFigures<I> {
    /// Those of a program that tells figures and does nothing else.
    pub(crate) fn alone() -> Self {
        RowFigures {
            pause_share: PAUSE_SHARE_ALONE,
            ..RowFigures::default()
        }
    }
}

impl<I: PartialEq> RowFigures<I> {
    /// Goes on with what these databases have in their rows.
    pub(crate) fn write(&self, of: Told<I>, databases: Databases<'_>, writing: &mut Writing) {
        let mut kept = self.kept.lock();
        let is_due = kept.due.is_none_or(|due| due <= Instant::now());
        if !kept.of.has_databases_of(&of) || (is_due && !kept.of.is_as(&of)) {
            let begun = Instant::now();
            kept.text = Telling::new(databases, &of.system_id).tell();
            kept.of = of;
            let pause = begun.elapsed().saturating_mul(self.pause_share);
            kept.due = Instant::now().checked_add(pause.min(Duration::from_secs(60)));
        }
        writing.text.append(&kept.text);
    }
}

/// A text that is being written from versions of the databases.
struct Telling<'a> {
    databases: Databases<'a>,
    system_id: &'a str,
    writing: Writing,
}

/// The rows of a table, with their UUIDs as text.
struct Rows<'a> {
    schema: &'a TableSchema,
    rows: Vec<(String, &'a dyn Cells)>,
}

impl<'a> Rows<'a> {
    /// The values of a column; none where there is no such column.
    fn column<'s>(
        &'s self,
        name: &str,
    ) -> impl Iterator<Item = (&'s str, Option<&'a Datum>)> + use<'s, 'a> {
        let column = self.schema.column_id(name);
        let of_row = move |row: &'a dyn Cells| column.map(|column| row.get(column));
        let rows = self.rows.iter();
        rows.map(move |(uuid, row)| (uuid.as_str(), of_row(*row)))
    }

    /// The pairs of strings in a column that is a map.
    fn pairs<'s>(
        &'s self,
        name: &str,
    ) -> impl Iterator<Item = (&'s str, &'a str, &'a str)> + use<'s, 'a> {
        self.column(name).flat_map(|(uuid, map)| {
            let pairs = map.into_iter().flat_map(Datum::iter);
            pairs.filter_map(move |(key, value)| match (key, value?) {
                (Atom::String(key), Atom::String(value)) => {
                    Some((uuid, key.as_str(), value.as_str()))
                }
                _ => None,
            })
        })
    }

    /// The only or the first strings in a column; empty where there is none.
    fn texts<'s>(&'s self, name: &str) -> impl Iterator<Item = (&'s str, &'a str)> + use<'s, 'a> {
        self.column(name).map(|(uuid, datum)| (uuid, text(datum)))
    }
}

/// The only or the first string.
fn text(datum: Option<&Datum>) -> &str {
    match datum.and_then(Datum::first) {
        Some(Atom::String(text)) => text.as_str(),
        _ => "",
    }
}

/// A number as figures are, for people, who do not miss the last digits.
#[allow(clippy::cast_precision_loss)]
fn number(atom: Option<&Atom>) -> Option<f64> {
    match atom {
        Some(Atom::Integer(number)) => Some(*number as f64),
        _ => None,
    }
}

/// The only or the first UUID, as text; empty if there is none.
fn uuid(datum: Option<&Datum>) -> String {
    let uuid = datum.and_then(|datum| datum.uuids().next());
    uuid.map(|uuid| uuid.to_string()).unwrap_or_default()
}

impl<'a> Telling<'a> {
    fn new(databases: Databases<'a>, system_id: &'a str) -> Telling<'a> {
        Telling {
            databases,
            system_id,
            writing: Writing::default(),
        }
    }

    fn tell(mut self) -> Text {
        self.tell_omissions();
        self.tell_chassis();
        self.tell_switches();
        self.tell_ports();
        self.tell_interfaces();
        self.writing.text
    }

    /// How many rows a table has, if there is one.
    fn len(&self, database: &str, table: &str) -> Option<usize> {
        let database = self.databases.get(database)?;
        let (id, _) = database.schema().table_by_name(table)?;
        Some(database.len(id))
    }

    /// The rows of a table; none if there is no such table, or if there are too many.
    fn rows(&self, database: &str, table: &str) -> Option<Rows<'a>> {
        let database = self.databases.get(database)?;
        let (id, schema) = database.schema().table_by_name(table)?;
        let is_told = database.len(id) <= ROWS_MAX;
        let rows = database.rows(id).take_while(|_| is_told);
        let rows = rows.map(|row| (row.uuid().to_string(), row));
        Some(Rows {
            schema,
            rows: rows.collect(),
        })
    }

    /// A metric that has a sample for each of `all`.
    fn each<T>(
        &mut self,
        prefix: &str,
        metric: &Metric,
        all: impl Iterator<Item = T>,
        add: impl Fn(&mut Samples<'_>, (&str, &str), T),
    ) {
        let id = ("system_id", self.system_id);
        self.writing.named(prefix, metric, |samples| {
            all.for_each(|one| add(samples, id, one));
        });
    }

    fn tell_omissions(&mut self) {
        let tables = [
            (SOUTHBOUND, "Chassis"),
            (SOUTHBOUND, "Encap"),
            (SOUTHBOUND, "Datapath_Binding"),
            (SOUTHBOUND, "Port_Binding"),
            (NORTHBOUND, "Logical_Switch"),
            (NORTHBOUND, "Logical_Switch_Port"),
            (OPEN_VSWITCH, "Interface"),
        ];
        let lengths = tables.map(|(database, table)| (database, table, self.len(database, table)));
        self.writing.metric(&NOT_TOLD, |samples| {
            for (database, table, len) in &lengths {
                if let Some(len) = len {
                    let labels = [("database", *database), ("table", *table)];
                    samples.add(&labels, if *len > ROWS_MAX { *len } else { 0 });
                }
            }
        });
    }

    fn tell_chassis(&mut self) {
        let Some(chassis) = self.rows(SOUTHBOUND, "Chassis") else {
            return;
        };
        let encaps = self.rows(SOUTHBOUND, "Encap");
        let addresses: HashMap<&str, &str> = encaps.iter().flat_map(|it| it.texts("ip")).collect();
        let encaps = chassis.column("encaps").map(|(_, encaps)| uuid(encaps));
        let encaps: Vec<String> = encaps.collect();
        let all = chassis.texts("name").zip(&encaps);
        self.each(OVN, &table::CHASSIS, all, |samples, id, (row, encap)| {
            let address = addresses.get(encap.as_str()).copied().unwrap_or_default();
            let labels = [id, ("uuid", row.0), ("name", row.1), ("ip", address)];
            samples.add(&labels, true);
        });
    }

    fn tell_switches(&mut self) {
        let Some(switches) = self.rows(NORTHBOUND, "Logical_Switch") else {
            return;
        };
        let names = switches.texts("name");
        self.each(OVN, &table::SWITCH, names, |samples, id, (uuid, name)| {
            samples.add(&[id, ("uuid", uuid), ("name", name)], true);
        });
        self.tell_pairs(OVN, &table::SWITCH_EXTERNAL_ID, &switches, "external_ids");
        let ports = switches.column("ports").flat_map(|(uuid, ports)| {
            let ports = ports.into_iter().flat_map(Datum::uuids);
            ports.map(move |port| (uuid, port))
        });
        self.each(
            OVN,
            &table::SWITCH_PORT,
            ports,
            |samples, id, (uuid, port)| {
                samples.add(&[id, ("uuid", uuid), ("port", &port.to_string())], true);
            },
        );
        let ports = switches.column("ports");
        self.each(
            OVN,
            &table::SWITCH_PORTS,
            ports,
            |samples, id, (uuid, ports)| {
                samples.add(&[id, ("uuid", uuid)], ports.map_or(0, Datum::len));
            },
        );
        // The southbound database says by the switch's UUID which datapath is its.
        let datapaths = self.rows(SOUTHBOUND, "Datapath_Binding");
        let keys: HashMap<&str, f64> = datapaths
            .iter()
            .flat_map(|datapaths| {
                datapaths
                    .column("external_ids")
                    .zip(datapaths.column("tunnel_key"))
            })
            .filter_map(|((_, ids), (_, key))| {
                let switch = ids?.get(&Atom::String("logical-switch".into()))?;
                let Atom::String(switch) = switch else {
                    return None;
                };
                Some((switch.as_str(), number(key?.first())?))
            })
            .collect();
        let names = switches.texts("name");
        self.each(
            OVN,
            &table::SWITCH_TUNNEL_KEY,
            names,
            |samples, id, (uuid, _)| {
                if let Some(key) = keys.get(uuid) {
                    samples.add(&[id, ("uuid", uuid)], *key);
                }
            },
        );
    }

    fn tell_ports(&mut self) {
        let Some(ports) = self.rows(NORTHBOUND, "Logical_Switch_Port") else {
            return;
        };
        let switches = self.rows(NORTHBOUND, "Logical_Switch");
        let mut switch_of: HashMap<String, &str> = HashMap::new();
        if let Some(switches) = &switches {
            let names = switches.texts("name").zip(switches.column("ports"));
            for ((_, name), (_, ports)) in names {
                let ports = ports.into_iter().flat_map(Datum::uuids);
                switch_of.extend(ports.map(|port| (port.to_string(), name)));
            }
        }
        let bindings = self.rows(SOUTHBOUND, "Port_Binding");
        let bindings = Bindings::of(bindings.as_ref());
        let all = ports.texts("name").zip(ports.column("addresses"));
        self.each(
            OVN,
            &table::PORT,
            all,
            |samples, id, (row, (_, addresses))| {
                let binding = bindings.by_port.get(row.1);
                let (ethernet, ip) = addresses_of(addresses);
                let labels = [
                    id,
                    ("uuid", row.0),
                    ("name", row.1),
                    ("chassis", binding.map_or("", |it| &it.chassis)),
                    (
                        "logical_switch",
                        switch_of.get(row.0).copied().unwrap_or_default(),
                    ),
                    ("datapath", binding.map_or("", |it| &it.datapath)),
                    ("port_binding", binding.map_or("", |it| it.uuid)),
                    ("mac_address", ethernet),
                    ("ip_address", ip),
                ];
                samples.add(&labels, true);
            },
        );
        let all = ports.texts("name");
        self.each(
            OVN,
            &table::PORT_TUNNEL_KEY,
            all,
            |samples, id, (uuid, name)| {
                let binding = bindings.by_port.get(name);
                if let Some(key) = binding.and_then(|binding| binding.tunnel_key) {
                    samples.add(&[id, ("uuid", uuid)], key);
                }
            },
        );
    }

    fn tell_interfaces(&mut self) {
        let Some(interfaces) = self.rows(OPEN_VSWITCH, "Interface") else {
            return;
        };
        let names = interfaces.texts("name");
        self.each(
            OVS,
            &table::INTERFACE,
            names,
            |samples, id, (uuid, name)| {
                samples.add(&[id, ("uuid", uuid), ("name", name)], true);
            },
        );
        for word in WORDS {
            let all = interfaces.texts(word.column);
            self.each(OVS, word.metric, all, |samples, id, (uuid, text)| {
                let known = word.known.iter().find(|(known, _)| *known == text);
                let value = known.map_or(word.other, |(_, value)| *value);
                samples.add(&[id, ("uuid", uuid)], value);
            });
        }
        let addresses = interfaces.texts("mac_in_use");
        self.each(
            OVS,
            &table::MAC_IN_USE,
            addresses,
            |samples, id, (uuid, address)| {
                samples.add(&[id, ("uuid", uuid), ("mac_address", address)], true);
            },
        );
        for (metric, column) in NUMBERS {
            let all = interfaces.column(column);
            self.each(OVS, metric, all, |samples, id, (uuid, datum)| {
                let value = number(datum.and_then(Datum::first));
                samples.add(&[id, ("uuid", uuid)], value.unwrap_or(0.0));
            });
        }
        for (metric, key) in STATISTICS {
            let key = Atom::String(key.into());
            let all = interfaces.column("statistics");
            self.each(OVS, metric, all, |samples, id, (uuid, statistics)| {
                if let Some(value) = number(statistics.and_then(|it| it.get(&key))) {
                    samples.add(&[id, ("uuid", uuid)], value);
                }
            });
        }
        for (metric, column) in PAIRS {
            self.tell_pairs(OVS, metric, &interfaces, column);
        }
    }

    fn tell_pairs(&mut self, prefix: &str, metric: &Metric, rows: &Rows<'_>, column: &str) {
        let pairs = rows.pairs(column);
        self.each(prefix, metric, pairs, |samples, id, (uuid, key, value)| {
            samples.add(&[id, ("uuid", uuid), ("key", key), ("value", value)], true);
        });
    }
}

/// What the southbound database knows of ports.
struct Bindings<'a> {
    by_port: HashMap<&'a str, Binding<'a>>,
}

/// A row of `Port_Binding`.
struct Binding<'a> {
    uuid: &'a str,
    chassis: String,
    datapath: String,
    tunnel_key: Option<f64>,
}

impl<'a> Bindings<'a> {
    fn of(rows: Option<&'a Rows<'a>>) -> Bindings<'a> {
        let mut by_port = HashMap::new();
        if let Some(rows) = rows {
            let places = rows.column("chassis").zip(rows.column("datapath"));
            let all = rows.texts("logical_port").zip(places);
            for (((row, port), ((_, chassis), (_, datapath))), (_, key)) in
                all.zip(rows.column("tunnel_key"))
            {
                let binding = Binding {
                    uuid: row,
                    chassis: uuid(chassis),
                    datapath: uuid(datapath),
                    tunnel_key: number(key.and_then(Datum::first)),
                };
                by_port.insert(port, binding);
            }
        }
        Bindings { by_port }
    }
}

/// The first Ethernet address and the first IP address in a column `addresses`, as exporters tell them.
fn addresses_of(addresses: Option<&Datum>) -> (&str, &str) {
    const NONE: &str = "<nil>";
    let words = || {
        let atoms = addresses.into_iter().flat_map(Datum::keys);
        let texts = atoms.filter_map(|atom| match atom {
            Atom::String(text) => Some(text.as_str()),
            _ => None,
        });
        texts.flat_map(str::split_ascii_whitespace)
    };
    let ethernet = words().find(|word| is_ethernet(word));
    let ip = words().find(|word| word.parse::<IpAddr>().is_ok());
    (ethernet.unwrap_or(NONE), ip.unwrap_or(NONE))
}

/// Whether this is six bytes in hexadecimal digits, with colons between them.
fn is_ethernet(word: &str) -> bool {
    let mut bytes = word.split(':');
    let is_byte = |byte: &str| byte.len() == 2 && byte.bytes().all(|it| it.is_ascii_hexdigit());
    bytes.clone().count() == 6 && bytes.all(is_byte)
}
