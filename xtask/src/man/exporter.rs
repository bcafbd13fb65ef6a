//! The prose of the man page of `ovsdb-exporter`.

use ovsdb_tools::exporter;

use super::Block::{Example, Item, Text};
use super::Page;
use super::pages::{FOLDERS, TLS, options};

/// The page.
pub(super) fn page() -> Page {
    Page {
        program: "ovsdb-exporter",
        section: 8,
        summary: "metrics of OVSDB servers, Open vSwitch and OVN for Prometheus",
        usage: &["[OPTION...] [DATABASE=SERVER[,SERVER...]]..."],
        description: &[
            "Serves metrics of databases and daemons, whoever has written them, over HTTP and under the names that dashboards \
             for OVN and for Open vSwitch know.",
            "Of databases it keeps a copy of the columns from which something is told, and goes on where it was when a server \
             has been away. Daemons are asked over their control sockets when somebody asks for the page, but not more often \
             than once a second.",
            "A SERVER is an active connection method. Of several the first is taken that serves the DATABASE. Without any \
             DATABASE it looks at Open_vSwitch, OVN_Northbound and OVN_Southbound at the sockets that they have on this \
             machine, and tells nothing of one before it has found it. What is named is told of from the start, if only that \
             it is not there: name what alerts stand on.",
        ],
        commands: Vec::new(),
        options: options(&exporter::options()),
        sections: &[
            (
                "DAEMONS",
                &[
                    Text(
                        "Without --control it asks what is there of these daemons on this machine. The names are those that \
                         dashboards know; with one of them --control says where the daemon is instead. Once --control is \
                         given, only daemons that are named are asked.",
                    ),
                    Item(
                        "ovsdb-server, vswitchd-service",
                        "Those of Open vSwitch, by ovsdb-server.pid and ovs-vswitchd.pid in the folder of pidfiles.",
                    ),
                    Item(
                        "ovsdb-server-northbound, ovsdb-server-southbound",
                        "Those of the databases of OVN, by ovnnb_db.ctl and ovnsb_db.ctl in the folder of OVN's sockets.",
                    ),
                    Item(
                        "ovn-northd, ovn-controller",
                        "Those of OVN, by ovn-northd.pid and ovn-controller.pid there.",
                    ),
                    Text(
                        "TARGET is what ovs-appctl(8) takes: the absolute path of a control socket, or the name of a daemon with a \
                         pidfile in the folder of pidfiles. Metrics of a daemon with another name begin with ovsdb_.",
                    ),
                    Text(
                        "Log files and database files are looked at where packages put them, or where --daemon-log and \
                         --database-file say, if they can be read.",
                    ),
                ],
            ),
            (
                "PAGES",
                &[
                    Text(
                        "They can only be read. There is no access control but that of the address, so let it be one that only \
                         those reach who may know. A relative name of a Unix socket is in the folder of sockets.",
                    ),
                    Item(
                        "/metrics",
                        "Figures in the text format of Prometheus, each with what it means.",
                    ),
                    Item("/healthz", "The status 200, if the program answers at all."),
                    Item(
                        "/readyz",
                        "The status 200 if there are connections to all databases of which something is told. Else 503, and a \
                         line for what is not there.",
                    ),
                ],
            ),
            TLS,
            FOLDERS,
            (
                "FOLDERS OF OVN",
                &[
                    Item(
                        "OVN_RUNDIR",
                        "Folder of its sockets and pidfiles: /var/run/ovn.",
                    ),
                    Item("OVN_LOGDIR", "Folder of its log files: /var/log/ovn."),
                    Item(
                        "OVN_DBDIR",
                        "Folder of its databases: /var/lib/ovn or /etc/ovn.",
                    ),
                ],
            ),
            (
                "EXAMPLES",
                &[
                    Text("Look at what is there of Open vSwitch and OVN on this machine:"),
                    Example(
                        "ovsdb-exporter --pidfile --log-file --detach\n\
                         curl http://127.0.0.1:9476/metrics",
                    ),
                    Text("Look at a database of one's own, and at the daemon that serves it:"),
                    Example(
                        "ovsdb-exporter Inventory=unix:/tmp/inventory.sock --control=inventory=/tmp/inventory.ctl \\\n    \
                         --http=127.0.0.1:9477",
                    ),
                ],
            ),
            (
                "SEE ALSO",
                &[Text("ovsdb-server(1), ovs-appctl(8), ovsdb(7)")],
            ),
        ],
    }
}
