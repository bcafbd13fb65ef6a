//! What differs and is meant to, each with its reason; `docs/differences.md` tells users.

use ovsdb_proto::json::{self, Json};
use ovsdb_testkit::alike::{Ending, Known, Printed, Release};

/// Of how `ovsdb-client` prints tables and JSON.
pub(crate) const STYLES: &[Known] = &[];

/// Of `ovs-appctl`.
pub(crate) const APPCTL: &[Known] = &[
    younger(&["-f"]),
    younger(&["--format=json"]),
    younger(&["--format"]),
    younger(&["--pretty"]),
    younger(&["--pretty=yes"]),
    listed(&["-o"]),
    listed(&["--option"]),
];

/// Options that came with release 3.4.
const fn younger(words: &'static [&'static str]) -> Known {
    Known {
        words,
        before: Some(Release(3, 4)),
        is: |reference, _| {
            reference.ending == Ending::Code(1)
                && [
                    "invalid option -- 'f'",
                    "option '--format",
                    "option '--pretty",
                ]
                .iter()
                .any(|words| reference.stderr.contains(words))
        },
        why: "earlier releases do not know this option",
    }
}

/// The list of options has ours as well.
const fn listed(words: &'static [&'static str]) -> Known {
    Known {
        words,
        before: None,
        is: |reference, ours| {
            let [expect, got] = [reference, ours].map(Printed::text);
            let expect: Vec<&str> = expect.lines().collect();
            let (both, more): (Vec<&str>, Vec<&str>) =
                got.lines().partition(|line| expect.contains(line));
            let younger = ["--format=ARG", "-f ARG", "--pretty"];
            both == expect
                && more.contains(&"--log-format=ARG")
                && more
                    .iter()
                    .all(|line| younger.contains(line) || *line == "--log-format=ARG")
        },
        why: "there is an option more here, and earlier releases have fewer",
    }
}

/// SIGALRM, by which a program ends whose time is up.
const ALARM: Ending = Ending::Signal(14);

/// Whether ours gives up with these words, of which others may stand around.
fn fails(printed: &Printed, words: &str) -> bool {
    printed.ending == Ending::Code(1) && printed.stdout.is_empty() && printed.stderr.contains(words)
}

fn crashes(printed: &Printed) -> bool {
    matches!(printed.ending, Ending::Signal(signal) if Ending::Signal(signal) != ALARM)
}

/// Whether lines say the same but for one that only the first has.
fn lacks(longer: &str, shorter: &str, line: &str) -> bool {
    let mut lines = longer.lines();
    let kept: Vec<&str> = lines.by_ref().filter(|text| !text.contains(line)).collect();
    let numbered = |text: &str| text.replace("|00002|", "|00001|");
    kept.len() + 1 == longer.lines().count() && numbered(&kept.join("\n")) == shorter.trim_end()
}

/// A message without what stands behind its first brace, and the members of the object there.
fn with_object(message: &str) -> Option<(&str, Json)> {
    let (words, object) = message.split_at(message.find('{')?);
    Some((words, json::parse(object.trim_end().as_bytes()).ok()?))
}

/// Of what else `ovsdb-client` does.
pub(crate) const CLIENT: &[Known] = &[
    Known {
        words: &["dump", "Every", "Every", "string", "string"],
        before: None,
        is: |reference, ours| {
            let [expect, got] = [reference, ours].map(|printed| with_object(&printed.stderr));
            expect.is_some() && expect == got
        },
        why: "the members of an object in a message come in the order of a hash table",
    },
    Known {
        words: &["punix:missing/x.sock"],
        before: None,
        is: |reference, ours| lacks(&reference.stderr, &ours.stderr, "could not unlink"),
        why: "a socket that could not be made is not missed when it is to be removed",
    },
    Known {
        words: &["tcp:::1:1"],
        before: None,
        is: |reference, ours| {
            reference.stderr.contains("port must be specified")
                && fails(ours, "failed to connect to \"tcp:::1:1\"")
        },
        why: "an IPv6 address without brackets is taken, with the usual port",
    },
    Known {
        words: &["--syslog-target=127.0.0.1:1"],
        before: None,
        is: |reference, ours| {
            lacks(
                &ours.stderr,
                &reference.stderr,
                "--syslog-target flag is deprecated",
            )
        },
        why: "that the option is deprecated is said at once, not with the first line that is logged",
    },
    Known {
        words: &["--log-file=missing/x.log"],
        before: None,
        is: |reference, ours| {
            lacks(
                &ours.stderr,
                &reference.stderr,
                "ovsdb-client: failed to open",
            )
        },
        why: "a log file that cannot be opened is told on standard error, whatever the levels of logging",
    },
    Known {
        words: &["--record=.", "list-dbs"],
        before: None,
        is: |_, ours| fails(ours, "--record is not supported by this program"),
        why: "recordings are of use to the reference's own libraries",
    },
    Known {
        words: &["--rep", "list-dbs"],
        before: None,
        is: |_, ours| fails(ours, "--replay is not supported by this program"),
        why: "recordings are of use to the reference's own libraries",
    },
    Known {
        words: &["--user=no-such-user"],
        before: None,
        is: |reference, ours| {
            reference
                .stderr
                .replace("(null): ", "")
                .replace(", aborting.", "")
                == ours.stderr
        },
        why: "the message has no words about nobody",
    },
    Known {
        words: &["--private-key=missing.pem"],
        before: None,
        is: |reference, ours| {
            reference.stderr.contains("SSL_use_PrivateKey_file: error:")
                && reference.ending == ours.ending
                && ours
                    .stderr
                    .contains("SSL_use_PrivateKey_file: missing.pem: No such file")
        },
        why: "messages about files of TLS name the file",
    },
    Known {
        words: &["-p", "missing.pem"],
        before: None,
        is: |reference, ours| {
            reference
                .stderr
                .contains("SSL_use_certificate_file: error:")
                && fails(ours, "SSL_use_certificate_file: missing.pem: No such file")
        },
        why: "messages about files of TLS name the file",
    },
    Known {
        words: &["--ssl-protocols=nonsense"],
        before: Some(Release(3, 6)),
        is: |reference, ours| {
            reference.stderr.replace("SSL protocol", "SSL/TLS protocol") == ours.stderr
        },
        why: "later releases speak of TLS",
    },
    Known {
        words: &["monitor-cond", "Every", "{}"],
        before: None,
        is: |reference, ours| crashes(reference) && fails(ours, "syntax error: array expected"),
        why: "an object in place of a condition ends the reference by an assertion",
    },
    Known {
        words: &["lock", "unix:db.sock"],
        before: None,
        is: |reference, ours| reference.ending == ALARM && fails(ours, "\"lock\" request failed"),
        why: "a request that is refused is an error, instead of a wait for ever",
    },
    Known {
        words: &["needs-conversion", "nothing.ovsschema"],
        before: None,
        is: |reference, ours| crashes(reference) && fails(ours, "unknown database Nothing"),
        why: "a database that the server does not have crashes the reference",
    },
    Known {
        words: &["convert", "nothing.ovsschema"],
        before: None,
        is: |reference, ours| crashes(reference) && fails(ours, "unknown database Nothing"),
        why: "a database that the server does not have crashes the reference",
    },
];

/// Of how `ovsdb-tool` looks at files.
pub(crate) const TOOL: &[Known] = &[
    versioned(&["-V"]),
    versioned(&["-Vy"]),
    versioned(&["--version", "--nonsense"]),
    without_clusters(&["cluster.db"]),
    without_clusters(&["joining.db"]),
    without_clusters(&["join-cluster", "new"]),
    // The reference looks for the first record of one, without any success.
    without_clusters(&["check-cluster", "empty"]),
    without_clusters(&["check-cluster", "/dev/null"]),
];

/// The first line of the version says the release, and the second one what the program is.
const fn versioned(words: &'static [&'static str]) -> Known {
    Known {
        words,
        before: None,
        is: |reference, ours| {
            let begins = |printed: &Printed| {
                printed.ending == Ending::Code(0)
                    && printed.text().starts_with("ovsdb-tool (Open vSwitch) 3.")
            };
            begins(reference) && begins(ours) && ours.text().lines().count() == 2
        },
        why: "the second line of the version is our own",
    }
}

/// There are no clustered databases here.
const fn without_clusters(words: &'static [&'static str]) -> Known {
    Known {
        words,
        before: None,
        is: |_, ours| {
            fails(
                ours,
                "clustered databases are not supported by this program",
            )
        },
        why: "clustered databases are refused by name",
    }
}

/// Of how it writes them.
pub(crate) const TOOL_WRITES: &[Known] = &[
    Known {
        words: &["create", "loop"],
        before: None,
        is: |reference, ours| {
            reference.stderr.contains("create failed (File exists)")
                && fails(ours, "create failed (Too many levels of symbolic links)")
        },
        why: "a link that leads nowhere else than to itself is told so",
    },
    damaged_before(&["convert", "unknown-table.db"]),
    damaged_before(&["convert", "unknown-column.db"]),
];

/// The reference converts a file that none of its other commands would read.
const fn damaged_before(words: &'static [&'static str]) -> Known {
    Known {
        words,
        before: None,
        is: |reference, ours| {
            let is_refused = reference.ending == Ending::Code(0)
                && (fails(ours, ": unknown table: ") || fails(ours, ": unknown column: "));
            // What the refused command leaves alone.
            let is_kept =
                reference.text().contains("converted") && !ours.text().contains("converted");
            is_refused || is_kept
        },
        why: "records that do not fit their own schema are not dropped in silence",
    }
}
