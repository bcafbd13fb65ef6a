//! Which databases and daemons there are to look at: those that the command line names, or those of Open vSwitch and OVN where
//! their packages put them.
//!
//! Only names and places; nobody is asked here.

use std::env;
use std::path::{Path, PathBuf};

use ovsdb_client::control::{self, ConnectError};
use ovsdb_daemon::dirs;
use ovsdb_net::{control_socket_name, read_pidfile};

use crate::metrics::metric::{OVN, OVS, OWN};
use crate::metrics::rows::{NORTHBOUND, OPEN_VSWITCH, SOUTHBOUND};

/// A database to look at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Database {
    pub(super) name: String,
    /// Connection methods of its servers, with commas between them.
    pub(super) servers: String,
    /// Whether the command line names it. Of another nothing is told before it has been found.
    pub(super) is_wanted: bool,
}

/// A daemon to look at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Component {
    /// What dashboards call it.
    pub(super) name: String,
    /// What stands before the names of its metrics.
    pub(super) prefix: &'static str,
    /// The database that it serves, if dashboards know it by that.
    pub(super) database: Option<&'static str>,
    /// Where its control socket is.
    pub(super) place: Place,
    /// Whether the command line names it. Of another nothing is told before it has been found.
    pub(super) is_wanted: bool,
    /// Its log file; the first of these that is there.
    pub(super) log_files: Vec<PathBuf>,
    /// The file of its database; the first of these that is there.
    pub(super) database_files: Vec<PathBuf>,
}

/// Where a control socket is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// What `ovs-appctl --target` takes: the path of a socket, or the name of a daemon of Open vSwitch.
    Target(String),
    /// The pidfile `NAME.pid` of a daemon tells, in a folder.
    Daemon(PathBuf, &'static str),
}

impl Place {
    /// The path of the socket; `None` if nothing is there that would tell.
    pub(super) fn find(&self) -> Option<Result<PathBuf, ConnectError>> {
        match self {
            Place::Target(target) if target.starts_with('/') => {
                let path = PathBuf::from(target);
                path.exists().then_some(Ok(path))
            }
            Place::Target(target) => {
                let pidfile = dirs::rundir().join(format!("{target}.pid"));
                pidfile.exists().then(|| control::socket_path(target))
            }
            Place::Daemon(folder, name) => {
                let pidfile = folder.join(format!("{name}.pid"));
                pidfile.exists().then(|| match read_pidfile(&pidfile) {
                    Ok(pid) => Ok(folder.join(control_socket_name(name, pid))),
                    Err(source) => Err(ConnectError::Pidfile {
                        path: pidfile,
                        source,
                    }),
                })
            }
        }
    }
}

/// A daemon that dashboards know.
struct Known {
    name: &'static str,
    prefix: &'static str,
    database: Option<&'static str>,
    /// The name of its socket in the run folder, or of the pidfile that tells it.
    control: Control,
    log_file: &'static str,
    database_file: Option<&'static str>,
}

enum Control {
    Socket(&'static str),
    Pidfile(&'static str),
}

const fn daemon(
    name: &'static str,
    prefix: &'static str,
    program: &'static str,
    log_file: &'static str,
) -> Known {
    Known {
        name,
        prefix,
        database: None,
        control: Control::Pidfile(program),
        log_file,
        database_file: None,
    }
}

const KNOWN: &[Known] = &[
    Known {
        database: Some(OPEN_VSWITCH),
        database_file: Some("conf.db"),
        ..daemon("ovsdb-server", OVS, "ovsdb-server", "ovsdb-server.log")
    },
    daemon("vswitchd-service", OVS, "ovs-vswitchd", "ovs-vswitchd.log"),
    Known {
        database: Some(NORTHBOUND),
        control: Control::Socket("ovnnb_db.ctl"),
        database_file: Some("ovnnb_db.db"),
        ..daemon("ovsdb-server-northbound", OVN, "", "ovsdb-server-nb.log")
    },
    Known {
        database: Some(SOUTHBOUND),
        control: Control::Socket("ovnsb_db.ctl"),
        database_file: Some("ovnsb_db.db"),
        ..daemon("ovsdb-server-southbound", OVN, "", "ovsdb-server-sb.log")
    },
    daemon("ovn-northd", OVN, "ovn-northd", "ovn-northd.log"),
    daemon(
        "ovn-controller",
        OVN,
        "ovn-controller",
        "ovn-controller.log",
    ),
];

/// The folders of OVN, from the environment or as its packages have them.
struct OvnFolders {
    run: PathBuf,
    log: PathBuf,
    /// Where its databases may be.
    databases: Vec<PathBuf>,
}

impl OvnFolders {
    fn new() -> OvnFolders {
        let folder = |variable| env::var_os(variable).filter(|value| !value.is_empty());
        let databases = match folder("OVN_DBDIR") {
            Some(folder) => vec![folder.into()],
            None => ["/var/lib/ovn", "/etc/ovn"].map(PathBuf::from).to_vec(),
        };
        let or = |variable, default| folder(variable).map_or(PathBuf::from(default), Into::into);
        OvnFolders {
            run: or("OVN_RUNDIR", "/var/run/ovn"),
            log: or("OVN_LOGDIR", "/var/log/ovn"),
            databases,
        }
    }
}

/// The databases of Open vSwitch and OVN at the sockets that they have on this machine.
pub(super) fn default_databases() -> Vec<Database> {
    let ovn = OvnFolders::new().run;
    let places = [
        (OPEN_VSWITCH, dirs::rundir().join("db.sock")),
        (NORTHBOUND, ovn.join("ovnnb_db.sock")),
        (SOUTHBOUND, ovn.join("ovnsb_db.sock")),
    ];
    let database = |(name, path): (&str, PathBuf)| Database {
        name: name.to_owned(),
        servers: format!("unix:{}", path.display()),
        is_wanted: false,
    };
    places.map(database).to_vec()
}

/// The daemons of Open vSwitch and OVN where they are on this machine.
pub(super) fn default_components() -> Vec<Component> {
    KNOWN.iter().map(|known| known.component(None)).collect()
}

impl Component {
    /// A daemon that the command line names. One that dashboards do not know is told of by names of this project.
    pub(super) fn named(name: &str, target: &str) -> Component {
        let place = Place::Target(target.to_owned());
        match KNOWN.iter().find(|known| known.name == name) {
            Some(known) => known.component(Some(place)),
            None => Component {
                name: name.to_owned(),
                prefix: OWN,
                database: None,
                place,
                is_wanted: true,
                log_files: Vec::new(),
                database_files: Vec::new(),
            },
        }
    }
}

impl Known {
    /// At a place that the command line names, or else at its own.
    fn component(&self, place: Option<Place>) -> Component {
        let ovn = OvnFolders::new();
        let (run, log, databases) = match self.prefix {
            OVN => (ovn.run, ovn.log, ovn.databases),
            _ => (dirs::rundir(), dirs::logdir(), vec![dirs::dbdir()]),
        };
        let in_folder = |folder: &PathBuf| self.database_file.map(|name| folder.join(name));
        Component {
            name: self.name.to_owned(),
            prefix: self.prefix,
            database: self.database,
            is_wanted: place.is_some(),
            place: place.unwrap_or_else(|| match self.control {
                Control::Socket(name) => Place::Target(run.join(name).display().to_string()),
                Control::Pidfile(name) => Place::Daemon(run, name),
            }),
            log_files: vec![log.join(self.log_file)],
            database_files: databases.iter().filter_map(in_folder).collect(),
        }
    }
}

/// The first of these files that is there.
pub(super) fn first(files: &[PathBuf]) -> Option<&Path> {
    files
        .iter()
        .map(PathBuf::as_path)
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_is_named_keeps_what_is_known_of_it() {
        let north = Component::named("ovsdb-server-northbound", "/x.ctl");
        assert_eq!((north.prefix, north.database), (OVN, Some(NORTHBOUND)));
        assert_eq!(north.place, Place::Target("/x.ctl".to_owned()));
        assert!(north.is_wanted);
        let other = Component::named("inventory", "/y.ctl");
        assert_eq!((other.prefix, other.database), (OWN, None));
    }

    #[test]
    fn a_place_where_nothing_is_tells_nothing() {
        let nowhere = Path::new("/nonexistent");
        for place in [
            Place::Target("/nonexistent/a.ctl".to_owned()),
            Place::Target("no-such-daemon".to_owned()),
            Place::Daemon(nowhere.to_owned(), "ovn-northd"),
        ] {
            assert!(place.find().is_none(), "{place:?}");
        }
    }
}
