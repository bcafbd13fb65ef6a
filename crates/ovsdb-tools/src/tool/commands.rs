//! The commands of `ovsdb-tool`: how they are written, what they do, and which options only some of them take.

use super::options::Opt;
use super::{
    Answer, Call, ToolError, cluster, compact, compare_versions, convert, create, db, past, schema,
    schema_dot, schema_page, show_log, transact, usage,
};

/// One command.
pub(super) struct Command {
    pub(super) name: &'static str,
    /// Its arguments, for lists of commands.
    pub(super) usage: &'static str,
    pub(super) arguments_min: usize,
    pub(super) arguments_max: usize,
    pub(super) run: fn(&mut Call<'_>) -> Result<Answer, ToolError>,
    /// What it does, for the help text.
    pub(super) help: &'static str,
    /// More about it for its own help text, each line with its end.
    pub(super) details: &'static str,
    /// The options that it takes, of those that belong to some commands only: see [`Opt::is_of_some`].
    pub(super) options: &'static [Opt],
}

const fn command(
    name: &'static str,
    usage: &'static str,
    (arguments_min, arguments_max): (usize, usize),
    run: fn(&mut Call<'_>) -> Result<Answer, ToolError>,
    help: &'static str,
) -> Command {
    Command {
        name,
        usage,
        arguments_min,
        arguments_max,
        run,
        help,
        details: "",
        options: &[],
    }
}

impl Command {
    /// The same command, which other programs of this name do not have, with its options and more about it.
    const fn of_ours(mut self, options: &'static [Opt], details: &'static str) -> Command {
        self.options = options;
        self.details = details;
        self
    }

    /// The command with this name.
    pub(super) fn find(name: &str) -> Option<&'static Command> {
        COMMANDS.iter().find(|command| command.name == name)
    }

    /// How it is written.
    pub(super) fn synopsis(&self) -> String {
        let usage = match self.name {
            // Lists of commands leave these out.
            "needs-conversion" => "[db [schema]]",
            "help" => "[command]",
            _ => self.usage,
        };
        format!("{} {}", self.name, usage.to_uppercase())
            .trim_end()
            .to_owned()
    }
}

/// The command whose exit codes are those of diff(1).
pub(super) const DIFF: &str = "diff";

/// What a command for clustered databases does.
const REFUSED: &str = "refused: clustered databases are not supported";

/// All commands: those of ovsdb-tool(1), in its order, and then the others.
pub(super) const COMMANDS: &[Command] = &[
    command(
        "create",
        "[db [schema]]",
        (0, 2),
        create::run,
        "make the new database file DB with SCHEMA",
    ),
    command(
        "create-cluster",
        "db contents local",
        (3, 3),
        cluster::refuse,
        REFUSED,
    ),
    command(
        "join-cluster",
        "db name local remote...",
        (4, usize::MAX),
        cluster::refuse,
        REFUSED,
    ),
    command(
        "compact",
        "[db [dst]]",
        (0, 2),
        compact::run,
        "compact DB in place, or into DST",
    ),
    command(
        "convert",
        "[db [schema [dst]]]",
        (0, 3),
        convert::run,
        "give DB the schema SCHEMA, in place or into DST",
    ),
    command(
        "needs-conversion",
        "",
        (0, 2),
        schema::needs_conversion,
        "say whether DB has another schema than SCHEMA",
    ),
    command(
        "db-name",
        "[db]",
        (0, 1),
        db::name,
        "print the name of DB's schema",
    ),
    command(
        "db-version",
        "[db]",
        (0, 1),
        db::version,
        "print the version of DB's schema",
    ),
    command(
        "db-cksum",
        "[db]",
        (0, 1),
        db::cksum,
        "print the checksum of DB's schema",
    ),
    command("db-cid", "db", (1, 1), cluster::db_id, REFUSED),
    command("db-sid", "db", (1, 1), cluster::db_id, REFUSED),
    command("db-local-address", "db", (1, 1), cluster::db_id, REFUSED),
    command(
        "db-is-clustered",
        "db",
        (1, 1),
        db::is_clustered,
        "test whether DB is clustered",
    ),
    command(
        "db-is-standalone",
        "db",
        (1, 1),
        db::is_standalone,
        "test whether DB is standalone",
    ),
    command(
        "schema-name",
        "[schema]",
        (0, 1),
        schema::name,
        "print the name in SCHEMA",
    ),
    command(
        "schema-version",
        "[schema]",
        (0, 1),
        schema::version,
        "print the version in SCHEMA",
    ),
    command(
        "schema-cksum",
        "[schema]",
        (0, 1),
        schema::cksum,
        "print the checksum in SCHEMA",
    ),
    command(
        "query",
        "[db] trns",
        (1, 2),
        transact::query,
        "run the transaction TRNS on DB without changing the file",
    ),
    command(
        "transact",
        "[db] trns",
        (1, 2),
        transact::transact,
        "run the transaction TRNS on DB",
    ),
    command(
        "show-log",
        "[db]",
        (0, 1),
        show_log::run,
        "print DB's records; more of them with -m, -mm",
    ),
    command(
        "check-cluster",
        "db...",
        (1, usize::MAX),
        cluster::check,
        REFUSED,
    ),
    command(
        "compare-versions",
        "a op b",
        (3, 3),
        compare_versions::run,
        "compare two versions of schemas",
    ),
    command(
        "help",
        "",
        (0, usize::MAX),
        usage::help,
        "print this text, or that of a command that is named",
    ),
    command(
        "list-commands",
        "",
        (0, usize::MAX),
        usage::list_commands,
        "list the commands",
    ),
    command(
        "cluster-to-standalone",
        "db clusterdb",
        (2, 2),
        cluster::to_standalone,
        REFUSED,
    ),
    // From here on those that other programs of this name do not have.
    command(
        "schema-doc",
        "[schema]",
        (0, 1),
        schema_page::run,
        "print a page about SCHEMA for people to read",
    )
    .of_ours(
        &[Opt::Format],
        "\
SCHEMA may be a schema file or a database file.
  --format=markdown, html     the language of the page
",
    ),
    command(
        "schema-dot",
        "[schema]",
        (0, 1),
        schema_dot::run,
        "print a graph of SCHEMA's tables and references",
    )
    .of_ours(
        &[Opt::Format],
        "\
SCHEMA may be a schema file or a database file. The graph is in the language of Graphviz.
  --format=dot                the only format
",
    ),
    command(
        "log",
        "[db]",
        (0, 1),
        past::log::run,
        "tell what happened to DB, the newest first",
    )
    .of_ours(
        &[
            Opt::Format,
            Opt::Since,
            Opt::Until,
            Opt::Table,
            Opt::Row,
            Opt::Column,
            Opt::Comment,
            Opt::Limit,
            Opt::OldestFirst,
        ],
        "\
Each transaction is told with its record, its date (UTC), its comment, and the values
that it changed, old -> new. Options choose among transactions and changes:
  --since=TIME, --until=TIME  not before, not after (2026-11-22T10:00:00Z,
                              \"2026-11-22 10:00\", \"2 hours ago\", yesterday,
                              milliseconds since 1970)
  --table=TABLE               changes in this table
  --row=ROW                   changes of this row: a UUID or its beginning, a name,
                              or COLUMN=VALUE
  --column=COLUMN             changes of this column
  --comment=TEXT              comments that contain this
  --limit=N                   so many transactions
  --oldest-first              in the order in which they happened
  --format=json               a JSON object a line
",
    ),
    command(
        "blame",
        "db table row [column]",
        (3, 4),
        past::blame::run,
        "tell which transaction set each value of ROW",
    )
    .of_ours(
        &[Opt::Format],
        "\
Each value is told with the transaction that set it: its record, its date (UTC), its
comment, and the command that the comment names. Sets and maps are told element by
element. ROW is a UUID or its beginning, a name, COLUMN=VALUE, or \".\" for the only row.
A row that has been deleted is told as it was then, and who deleted it.
  --format=json               a JSON object
",
    ),
    command(
        DIFF,
        "a b",
        (2, 2),
        past::diff::run,
        "tell how the databases A and B differ: FILE or FILE@MOMENT",
    )
    .of_ours(
        &[Opt::Format],
        "\
A and B are database files, as they are, or as they were at a moment: FILE@TIME, or
FILE@RECORD with the number of a record, as log and show-log print it. Rows are the same
if their UUIDs are. Columns are compared by name if the schemas differ.
Exit code: 0 if nothing differs, 1 if something does, 2 if that cannot be told.
  --format=json               a JSON object a line
",
    ),
    command(
        "restore",
        "db new",
        (2, 2),
        past::restore::run,
        "write DB as it was --at a moment into the new file NEW",
    )
    .of_ours(
        &[Opt::At],
        "\
The rows have the UUIDs that they had. NEW must not exist; it gets its name when it is
complete. DB stays as it is, and may be in use.
  --at=TIME, --at=RECORD      when: a time, or the number of a record, after which
",
    ),
];
