//! Rules about who may depend on whom: the arrows between our crates, and who may hold which outside crate.
//!
//! The tables below are the design; a new arrow is a change of the design and wants a reason here.

use cargo_metadata::{DependencyKind, Metadata, Package};

use super::Problem;

/// Our crates and what each may use of ours. What is not listed, a crate may not know.
const OURS: &[(&str, &[&str])] = &[
    ("ovsdb-proto", &[]),
    ("ovsdb-pmap", &["ovsdb-proto"]),
    ("ovsdb-engine", &["ovsdb-proto", "ovsdb-pmap"]),
    ("ovsdb-log", &[]),
    ("ovsdb-net", &["ovsdb-proto"]),
    ("ovsdb-daemon", &["ovsdb-proto", "ovsdb-net"]),
    ("ovsdb-client", &["ovsdb-proto", "ovsdb-pmap", "ovsdb-net"]),
    ("ovsdb-derive", &[]),
    ("ovsdb-sql", &["ovsdb-proto"]),
    (
        "ovsdb-server",
        &[
            "ovsdb-proto",
            "ovsdb-engine",
            "ovsdb-log",
            "ovsdb-net",
            "ovsdb-daemon",
            "ovsdb-client",
        ],
    ),
    (
        "ovsdb",
        &[
            "ovsdb-proto",
            "ovsdb-net",
            "ovsdb-client",
            "ovsdb-derive",
            "ovsdb-server",
        ],
    ),
    ("ovsdb-codegen", &["ovsdb-proto"]),
    (
        "ovsdb-tools",
        &[
            "ovsdb-proto",
            "ovsdb-engine",
            "ovsdb-log",
            "ovsdb-net",
            "ovsdb-daemon",
            "ovsdb-client",
            "ovsdb-codegen",
            "ovsdb-server",
            "ovsdb-sql",
        ],
    ),
    ("ovsdb-testkit", &["ovsdb-proto", "ovsdb-log"]),
    (
        "ovsdb-bench",
        &[
            "ovsdb-proto",
            "ovsdb-log",
            "ovsdb-net",
            "ovsdb-daemon",
            "ovsdb-client",
            "ovsdb-testkit",
        ],
    ),
    (
        "ovsdb-fuzz",
        &[
            "ovsdb-proto",
            "ovsdb-engine",
            "ovsdb-log",
            "ovsdb-net",
            "ovsdb-daemon",
            "ovsdb-client",
            "ovsdb-server",
        ],
    ),
    ("ovsdb-models", &["ovsdb", "ovsdb-codegen"]),
    ("xtask", &["ovsdb-daemon", "ovsdb-tools", "ovsdb-bench"]),
];

/// Our crates that serve development only: others may use them in tests.
const DEVELOPMENT: &[&str] = &["ovsdb-testkit"];

/// An outside crate, who may use it outside tests, and what for.
struct Outside {
    name: &'static str,
    holders: &'static [&'static str],
    #[allow(dead_code, reason = "the reason is for the reader of the table")]
    reason: &'static str,
}

/// Anybody may use these: they bring no I/O, clock, thread or randomness with them.
const ANYBODY: &[&str] = &[
    "bytes",
    "ecow",
    "foldhash",
    "hashbrown",
    "itoa",
    "memchr",
    "smallvec",
    "thiserror",
];

/// Outside crates that bring I/O, threads, clocks, randomness or a way of working, each with its holders.
const OUTSIDE: &[Outside] = &[
    Outside {
        name: "tokio",
        holders: &[
            "ovsdb-net",
            "ovsdb-daemon",
            "ovsdb-client",
            "ovsdb-server",
            "ovsdb-tools",
            "ovsdb-bench",
            "ovsdb-fuzz",
        ],
        reason: "async I/O ends where the pure crates begin",
    },
    Outside {
        name: "socket2",
        holders: &["ovsdb-net", "ovsdb-testkit"],
        reason: "sockets are made in one place; tests reserve ports for theirs",
    },
    Outside {
        name: "rustix",
        holders: &[
            "ovsdb-log",
            "ovsdb-net",
            "ovsdb-daemon",
            "ovsdb-testkit",
            "ovsdb-bench",
            "ovsdb-server",
        ],
        reason: "system calls: file locks and syncs, socket options, process matters",
    },
    Outside {
        name: "mmap-rs",
        holders: &["ovsdb-server"],
        reason: "memory for the longest messages that goes back to the system at once; no files are mapped",
    },
    Outside {
        name: "nix",
        holders: &[
            "ovsdb-daemon",
            "ovsdb-tools",
            "ovsdb-testkit",
            "ovsdb-bench",
        ],
        reason: "fork, signals, users, resource limits, and the processor time of others",
    },
    Outside {
        name: "libc",
        holders: &["ovsdb-daemon"],
        reason: "constants that nix and rustix lack",
    },
    Outside {
        name: "signal-hook",
        holders: &["ovsdb-daemon"],
        reason: "signals arrive in one place",
    },
    Outside {
        name: "hyper",
        holders: &["ovsdb-daemon"],
        reason: "one crate serves pages of the daemon over HTTP, and none speaks HTTP itself",
    },
    Outside {
        name: "hyper-util",
        holders: &["ovsdb-daemon"],
        reason: "hyper over tokio's streams and clock",
    },
    Outside {
        name: "http-body-util",
        holders: &["ovsdb-daemon"],
        reason: "bodies of hyper's responses",
    },
    Outside {
        name: "sha1",
        holders: &["ovsdb-client", "ovsdb-log", "ovsdb-net"],
        reason: "the checksum of a record of the file, the fingerprint of a certificate that came to be trusted, the digest of a replica",
    },
    Outside {
        name: "rustls",
        holders: &["ovsdb-net"],
        reason: "TLS is a matter of the connection; nobody above it knows more than a peer's name",
    },
    Outside {
        name: "x509-parser",
        holders: &["ovsdb-net"],
        reason: "names in certificates, and certificates of version 1, of which rustls knows nothing",
    },
    Outside {
        name: "uuid",
        holders: &["ovsdb-client", "ovsdb-server", "ovsdb-tools"],
        reason: "randomness enters at the edge; the engine is given its UUIDs",
    },
    Outside {
        name: "arc-swap",
        holders: &["ovsdb-client", "ovsdb-server"],
        reason: "the published version of a database or replica is read without a lock",
    },
    Outside {
        name: "parking_lot",
        holders: &["ovsdb-daemon", "ovsdb-server", "ovsdb-tools"],
        reason: "locks that do not poison, where threads meet",
    },
    Outside {
        name: "tracing",
        holders: &[
            "ovsdb-log",
            "ovsdb-net",
            "ovsdb-daemon",
            "ovsdb-client",
            "ovsdb-server",
            "ovsdb-tools",
        ],
        reason: "log lines come from the crates that do I/O; pure crates return what happened",
    },
    Outside {
        name: "jiff",
        holders: &["ovsdb-daemon", "ovsdb-tools"],
        reason: "dates of records, and local time with its zone for log patterns that ask for it",
    },
    Outside {
        name: "tracing-subscriber",
        holders: &["ovsdb-daemon"],
        reason: "one crate writes logs",
    },
    Outside {
        name: "indicatif",
        holders: &["ovsdb-tools", "ovsdb-bench"],
        reason: "progress is for people at a terminal",
    },
    Outside {
        name: "ratatui",
        holders: &["ovsdb-tools"],
        reason: "a table on the whole screen; behind a feature",
    },
    Outside {
        name: "rusqlite",
        holders: &["ovsdb-sql"],
        reason: "SQLite: statements are compiled and planned by it; nothing is stored in it",
    },
    Outside {
        name: "mio",
        holders: &["ovsdb-bench"],
        reason: "hundreds of clients on one thread, each of which only counts what it is told",
    },
    Outside {
        name: "thread-priority",
        holders: &["ovsdb-bench"],
        reason: "attackers that only use what nobody else wants of the processors",
    },
    Outside {
        name: "mimalloc",
        holders: &["ovsdb-tools", "ovsdb-bench"],
        reason: "a program chooses its allocator, a library never",
    },
    Outside {
        name: "serde",
        holders: &["ovsdb-proto"],
        reason: "programs that use the types have their own formats; behind a feature",
    },
    Outside {
        name: "serde_json",
        holders: &["ovsdb-testkit", "ovsdb-fuzz"],
        reason: "the oracle of tests; the dialect of the protocol is ovsdb-proto's own",
    },
    Outside {
        name: "rand",
        holders: &["ovsdb-testkit", "ovsdb-fuzz"],
        reason: "seeded generators of tests",
    },
    Outside {
        name: "tempfile",
        holders: &["ovsdb-testkit", "ovsdb-fuzz"],
        reason: "folders of tests",
    },
    Outside {
        name: "bolero",
        holders: &["ovsdb-fuzz"],
        reason: "drives the fuzz targets, with coverage or without",
    },
    Outside {
        name: "syn",
        holders: &["ovsdb-derive"],
        reason: "reading the struct that a macro is put on",
    },
    Outside {
        name: "quote",
        holders: &["ovsdb-derive"],
        reason: "writing what the macro stands for",
    },
    Outside {
        name: "proc-macro2",
        holders: &["ovsdb-derive"],
        reason: "the same, also in tests",
    },
    Outside {
        name: "cargo_metadata",
        holders: &["xtask"],
        reason: "this check",
    },
];

/// What tests and examples may use besides what the crate itself holds.
const IN_TESTS: &[&str] = &[
    "http-body-util",
    "hyper",
    "hyper-util",
    "proptest",
    "prometheus-parse",
    "rand",
    "rcgen",
    "serde_json",
    "tempfile",
    "tokio",
    "nix",
    "rustix",
    "vt100",
];

/// Checks every dependency of every package of the workspace.
pub(super) fn check(metadata: &Metadata) -> Vec<Problem> {
    let packages = metadata.workspace_packages();
    let mut problems = Vec::new();
    for package in &packages {
        for dependency in &package.dependencies {
            let ours = packages
                .iter()
                .any(|other| other.name.as_str() == dependency.name);
            problems.extend(edge(package, &dependency.name, dependency.kind, ours));
        }
    }
    for (name, _) in OURS {
        if !packages
            .iter()
            .any(|package| package.name.as_str() == *name)
        {
            problems.push(Problem::new(
                *name,
                "is in xtask's table of crates and not in the workspace",
            ));
        }
    }
    for Outside { name, .. } in OUTSIDE {
        let used = packages
            .iter()
            .flat_map(|package| &package.dependencies)
            .any(|edge| edge.name == *name);
        if !used {
            problems.push(Problem::new(
                *name,
                "is in xtask's table of outside crates and nobody uses it",
            ));
        }
    }
    problems
}

fn edge(package: &Package, to: &str, kind: DependencyKind, ours: bool) -> Option<Problem> {
    allowed(
        package.name.as_str(),
        to,
        kind == DependencyKind::Development,
        ours,
    )
    .err()
    .map(|reason| Problem::new(format!("{} -> {to}", package.name), reason))
}

fn allowed(from: &str, to: &str, in_tests: bool, ours: bool) -> Result<(), &'static str> {
    let Some((_, may_know)) = OURS.iter().find(|(name, _)| *name == from) else {
        return Err("this crate is not in xtask's table: say there what it may know");
    };
    if ours {
        // Tests of a program's crate may drive any other of ours; below that, the arrows hold for tests too.
        let ok = may_know.contains(&to) || (in_tests && DEVELOPMENT.contains(&to));
        return if ok {
            Ok(())
        } else {
            Err("this arrow is not in the design")
        };
    }
    if ANYBODY.contains(&to) || (in_tests && IN_TESTS.contains(&to)) {
        return Ok(());
    }
    match OUTSIDE.iter().find(|outside| outside.name == to) {
        Some(outside) if outside.holders.contains(&from) => Ok(()),
        Some(_) => Err("this outside crate is held elsewhere: see xtask's table"),
        None => {
            Err("this outside crate is not in xtask's table: say there who may hold it, and why")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_of_the_design_are_allowed_and_others_are_not() {
        // (from, to, in tests, one of ours, allowed)
        let cases = [
            ("ovsdb-engine", "ovsdb-proto", false, true, true),
            ("ovsdb-client", "ovsdb-pmap", false, true, true),
            ("ovsdb-pmap", "ovsdb-engine", false, true, false),
            ("ovsdb-proto", "ovsdb-engine", false, true, false),
            ("ovsdb-proto", "ovsdb-engine", true, true, false),
            ("ovsdb-engine", "ovsdb-testkit", true, true, true),
            ("ovsdb-engine", "ovsdb-testkit", false, true, false),
            ("ovsdb-engine", "tokio", false, false, false),
            ("ovsdb-net", "tokio", false, false, true),
            ("ovsdb-engine", "smallvec", false, false, true),
            ("ovsdb-engine", "proptest", true, false, true),
            ("ovsdb-engine", "proptest", false, false, false),
            ("ovsdb-engine", "unheard-of", false, false, false),
            ("unheard-of", "smallvec", false, false, false),
        ];
        for (from, to, in_tests, ours, expected) in cases {
            assert_eq!(
                allowed(from, to, in_tests, ours).is_ok(),
                expected,
                "{from} -> {to}"
            );
        }
    }

    #[test]
    fn the_table_has_no_cycle() {
        // A crate's row may name only rows above it, which is an order, so no cycle.
        for (index, (name, may_know)) in OURS.iter().enumerate() {
            for other in *may_know {
                let above = OURS[..index].iter().any(|(earlier, _)| earlier == other);
                assert!(above, "{name} may know {other}, which stands below it");
            }
        }
    }
}
