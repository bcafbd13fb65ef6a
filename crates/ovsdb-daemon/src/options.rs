//! Command lines as `getopt_long` reads them: one table of options, used for parsing, for `--help` and for man pages.
//!
//! Long names may be abbreviated while they stay unambiguous; optional arguments are glued (`-vdbg`, `--verbose=dbg`),
//! so that a bare `-v` does not swallow what follows; short options may be bundled; options may follow operands. This
//! is more of getopt than argument parsers offer, and scripts use all of it.

use std::ffi::OsString;
use std::fmt::Write as _;

/// Whether an option takes an argument; with the argument's name for help texts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arg {
    /// None.
    No,
    /// Always: glued or as the next word.
    Required(&'static str),
    /// If glued.
    Optional(&'static str),
}

/// A number from 0 to 4,294,967,295 as options are given it: as by strtoll(3), blanks and a sign may stand before the digits.
#[must_use]
pub fn unsigned(text: &str) -> Option<u32> {
    let blank = |c: char| c.is_ascii_whitespace() || c == '\x0b';
    let number: i64 = text.trim_start_matches(blank).parse().ok()?;
    number.try_into().ok()
}

/// One option.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Spec<T> {
    /// What the program knows it by.
    pub id: T,
    /// The name after `--`.
    pub long: &'static str,
    /// The letter after `-`, if it has one.
    pub short: Option<char>,
    /// Its argument.
    pub arg: Arg,
    /// What it does, for `--help` and the man page: a phrase without a final stop.
    pub help: &'static str,
    /// Whether its long name may not be abbreviated. So an option that others do not have takes no abbreviation away
    /// from one that they have.
    pub whole: bool,
    /// Whether it counts before all others, wherever it stands: what they do goes by it.
    pub leads: bool,
    /// Whether the program ends with it: what stands behind it may be wrong, since nothing comes of it.
    pub ends: bool,
}

impl<T> Spec<T> {
    /// An option with a long name only.
    pub const fn long(id: T, long: &'static str, arg: Arg, help: &'static str) -> Self {
        Self {
            id,
            long,
            short: None,
            arg,
            help,
            whole: false,
            leads: false,
            ends: false,
        }
    }

    /// An option with a long name and a letter.
    pub const fn both(
        id: T,
        long: &'static str,
        short: char,
        arg: Arg,
        help: &'static str,
    ) -> Self {
        Self {
            id,
            long,
            short: Some(short),
            arg,
            help,
            whole: false,
            leads: false,
            ends: false,
        }
    }

    /// An option with a long name only, which other programs of this kind do not have: see [`Spec::whole`].
    pub const fn own(id: T, long: &'static str, arg: Arg, help: &'static str) -> Self {
        Self {
            id,
            long,
            short: None,
            arg,
            help,
            whole: true,
            leads: false,
            ends: false,
        }
    }

    /// The same option, which counts before all others wherever it stands: see [`Spec::leads`].
    #[must_use]
    pub const fn leading(mut self) -> Self {
        self.leads = true;
        self
    }

    /// The same option, with which the program ends: see [`Spec::ends`].
    #[must_use]
    pub const fn ending(mut self) -> Self {
        self.ends = true;
        self
    }

    /// The same option under another program's name for it.
    pub fn map<U>(self, id: impl FnOnce(T) -> U) -> Spec<U> {
        Spec {
            id: id(self.id),
            long: self.long,
            short: self.short,
            arg: self.arg,
            help: self.help,
            whole: self.whole,
            leads: self.leads,
            ends: self.ends,
        }
    }

    /// How the option is written: `-t, --target=TARGET`.
    #[must_use]
    pub fn synopsis(&self) -> String {
        let mut text = match self.short {
            Some(letter) => format!("-{letter}, --{}", self.long),
            None => format!("--{}", self.long),
        };
        match self.arg {
            Arg::No => {}
            Arg::Required(name) => text.extend(["=", name]),
            Arg::Optional(name) => text.extend(["[=", name, "]"]),
        }
        text
    }
}

/// Options under one heading of the help text.
#[derive(Clone, Debug)]
pub struct Group<T> {
    /// The heading, without a colon.
    pub title: &'static str,
    /// The options, in the order of the help text.
    pub specs: Vec<Spec<T>>,
}

/// All options of one program.
#[derive(Clone, Debug)]
pub struct Table<T> {
    groups: Vec<Group<T>>,
    order: &'static [&'static str],
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            order: &[],
        }
    }
}

/// Where options may stand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// Anywhere before `--`. `POSIXLY_CORRECT` in the environment turns this into [`Order::OptionsFirst`].
    Anywhere,
    /// Before the first operand only: for programs whose operands are another command's arguments.
    OptionsFirst,
}

/// A parsed command line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parsed<T> {
    /// The options in the order given, those that [lead](Spec::leads) before the others, with their arguments.
    pub options: Vec<(T, Option<String>)>,
    /// All else.
    pub operands: Vec<String>,
}

/// Why a command line is refused, in the words of the GNU C library. Programs print them after their name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// No such long option.
    #[error("unrecognized option '--{0}'")]
    UnknownLong(String),
    /// No such letter.
    #[error("invalid option -- '{0}'")]
    UnknownShort(char),
    /// An abbreviation of more than one long option.
    #[error("option '--{given}' is ambiguous; possibilities:{}", list(.possible))]
    Ambiguous {
        /// The abbreviation.
        given: String,
        /// What it may stand for.
        possible: Vec<&'static str>,
    },
    /// A long option lacks its argument.
    #[error("option '--{0}' requires an argument")]
    MissingLong(&'static str),
    /// A letter lacks its argument.
    #[error("option requires an argument -- '{0}'")]
    MissingShort(char),
    /// A long option takes no argument.
    #[error("option '--{0}' doesn't allow an argument")]
    Unwanted(&'static str),
    /// An argument is no UTF-8.
    #[error("argument {0:?} is not valid UTF-8")]
    NotUnicode(OsString),
}

impl OptionError {
    /// The same about an option that was given as `given`, its argument included.
    fn with_given(self, given: &str) -> Self {
        let given = given.to_owned();
        match self {
            Self::UnknownLong(_) => Self::UnknownLong(given),
            Self::Ambiguous { possible, .. } => Self::Ambiguous { given, possible },
            other => other,
        }
    }
}

fn list(names: &[&str]) -> String {
    names.iter().fold(String::new(), |mut text, name| {
        text.extend([" '--", name, "'"]);
        text
    })
}

impl<T: Clone> Table<T> {
    /// A table without options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds options under a heading.
    #[must_use]
    pub fn group(mut self, title: &'static str, specs: impl IntoIterator<Item = Spec<T>>) -> Self {
        self.groups.push(Group {
            title,
            specs: specs.into_iter().collect(),
        });
        self
    }

    /// Adds options that several programs share, under this program's ids.
    #[must_use]
    pub fn shared<U: Clone>(
        self,
        title: &'static str,
        specs: &[Spec<U>],
        id: impl Fn(U) -> T,
    ) -> Self {
        self.group(title, specs.iter().map(|spec| spec.clone().map(&id)))
    }

    /// Has these options be accepted by their full names only, see [`Spec::whole`].
    ///
    /// # Panics
    /// If there is no option of such a name.
    #[must_use]
    pub fn whole(mut self, names: &[&str]) -> Self {
        for name in names {
            let mut specs = self.groups.iter_mut().flat_map(|group| &mut group.specs);
            let spec = specs.find(|spec| spec.long == *name);
            spec.unwrap_or_else(|| panic!("there is no option --{name}"))
                .whole = true;
        }
        self
    }

    /// Sets the order in which the error about an ambiguous abbreviation and [`Table::list`] name options. Without it, that of
    /// the help text.
    #[must_use]
    pub fn possibilities(mut self, names: &'static [&'static str]) -> Self {
        self.order = names;
        self
    }

    /// The options by heading, for `--help` and for man pages.
    #[must_use]
    pub fn groups(&self) -> &[Group<T>] {
        &self.groups
    }

    /// All options.
    pub fn specs(&self) -> impl Iterator<Item = &Spec<T>> {
        self.groups.iter().flat_map(|group| &group.specs)
    }

    /// Parses a command line without the program's name.
    ///
    /// # Errors
    /// See [`OptionError`]; the first error counts, unless it stands behind an option that [ends](Spec::ends) the program.
    pub fn parse(
        &self,
        args: impl IntoIterator<Item = OsString>,
        order: Order,
    ) -> Result<Parsed<T>, OptionError> {
        let order = match std::env::var_os("POSIXLY_CORRECT") {
            Some(_) => Order::OptionsFirst,
            None => order,
        };
        let mut args = args
            .into_iter()
            .map(|arg| arg.into_string().map_err(OptionError::NotUnicode));
        let mut reading = Reading {
            table: self,
            leading: Vec::new(),
            options: Vec::new(),
            operands: Vec::new(),
            has_ended: false,
        };
        match reading.words(&mut args, order) {
            Err(error) if !reading.has_ended => return Err(error),
            _ => {}
        }
        let mut options = reading.leading;
        options.append(&mut reading.options);
        Ok(Parsed {
            options,
            operands: reading.operands,
        })
    }

    /// The option of a long name, which may be abbreviated.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn find(&self, name: &str) -> Result<&Spec<T>, OptionError> {
        if let Some(exact) = self.specs().find(|spec| spec.long == name) {
            return Ok(exact);
        }
        let mut possible: Vec<&Spec<T>> = self
            .specs()
            .filter(|spec| !spec.whole && spec.long.starts_with(name))
            .collect();
        match possible[..] {
            [only] => Ok(only),
            [] => Err(OptionError::UnknownLong(name.to_owned())),
            _ => {
                possible.sort_by_key(|spec| self.place(spec));
                Err(OptionError::Ambiguous {
                    given: name.to_owned(),
                    possible: possible.iter().map(|spec| spec.long).collect(),
                })
            }
        }
    }

    /// The help text's part about options: a heading and a line for each, with a blank line before each heading.
    #[must_use]
    pub fn help(&self) -> String {
        const COLUMN: usize = 27;
        let mut text = String::new();
        for group in &self.groups {
            text.extend(["\n", group.title, ":\n"]);
            for spec in &group.specs {
                let mut line = format!("  {}", spec.synopsis());
                if line.len() + 1 > COLUMN {
                    text.extend([line.as_str(), "\n"]);
                    line.clear();
                }
                for (number, part) in spec.help.lines().enumerate() {
                    if number > 0 {
                        line.clear();
                    }
                    // Writing to a String cannot fail.
                    let _ = writeln!(text, "{line:COLUMN$}{part}");
                }
            }
        }
        text
    }

    /// Where an option stands in the order set by [`Table::possibilities`]; others come after these.
    fn place(&self, spec: &Spec<T>) -> usize {
        let mut order = self.order.iter();
        order
            .position(|name| *name == spec.long)
            .unwrap_or(usize::MAX)
    }

    /// The list that `--option` prints for shell completion, in the same order as the error about an ambiguous abbreviation.
    #[must_use]
    pub fn list(&self) -> String {
        let mut text = String::new();
        let mut specs: Vec<_> = self.specs().collect();
        specs.sort_by_key(|spec| self.place(spec));
        for spec in specs {
            let (long, short) = match spec.arg {
                Arg::No => ("", ""),
                Arg::Required(_) => ("=ARG", "ARG"),
                Arg::Optional(_) => ("=[ARG]", "[ARG]"),
            };
            text.extend(["--", spec.long, long, "\n"]);
            if let Some(letter) = spec.short {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "-{letter} {short}");
            }
        }
        text
    }
}

/// A command line that is being read.
struct Reading<'t, T> {
    table: &'t Table<T>,
    /// The options that [lead](Spec::leads), and the others.
    leading: Vec<(T, Option<String>)>,
    options: Vec<(T, Option<String>)>,
    operands: Vec<String>,
    /// An option that [ends](Spec::ends) the program is among them.
    has_ended: bool,
}

impl<T: Clone> Reading<'_, T> {
    fn words(
        &mut self,
        args: &mut impl Iterator<Item = Result<String, OptionError>>,
        order: Order,
    ) -> Result<(), OptionError> {
        while let Some(arg) = args.next() {
            let arg = arg?;
            if arg == "--" {
                break;
            } else if let Some(long) = arg.strip_prefix("--") {
                self.long(long, args)?;
            } else if arg.len() > 1 && arg.starts_with('-') {
                self.letters(&arg[1..], args)?;
            } else {
                self.operands.push(arg);
                if order == Order::OptionsFirst {
                    break;
                }
            }
        }
        for arg in args {
            self.operands.push(arg?);
        }
        Ok(())
    }

    fn long(
        &mut self,
        long: &str,
        args: &mut impl Iterator<Item = Result<String, OptionError>>,
    ) -> Result<(), OptionError> {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        let table = self.table;
        let spec = table.find(name).map_err(|error| error.with_given(long))?;
        let value = match (spec.arg, value) {
            (Arg::No, Some(_)) => return Err(OptionError::Unwanted(spec.long)),
            (Arg::Required(_), None) => {
                Some(args.next().ok_or(OptionError::MissingLong(spec.long))??)
            }
            (_, value) => value,
        };
        self.option(spec, value);
        Ok(())
    }

    fn letters(
        &mut self,
        letters: &str,
        args: &mut impl Iterator<Item = Result<String, OptionError>>,
    ) -> Result<(), OptionError> {
        let table = self.table;
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let spec = table
                .specs()
                .find(|spec| spec.short == Some(letter))
                .ok_or(OptionError::UnknownShort(letter))?;
            let glued = rest.as_str();
            let value = match spec.arg {
                Arg::No => {
                    self.option(spec, None);
                    continue;
                }
                _ if !glued.is_empty() => Some(glued.to_owned()),
                Arg::Optional(_) => None,
                Arg::Required(_) => Some(args.next().ok_or(OptionError::MissingShort(letter))??),
            };
            self.option(spec, value);
            break;
        }
        Ok(())
    }

    fn option(&mut self, spec: &Spec<T>, value: Option<String>) {
        self.has_ended |= spec.ends;
        let options = if spec.leads {
            &mut self.leading
        } else {
            &mut self.options
        };
        options.push((spec.id.clone(), value));
    }
}

/// Options that every program has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Common {
    /// `-h`, `--help`.
    Help,
    /// `-o`, `--option`: list the options, for shell completion.
    ListOptions,
    /// `-V`, `--version`.
    Version,
}

/// Options that every program has.
pub const COMMON: &[Spec<Common>] = &[
    Spec::both(
        Common::Help,
        "help",
        'h',
        Arg::No,
        "display this help message",
    )
    .ending(),
    Spec::both(
        Common::ListOptions,
        "option",
        'o',
        Arg::No,
        "print the list of options",
    )
    .ending(),
    Spec::both(
        Common::Version,
        "version",
        'V',
        Arg::No,
        "display version information",
    )
    .ending(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    enum Id {
        Common(Common),
        Remote,
        Verbose,
        Detach,
        Timeout,
        Database,
        Data,
        Daily,
        Format,
    }

    fn table() -> Table<Id> {
        Table::new()
            .group(
                "Test options",
                [
                    Spec::long(
                        Id::Remote,
                        "remote",
                        Arg::Required("REMOTE"),
                        "connect or listen to REMOTE",
                    ),
                    Spec::both(
                        Id::Verbose,
                        "verbose",
                        'v',
                        Arg::Optional("SPEC"),
                        "set logging levels",
                    ),
                    Spec::both(
                        Id::Detach,
                        "detach",
                        'D',
                        Arg::No,
                        "run in background as daemon",
                    ),
                    Spec::both(
                        Id::Timeout,
                        "timeout",
                        't',
                        Arg::Required("SECS"),
                        "wait at most\nSECS seconds",
                    ),
                    Spec::long(
                        Id::Database,
                        "database",
                        Arg::No,
                        "a rather long name beside",
                    ),
                    Spec::long(
                        Id::Data,
                        "data",
                        Arg::Required("F"),
                        "a prefix of another name",
                    ),
                    Spec::long(Id::Daily, "daily", Arg::No, "never abbreviated"),
                    Spec::long(Id::Format, "format", Arg::Required("F"), "first of all").leading(),
                ],
            )
            .shared("Other options", COMMON, Id::Common)
            .whole(&["daily", "option"])
            .possibilities(&["data", "detach"])
    }

    fn check(order: Order, line: &str, expect: &str) {
        let args = line.split_whitespace().map(OsString::from);
        let shown = match table().parse(args, order) {
            Ok(parsed) => {
                let mut words: Vec<String> = parsed
                    .options
                    .iter()
                    .map(|(id, value)| match value {
                        Some(value) => format!("{id:?}({value})"),
                        None => format!("{id:?}"),
                    })
                    .collect();
                words.extend(parsed.operands.iter().map(|operand| format!("+{operand}")));
                words.join(" ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expect, "{line}");
    }

    #[test]
    fn options_are_read_as_getopt_long_reads_them() {
        let cases = [
            ("", ""),
            ("a b", "+a +b"),
            ("--remote=x a", "Remote(x) +a"),
            ("--remote x a", "Remote(x) +a"),
            ("--remote= a", "Remote() +a"),
            ("--remote=a=b", "Remote(a=b)"),
            ("--rem x", "Remote(x)"),
            ("--data x", "Data(x)"),
            ("--daily --de --option", "Daily Detach Common(ListOptions)"),
            (
                "a -v --format=x --de --fo y",
                "Format(x) Format(y) Verbose Detach +a",
            ),
            ("--verbose a", "Verbose +a"),
            ("--verbose=dbg", "Verbose(dbg)"),
            ("-v db", "Verbose +db"),
            ("-vconsole:off", "Verbose(console:off)"),
            ("-v=x", "Verbose(=x)"),
            ("-DD", "Detach Detach"),
            ("-Dt5", "Detach Timeout(5)"),
            ("-Dt 5 x", "Detach Timeout(5) +x"),
            ("-t -D", "Timeout(-D)"),
            ("-hV", "Common(Help) Common(Version)"),
            ("-", "+-"),
            ("a --detach b", "Detach +a +b"),
            ("-D -- -D", "Detach +-D"),
            ("--timeout -- x", "Timeout(--) +x"),
        ];
        for (line, expect) in cases {
            check(Order::Anywhere, line, expect);
        }
    }

    #[test]
    fn options_first_leaves_what_follows_alone() {
        check(
            Order::OptionsFirst,
            "-D a -D --remote",
            "Detach +a +-D +--remote",
        );
        check(Order::OptionsFirst, "-D -- a", "Detach +a");
    }

    #[test]
    fn errors_have_the_words_of_the_c_library() {
        let cases = [
            ("--x", "unrecognized option '--x'"),
            ("--x=1", "unrecognized option '--x=1'"),
            ("-x", "invalid option -- 'x'"),
            ("-Dx", "invalid option -- 'x'"),
            ("--remote", "option '--remote' requires an argument"),
            ("-t", "option requires an argument -- 't'"),
            ("--detach=1", "option '--detach' doesn't allow an argument"),
            (
                "--d",
                "option '--d' is ambiguous; possibilities: '--data' '--detach' '--database'",
            ),
            ("--dai", "unrecognized option '--dai'"),
            ("--o", "unrecognized option '--o'"),
        ];
        for (line, expect) in cases {
            check(Order::Anywhere, line, expect);
        }
    }

    #[test]
    fn nothing_is_wrong_behind_an_option_that_ends_the_program() {
        let cases = [
            ("-Vx", "Common(Version)"),
            ("-D --help --x -D", "Detach Common(Help)"),
            ("--option a --remote", "Common(ListOptions) +a"),
            ("--x --help", "unrecognized option '--x'"),
            ("-xh", "invalid option -- 'x'"),
        ];
        for (line, expect) in cases {
            check(Order::Anywhere, line, expect);
        }
    }

    #[test]
    fn help_and_list_come_from_the_table() {
        let table = Table::new().group(
            "Test options",
            [
                Spec::both(
                    (),
                    "target",
                    't',
                    Arg::Required("TARGET"),
                    "pidfile or socket\nto contact",
                ),
                Spec::both(
                    (),
                    "verbose",
                    'v',
                    Arg::Optional("SPEC"),
                    "set logging levels",
                ),
                Spec::long((), "a-name-that-is-rather-long", Arg::No, "on its own line"),
            ],
        );
        assert_eq!(
            table.help(),
            "\nTest options:\n\
             \x20 -t, --target=TARGET      pidfile or socket\n\
             \x20                          to contact\n\
             \x20 -v, --verbose[=SPEC]     set logging levels\n\
             \x20 --a-name-that-is-rather-long\n\
             \x20                          on its own line\n"
        );
        assert_eq!(
            table.list(),
            "--target=ARG\n-t ARG\n--verbose=[ARG]\n-v [ARG]\n--a-name-that-is-rather-long\n"
        );
    }

    #[test]
    fn numbers_are_read_as_the_c_library_does() {
        for (text, expect) in [
            ("5", Some(5)),
            (" \t5", Some(5)),
            ("+5", Some(5)),
            ("-0", Some(0)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("-1", None),
            ("5 ", None),
            ("5x", None),
            ("", None),
            (" ", None),
            ("+ 5", None),
        ] {
            assert_eq!(unsigned(text), expect, "{text:?}");
        }
    }
}
