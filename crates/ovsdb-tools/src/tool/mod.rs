//! `ovsdb-tool`: looks at database and schema files, and changes database files, without a server (ovsdb-tool(1)).
//!
//! This module reads the command line and picks the command; each command has a file of its own. What a command
//! prints, its messages and its exit code are the reference program's.

mod compact;
mod compare_versions;
mod convert;
mod create;
mod db;
mod error;
mod past;
mod progress;
mod rewrite;
mod schema;
mod schema_dot;
mod schema_page;
mod show_log;
mod transact;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use ovsdb_daemon::options::{Arg, COMMON, Common, Order, Spec, Table};
use ovsdb_daemon::{dirs, program, vlog};

use past::Wanted;

pub use error::ToolError;
pub(crate) use schema::read_schema;

/// What a command is given, and where it prints.
struct Call<'a> {
    /// The words after the command's name; as many as the command takes.
    arguments: &'a [String],
    settings: Settings<'a>,
    out: &'a mut dyn Write,
}

/// What options say to commands.
#[derive(Clone, Copy)]
struct Settings<'a> {
    /// How often `-m` was given.
    verbosity: usize,
    /// The role for transactions.
    role: Option<&'a str>,
    /// The language of what is printed, for the commands that know several.
    format: Option<&'a str>,
    /// What is wanted of the past.
    wanted: &'a Wanted,
}

impl Call<'_> {
    /// Argument number `at` as a database file, or the default one.
    fn database(&self, at: usize) -> PathBuf {
        self.arguments
            .get(at)
            .map_or_else(default_database, PathBuf::from)
    }

    /// Argument number `at` as a schema file, or the default one.
    fn schema(&self, at: usize) -> PathBuf {
        self.arguments
            .get(at)
            .map_or_else(default_schema, PathBuf::from)
    }

    /// Prints a line.
    fn line(&mut self, text: impl std::fmt::Display) -> Result<(), ToolError> {
        Ok(writeln!(self.out, "{text}")?)
    }
}

fn default_database() -> PathBuf {
    dirs::dbdir().join("conf.db")
}

fn default_schema() -> PathBuf {
    dirs::pkgdatadir().join("vswitch.ovsschema")
}

/// The time, in milliseconds since 1970, for records.
fn date_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // A clock before 1970 is no reason not to work; i64 lasts for 292 million years.
    since.map_or(0, |since| since.as_millis() as i64)
}

/// What a command tells its caller when it has done its work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    /// Done, or yes: exit code 0.
    Yes,
    /// No: exit code 2, so that it is no failure.
    No,
    /// What was compared differs: exit code 1, as that of diff(1).
    Different,
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Answer {
        if yes { Answer::Yes } else { Answer::No }
    }
}

/// One command.
struct Command {
    name: &'static str,
    /// Its arguments, for lists of commands.
    usage: &'static str,
    arguments_min: usize,
    arguments_max: usize,
    run: fn(&mut Call<'_>) -> Result<Answer, ToolError>,
    /// What it does, for the help text.
    help: &'static str,
    /// For a command that other programs of this name do not have: more about it, with an example, for its own help text.
    details: Option<&'static str>,
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
        details: None,
    }
}

impl Command {
    const fn with_details(mut self, details: &'static str) -> Command {
        self.details = Some(details);
        self
    }
}

/// The command whose exit codes are those of diff(1).
const DIFF: &str = "diff";

const COMMANDS: &[Command] = &[
    command(
        "create",
        "[db [schema]]",
        (0, 2),
        create::run,
        "make the new database file DB with SCHEMA",
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
        "schema-doc",
        "[schema]",
        (0, 1),
        schema_page::run,
        "print a page about SCHEMA for people to read",
    ),
    command(
        "schema-dot",
        "[schema]",
        (0, 1),
        schema_dot::run,
        "print a graph of SCHEMA's tables and references",
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
        "compare-versions",
        "a op b",
        (3, 3),
        compare_versions::run,
        "compare two versions of schemas",
    ),
    command(
        "log",
        "[db]",
        (0, 1),
        past::log::run,
        "tell what happened to DB, the newest first",
    )
    .with_details(
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
Example: who changed the ports of bridge br0 in the last two hours?
  ovsdb-tool log /etc/openvswitch/conf.db --table=Bridge --row=br0 --column=ports \\
      --since=\"2 hours ago\"
",
    ),
    command(
        "blame",
        "db table row [column]",
        (3, 4),
        past::blame::run,
        "tell which transaction set each value of ROW",
    )
    .with_details(
        "\
Each value is told with the transaction that set it: its record, its date (UTC), its
comment, and the command that the comment names. Sets and maps are told element by
element. ROW is a UUID or its beginning, a name, COLUMN=VALUE, or \".\" for the only row.
A row that has been deleted is told as it was then, and who deleted it.
  --format=json               a JSON object
Example: which command added port eth0 to bridge br0?
  ovsdb-tool blame /etc/openvswitch/conf.db Bridge br0 ports
",
    ),
    command(
        DIFF,
        "a b",
        (2, 2),
        past::diff::run,
        "tell how the databases A and B differ: FILE or FILE@MOMENT",
    )
    .with_details(
        "\
A and B are database files, as they are, or as they were at a moment: FILE@TIME, or
FILE@RECORD with the number of a record, as log and show-log print it. Rows are the same
if their UUIDs are. Columns are compared by name if the schemas differ.
Exit code: 0 if nothing differs, 1 if something does, 2 if that cannot be told.
  --format=json               a JSON object a line
Example: what changed since yesterday noon?
  ovsdb-tool diff \"/etc/openvswitch/conf.db@2026-11-21 12:00\" /etc/openvswitch/conf.db
",
    ),
    command(
        "restore",
        "db new",
        (2, 2),
        past::restore::run,
        "write DB as it was --at a moment into the new file NEW",
    )
    .with_details(
        "\
The rows have the UUIDs that they had. NEW must not exist; it gets its name when it is
complete. DB stays as it is, and may be in use.
  --at=TIME, --at=RECORD      when: a time, or the number of a record, after which
Example: the database as it was before record 2817
  ovsdb-tool restore --at=2816 /etc/openvswitch/conf.db /tmp/before.db
",
    ),
    command("help", "", (0, usize::MAX), help, "print this text"),
    command(
        "list-commands",
        "",
        (0, usize::MAX),
        list_commands,
        "list the commands",
    ),
];

/// The options.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opt {
    /// `-m`, `--more`.
    More,
    /// `--rbac-role`.
    RbacRole,
    /// `-f`, `--format`.
    Format,
    /// `--since`.
    Since,
    /// `--until`.
    Until,
    /// `--table`.
    Table,
    /// `--row`.
    Row,
    /// `--column`.
    Column,
    /// `--comment`.
    Comment,
    /// `--limit`.
    Limit,
    /// `--oldest-first`.
    OldestFirst,
    /// `--at`.
    At,
    /// One of logging.
    Vlog(vlog::Opt),
    /// One that every program has.
    Common(Common),
}

/// The options of `ovsdb-tool`.
pub fn options() -> Table<Opt> {
    Table::new()
        .shared("Logging options", vlog::OPTIONS, Opt::Vlog)
        .group(
            "Other options",
            [
                Spec::both(
                    Opt::More,
                    "more",
                    'm',
                    Arg::No,
                    "print more with show-log; may be repeated",
                ),
                Spec::long(
                    Opt::RbacRole,
                    "rbac-role",
                    Arg::Required("ROLE"),
                    "the role under which transact and query run",
                ),
                Spec::both(
                    Opt::Format,
                    "format",
                    'f',
                    Arg::Required("FORMAT"),
                    "schema-doc: markdown or html; log, blame and diff: text or json",
                ),
            ],
        )
        .group(
            "Options for the past",
            [
                Spec::own(
                    Opt::Since,
                    "since",
                    Arg::Required("TIME"),
                    "log: only what happened at TIME or later",
                ),
                Spec::own(
                    Opt::Until,
                    "until",
                    Arg::Required("TIME"),
                    "log: only what happened at TIME or earlier",
                ),
                Spec::own(
                    Opt::Table,
                    "table",
                    Arg::Required("TABLE"),
                    "log: only changes in TABLE",
                ),
                Spec::own(
                    Opt::Row,
                    "row",
                    Arg::Required("ROW"),
                    "log: only changes of ROW: a UUID or its beginning, a name, or COLUMN=VALUE",
                ),
                Spec::own(
                    Opt::Column,
                    "column",
                    Arg::Required("COLUMN"),
                    "log: only changes of COLUMN",
                ),
                Spec::own(
                    Opt::Comment,
                    "comment",
                    Arg::Required("TEXT"),
                    "log: only transactions with TEXT in their comment",
                ),
                Spec::own(
                    Opt::Limit,
                    "limit",
                    Arg::Required("N"),
                    "log: at most N transactions",
                ),
                Spec::own(
                    Opt::OldestFirst,
                    "oldest-first",
                    Arg::No,
                    "log: in the order in which things happened",
                ),
                Spec::own(
                    Opt::At,
                    "at",
                    Arg::Required("MOMENT"),
                    "restore: a time, or the number of a record",
                ),
            ],
        )
        .shared("More options", COMMON, Opt::Common)
}

/// The commands of `ovsdb-tool`: how each is written, and what it does.
pub fn commands() -> impl Iterator<Item = (String, &'static str)> {
    COMMANDS.iter().map(|command| {
        let synopsis = match command.name {
            // Its name has no room for the arguments that lists of commands leave out.
            "needs-conversion" => String::from("needs-conversion [DB [SCHEMA]]"),
            name => format!("{name} {}", command.usage.to_uppercase()),
        };
        (synopsis.trim_end().to_owned(), command.help)
    })
}

/// The program: takes the command line of this process and answers with its exit code.
pub fn main() -> ExitCode {
    program::init("ovsdb-tool");
    vlog::init();

    let table = options();
    let parsed = match table.parse(std::env::args_os().skip(1), Order::Anywhere) {
        Ok(parsed) => parsed,
        Err(error) => program::usage_error(error),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let mut verbosity = 0;
    let mut role = None;
    let mut format = None;
    let mut wanted = Wanted::default();
    let mut printed = None;
    for (option, value) in parsed.options {
        match option {
            Opt::More => verbosity += 1,
            Opt::RbacRole => role = value,
            Opt::Format => format = value,
            Opt::Since => wanted.since = value,
            Opt::Until => wanted.until = value,
            Opt::Table => wanted.table = value,
            Opt::Row => wanted.row = value,
            Opt::Column => wanted.column = value,
            Opt::Comment => wanted.comment = value,
            Opt::Limit => wanted.limit = value,
            Opt::OldestFirst => wanted.oldest_first = true,
            Opt::At => wanted.at = value,
            Opt::Vlog(option) => {
                if let Err(error) = vlog::apply(option, value.as_deref()) {
                    program::fatal(error);
                }
            }
            Opt::Common(Common::Help) => printed = Some(help_of(&parsed.operands)),
            Opt::Common(Common::ListOptions) => printed = Some(table.list()),
            Opt::Common(Common::Version) => printed = Some(program::version_text()),
        }
        if printed.is_some() {
            break;
        }
    }

    let result = match printed {
        Some(text) => out
            .write_all(text.as_bytes())
            .map(|()| Answer::Yes)
            .map_err(ToolError::from),
        None => run(
            &parsed.operands,
            Settings {
                verbosity,
                role: role.as_deref(),
                format: format.as_deref(),
                wanted: &wanted,
            },
            &mut out,
        ),
    };
    // What was printed before an error is wanted as well: the good records of a damaged file.
    let flushed = out.flush().map_err(ToolError::from);
    match result.and_then(|answer| flushed.map(|()| answer)) {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(2),
        Ok(Answer::Different) => ExitCode::from(1),
        // There 1 has a meaning.
        Err(error) if parsed.operands.first().is_some_and(|name| name == DIFF) => {
            program::error(error);
            ExitCode::from(2)
        }
        Err(error) if error.is_logged() => vlog::fatal("command_line", format_args!("{error}")),
        Err(error) => program::fatal(error),
    }
}

fn run(
    operands: &[String],
    settings: Settings<'_>,
    out: &mut dyn Write,
) -> Result<Answer, ToolError> {
    let Some((name, arguments)) = operands.split_first() else {
        return Err(ToolError::MissingCommand);
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return Err(ToolError::UnknownCommand(name.clone()));
    };
    if arguments.len() < command.arguments_min {
        return Err(ToolError::TooFewArguments {
            command: command.name,
            min: command.arguments_min,
        });
    }
    if arguments.len() > command.arguments_max {
        return Err(ToolError::TooManyArguments {
            command: command.name,
            max: command.arguments_max,
        });
    }
    (command.run)(&mut Call {
        arguments,
        settings,
        out,
    })
}

fn help(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    call.out.write_all(help_text().as_bytes())?;
    Ok(Answer::Yes)
}

/// The help text of the command that is named, if it has one of its own, or else that of the program.
fn help_of(operands: &[String]) -> String {
    let named = operands.first();
    let found = named.and_then(|name| COMMANDS.iter().find(|command| command.name == name));
    match found.and_then(|command| Some((command, command.details?))) {
        Some((command, details)) => format!(
            "{}: {}\nusage: {} [OPTIONS] {} {}\n{details}",
            command.name,
            command.help,
            program::name(),
            command.name,
            command.usage.to_uppercase(),
        ),
        None => help_text(),
    }
}

fn help_text() -> String {
    let name = program::name();
    let mut text = format!(
        "{name}: Open vSwitch database management utility\nusage: {name} [OPTIONS] COMMAND [ARG...]\n"
    );
    for (synopsis, help) in commands() {
        text.push_str(&format!("  {synopsis:<31} {help}\n"));
    }
    text.push_str(&format!(
        "The default DB is {}.\nThe default SCHEMA is {}.\n",
        default_database().display(),
        default_schema().display()
    ));
    text + &options().help()
}

fn list_commands(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    call.line("The available commands are:")?;
    for Command { name, usage, .. } in COMMANDS {
        call.line(format_args!("  {name:<23} {usage}"))?;
    }
    Ok(Answer::Yes)
}
