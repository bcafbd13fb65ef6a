//! An example of each command, for its help text and for the man page.

/// A command line and what it is for, by the name of its command. Lines are written without the program's name.
const EXAMPLES: &[(&str, &str, &str)] = &[
    (
        "list-dbs",
        "which databases another server has",
        "list-dbs tcp:10.0.0.1:6640",
    ),
    (
        "get-schema",
        "a schema to read, not to parse",
        "--pretty get-schema Open_vSwitch",
    ),
    (
        "get-schema-version",
        "whether OVN's schema has been converted yet",
        "get-schema-version unix:/run/ovn/ovnsb_db.sock OVN_Southbound",
    ),
    (
        "get-schema-cksum",
        "whether two servers have the same schema",
        "get-schema-cksum tcp:10.0.0.1:6640 Open_vSwitch",
    ),
    (
        "list-tables",
        "the tables, a line each",
        "--no-headings list-tables Open_vSwitch",
    ),
    (
        "list-columns",
        "columns and types of one table",
        "list-columns Open_vSwitch Interface",
    ),
    (
        "transact",
        "add a key to a map",
        r#"transact '["Open_vSwitch", {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["external_ids", "insert", ["map", [["site", "north"]]]]]}]'"#,
    ),
    (
        "query",
        "the ports that are down",
        r#"query '["Open_vSwitch", {"op": "select", "table": "Interface", "where": [["link_state", "==", "down"]], "columns": ["name"]}]'"#,
    ),
    (
        "monitor",
        "every change of two columns, with its time",
        "--timestamp monitor Open_vSwitch Interface name,link_state",
    ),
    (
        "monitor-cond",
        "changes of the bridges in one data path",
        r#"monitor-cond Open_vSwitch '[["datapath_type", "==", "netdev"]]' Bridge name,ports"#,
    ),
    (
        "monitor-cond-since",
        "go on where an earlier monitor ended (its last_id)",
        r#"monitor-cond-since Open_vSwitch 2f0d1c0e-6f4e-4b1e-9f5c-1d2b3a4c5d6e '[true]' Bridge name"#,
    ),
    (
        "convert",
        "bring a database to the schema of a new release",
        "-t 30 convert unix:/run/ovn/ovnsb_db.sock /usr/share/ovn/ovn-sb.ovsschema",
    ),
    (
        "needs-conversion",
        "whether that is due",
        "needs-conversion unix:/run/ovn/ovnsb_db.sock /usr/share/ovn/ovn-sb.ovsschema",
    ),
    (
        "wait",
        "go on as soon as a server is part of its cluster",
        "-t 30 wait unix:/run/ovn/ovnsb_db.sock OVN_Southbound connected",
    ),
    (
        "dump",
        "two columns of a table for a spreadsheet",
        "-f csv dump Open_vSwitch Interface name ofport",
    ),
    (
        "backup",
        "save a database while it is served",
        "backup Open_vSwitch > conf.db",
    ),
    (
        "restore",
        "put it back, each row under the UUID that it had",
        "--keep-uuids restore Open_vSwitch < conf.db",
    ),
    (
        "lock",
        "hold a lock for as long as the program runs",
        "lock maintenance",
    ),
    ("steal", "take it from whoever has it", "steal maintenance"),
    (
        "unlock",
        "give it back: of use behind \"lock\" at the control socket",
        "unlock maintenance",
    ),
    (
        "sql",
        "how many interfaces there are of each type",
        r#"sql Open_vSwitch 'SELECT type, count(*) FROM Interface GROUP BY type'"#,
    ),
    (
        "watch",
        "a table on the whole screen, of which three columns",
        "watch Open_vSwitch Interface name,link_state,statistics",
    ),
    ("help", "this text about another command", "help dump"),
];

/// What the example of a command shows, and the words behind the program's name.
pub(crate) fn of(command: &str) -> Option<(&'static str, &'static str)> {
    EXAMPLES
        .iter()
        .find(|(name, _, _)| *name == command)
        .map(|(_, meaning, words)| (*meaning, *words))
}
