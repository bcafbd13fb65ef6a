//! An example of each command, for its help text and for the man page.

/// A command line and what it is for, by the name of its command. Lines are written without the program's name. Commands that
/// are refused have none.
const EXAMPLES: &[(&str, &str, &str)] = &[
    (
        "create",
        "a database for Open vSwitch's configuration",
        "create conf.db /usr/share/openvswitch/vswitch.ovsschema",
    ),
    (
        "compact",
        "make a file small that no server has open",
        "compact /etc/openvswitch/conf.db",
    ),
    (
        "convert",
        "bring a file to the schema of a new release",
        "convert conf.db /usr/share/openvswitch/vswitch.ovsschema",
    ),
    (
        "needs-conversion",
        "whether that is due",
        "needs-conversion conf.db /usr/share/openvswitch/vswitch.ovsschema",
    ),
    (
        "db-name",
        "which database a file holds",
        "db-name /var/lib/ovn/ovnsb_db.db",
    ),
    (
        "db-version",
        "the version of its schema",
        "db-version /var/lib/ovn/ovnsb_db.db",
    ),
    (
        "db-cksum",
        "whether a schema is as it was released",
        "db-cksum /var/lib/ovn/ovnsb_db.db",
    ),
    (
        "db-is-clustered",
        "what a file is, for scripts: exit code 0 says yes, 2 says no",
        "db-is-clustered /var/lib/ovn/ovnsb_db.db",
    ),
    (
        "db-is-standalone",
        "the same question the other way round",
        "db-is-standalone /var/lib/ovn/ovnsb_db.db",
    ),
    (
        "schema-name",
        "which database a schema is for",
        "schema-name /usr/share/ovn/ovn-sb.ovsschema",
    ),
    (
        "schema-version",
        "which version it has",
        "schema-version /usr/share/ovn/ovn-sb.ovsschema",
    ),
    (
        "schema-cksum",
        "the checksum that it names",
        "schema-cksum /usr/share/ovn/ovn-sb.ovsschema",
    ),
    (
        "schema-doc",
        "a page about the schema of a database file",
        "--format=html schema-doc conf.db > conf.html",
    ),
    (
        "schema-dot",
        "a picture of what refers to what",
        "schema-dot conf.db | dot -Tsvg > conf.svg",
    ),
    (
        "query",
        "the bridges in a file, whether a server has it open or not",
        r#"query conf.db '["Open_vSwitch", {"op": "select", "table": "Bridge", "where": [], "columns": ["name"]}]'"#,
    ),
    (
        "transact",
        "add a key to a map while no server runs",
        r#"transact conf.db '["Open_vSwitch", {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["external_ids", "insert", ["map", [["site", "north"]]]]]}]'"#,
    ),
    (
        "show-log",
        "all records of a file with the values that they set",
        "-mm show-log conf.db",
    ),
    (
        "compare-versions",
        "whether a schema is new enough, for scripts: exit code 0 says yes, 2 says no",
        r#"compare-versions "$(ovsdb-tool db-version conf.db)" ">=" 8.0.0"#,
    ),
    (
        "log",
        "who changed the ports of bridge br0 in the last two hours",
        r#"log /etc/openvswitch/conf.db --table=Bridge --row=br0 --column=ports --since="2 hours ago""#,
    ),
    (
        "blame",
        "which command added port eth0 to bridge br0",
        "blame /etc/openvswitch/conf.db Bridge br0 ports",
    ),
    (
        "diff",
        "what changed since yesterday noon",
        r#"diff "/etc/openvswitch/conf.db@2026-11-21 12:00" /etc/openvswitch/conf.db"#,
    ),
    (
        "restore",
        "the database as it was before record 2817",
        "restore --at=2816 /etc/openvswitch/conf.db /tmp/before.db",
    ),
    ("help", "this text about another command", "help log"),
    (
        "list-commands",
        "the commands, a line each",
        "list-commands",
    ),
];

/// What the example of a command shows, and the words behind the program's name.
pub(super) fn of(command: &str) -> Option<(&'static str, &'static str)> {
    EXAMPLES
        .iter()
        .find(|(name, _, _)| *name == command)
        .map(|(_, meaning, words)| (*meaning, *words))
}
