//! `xtask limits`: writes `docs/limits.md` from the constants of the code and the comments that stand above them.
//!
//! A limit is stated once, where it holds; the page cannot say another number.

use std::fmt::Write as _;
use std::fs;
use std::process::ExitCode;

use crate::Error;
use crate::workspace::Workspace;

/// Where the page is kept.
const PATH: &str = "docs/limits.md";

/// The chapters of the page: a heading, a file, and the constants of that file, or all of them.
const CHAPTERS: &[(&str, &[Source])] = &[
    (
        "What clients meet",
        &[
            all("crates/ovsdb-server/src/limits.rs"),
            some("crates/ovsdb-net/src/listener.rs", &["BACKLOG"]),
            some("crates/ovsdb-net/src/tls/stream.rs", &["PORTION_BYTES"]),
            some("crates/ovsdb-net/src/tls/files.rs", &["FILE_BYTES_MAX"]),
            some(
                "crates/ovsdb-engine/src/index.rs",
                &[
                    "INDEX_ROWS_MIN",
                    "INDEXES_PER_TABLE_MAX",
                    "INDEX_ENTRIES_MAX",
                    "INDEX_ENTRIES_TOTAL_MAX",
                ],
            ),
        ],
    ),
    (
        "What may be written",
        &[
            some("crates/ovsdb-proto/src/json.rs", &["MAX_DEPTH"]),
            some("crates/ovsdb-proto/src/text.rs", &["RANGE_MAX"]),
            some("crates/ovsdb-net/src/unix.rs", &["PATH_BYTES_MAX"]),
        ],
    ),
    (
        "The control socket",
        &[some(
            "crates/ovsdb-daemon/src/unixctl/server.rs",
            &["CONNECTIONS_MAX", "REQUEST_BYTES_MAX"],
        )],
    ),
    (
        "Pages over HTTP",
        &[
            some(
                "crates/ovsdb-daemon/src/http.rs",
                &[
                    "CONNECTIONS_MAX",
                    "REQUEST_BYTES_MAX",
                    "REQUEST_TIME_MAX",
                    "CONNECTION_TIME_MAX",
                ],
            ),
            some("crates/ovsdb-tools/src/metrics/rows.rs", &["ROWS_MAX"]),
        ],
    ),
    (
        "Our clients",
        &[
            some(
                "crates/ovsdb-net/src/connection.rs",
                &["DEFAULT_MESSAGE_BYTES_MAX"],
            ),
            some(
                "crates/ovsdb-client/src/driver.rs",
                &["ECHOES_MAX", "ECHO_BYTES_MAX", "UNUSUAL_BYTES_MAX"],
            ),
            some(
                "crates/ovsdb-client/src/client/conversation.rs",
                &["OWN_BYTES_MAX"],
            ),
            some(
                "crates/ovsdb-client/src/client/line.rs",
                &["CHOICE_TIME_MAX"],
            ),
            some(
                "crates/ovsdb-client/src/link/rows.rs",
                &["ROWS_MAX", "TEXT_BYTES_MAX"],
            ),
            some(
                "crates/ovsdb-client/src/upstream.rs",
                &["REQUESTS_MAX", "INBOUND_MAX", "INBOUND_BYTES_MAX"],
            ),
            some("crates/ovsdb-client/src/replica/handle.rs", &["ORDERS_MAX"]),
            some(
                "crates/ovsdb-client/src/replica/submit.rs",
                &["TRANSACTIONS_MAX"],
            ),
            some(
                "crates/ovsdb-client/src/replica/follow.rs",
                &["ATTEMPTS_MAX"],
            ),
            some("crates/ovsdb-client/src/txn/commit.rs", &["MALFORMED_MAX"]),
            some(
                "crates/ovsdb-client/src/control/mod.rs",
                &["ANSWER_BYTES_MAX", "ANSWER_TIME_MAX"],
            ),
        ],
    ),
    (
        "SQL",
        &[some(
            "crates/ovsdb-sql/src/query.rs",
            &["MEMORY_BYTES_MAX", "ANSWER_BYTES_MAX", "VALUE_BYTES_MAX"],
        )],
    ),
    (
        "The exporter",
        &[
            some(
                "crates/ovsdb-tools/src/exporter/databases.rs",
                &["ROWS_MAX", "ROWS_BYTES_MAX"],
            ),
            some(
                "crates/ovsdb-tools/src/exporter/daemons.rs",
                &["POLL_TIME_MAX", "ANSWER_BYTES_MAX", "CLUSTERS_MAX"],
            ),
            some(
                "crates/ovsdb-tools/src/exporter/log_file.rs",
                &["LOG_BYTES_MAX", "SOURCES_MAX"],
            ),
            some("crates/ovsdb-tools/src/exporter/page.rs", &["KINDS_MAX"]),
        ],
    ),
    (
        "Files",
        &[some("crates/ovsdb-log/src/path.rs", &["LINKS_MAX"])],
    ),
];

/// Some or all constants of a file.
struct Source {
    path: &'static str,
    /// Empty: all.
    names: &'static [&'static str],
}

const fn all(path: &'static str) -> Source {
    Source { path, names: &[] }
}

const fn some(path: &'static str, names: &'static [&'static str]) -> Source {
    Source { path, names }
}

/// A constant with what is said of it.
#[derive(Debug, Eq, PartialEq)]
struct Limit {
    name: String,
    value: String,
    text: String,
}

/// The page: its path from the workspace's root, and its text.
pub(crate) fn files(workspace: &Workspace) -> Result<Vec<(String, String)>, Error> {
    let mut out = String::from(
        "# Limits\n\n\
         Everything that could grow has a limit. This page is written by `cargo run -p xtask -- limits` from the \
         constants\nthat hold these limits.\n",
    );
    for (heading, sources) in CHAPTERS {
        write!(
            out,
            "\n## {heading}\n\n| limit | value | meaning |\n|---|---|---|\n"
        )?;
        for source in *sources {
            let text = fs::read_to_string(workspace.root.join(source.path))?;
            let limits = constants(&text);
            let wanted = |limit: &&Limit| {
                source.names.is_empty() || source.names.contains(&limit.name.as_str())
            };
            let chosen: Vec<&Limit> = limits.iter().filter(wanted).collect();
            for name in source.names {
                if !chosen.iter().any(|limit| limit.name == *name) {
                    return Err(format!("{} has no constant {name}", source.path).into());
                }
            }
            for Limit { name, value, text } in chosen {
                writeln!(out, "| `{name}` | {value} | {text} |")?;
            }
        }
    }
    Ok(vec![(PATH.to_owned(), out)])
}

/// Writes the page.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode, Error> {
    for (path, text) in files(workspace)? {
        fs::write(workspace.root.join(&path), text)?;
        println!("{path}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The documented constants of a file that stand at its outermost level.
fn constants(text: &str) -> Vec<Limit> {
    let mut limits = Vec::new();
    let mut doc = String::new();
    for line in text.lines() {
        if let Some(part) = line.strip_prefix("///") {
            if !doc.is_empty() {
                doc.push(' ');
            }
            doc.push_str(part.trim());
            continue;
        }
        let declaration = line
            .strip_prefix("pub ")
            .unwrap_or(line)
            .strip_prefix("const ");
        if let Some((name, value)) = declaration.and_then(|rest| {
            let (name, rest) = rest.split_once(": ")?;
            Some((name, rest.split_once(" = ")?.1.strip_suffix(';')?))
        }) {
            limits.push(Limit {
                name: name.to_owned(),
                value: readable(value, name.contains("BYTES")),
                text: doc.replace('|', "\\|"),
            });
        }
        doc.clear();
    }
    limits
}

/// A constant's expression as people read it.
fn readable(expression: &str, bytes: bool) -> String {
    let shifted = expression.split_once(" << ").and_then(|(base, by)| {
        let base: u64 = number(base)?;
        base.checked_shl(number(by)?.try_into().ok()?)
    });
    match shifted.or_else(|| number(expression)) {
        Some(value) if bytes => in_bytes(value),
        Some(value) => value.to_string(),
        None => duration(expression).unwrap_or_else(|| format!("`{expression}`")),
    }
}

fn number(text: &str) -> Option<u64> {
    text.replace('_', "").parse().ok()
}

fn in_bytes(value: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if value >> shift > 0 && value.is_multiple_of(1 << shift) {
            return format!("{} {unit}", value >> shift);
        }
    }
    format!("{value} bytes")
}

fn duration(expression: &str) -> Option<String> {
    let rest = expression
        .strip_prefix("Duration::from_")?
        .strip_suffix(')')?;
    let (unit, value) = rest.split_once('(')?;
    let unit = match unit {
        "secs" => "s",
        "millis" => "ms",
        _ => return None,
    };
    Some(format!("{} {unit}", number(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_people_read_them() {
        let cases = [
            ("1 << 30", true, "1 GiB"),
            ("64 << 10", true, "64 KiB"),
            ("107", true, "107 bytes"),
            ("4096", false, "4096"),
            ("10_000", false, "10000"),
            ("Duration::from_secs(5)", false, "5 s"),
            ("Duration::from_millis(2500)", false, "2500 ms"),
            ("2 * OTHER", false, "`2 * OTHER`"),
        ];
        for (expression, bytes, expected) in cases {
            assert_eq!(readable(expression, bytes), expected, "{expression}");
        }
    }

    #[test]
    fn constants_come_with_their_comments() {
        let text = "/// One\n/// thing.\npub const A: u32 = 7;\n\n/// Not this.\nfn f() {}\nconst B_BYTES: u64 = 1 << 20;\n";
        let expected =
            [("A", "7", "One thing."), ("B_BYTES", "1 MiB", "")].map(|(name, value, text)| Limit {
                name: name.to_owned(),
                value: value.to_owned(),
                text: text.to_owned(),
            });
        assert_eq!(constants(text), expected);
    }
}
