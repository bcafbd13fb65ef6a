//! The tools measured beside the reference's, whose output must be the same, with either side's server.

use std::path::Path;
use std::process::Command;

use ovsdb_proto::json::{self, Json};
use ovsdb_testkit::programs::Side;

/// The commands that only our programs know.
const OURS_ALONE: [&str; 3] = ["sql", "log", "blame"];

/// The folders of a side's programs.
fn folders(side: Side) -> String {
    let folders = ["ovsdb-client", "ovsdb-tool", "ovsdb-server"].map(|name| {
        let program = side.program(name);
        let folder = program.parent().map(Path::to_owned);
        folder.expect("a program is in a folder")
    });
    let joined = std::env::join_paths(folders).expect("no colons are in their names");
    joined.into_string().expect("the path is UTF-8")
}

fn list<'a>(json: &'a Json, name: &str) -> &'a [Json] {
    json.get(name).and_then(Json::as_array).unwrap_or_default()
}

fn text<'a>(json: &'a Json, name: &str) -> &'a str {
    json.get(name).and_then(Json::as_str).unwrap_or_default()
}

#[test]
fn our_tools_and_the_reference_s_make_the_same_of_either_server_and_file() {
    for sides in [[Side::Ours, Side::Reference], [Side::Reference, Side::Ours]] {
        let output = Command::new(env!("CARGO_BIN_EXE_ovsdb-bench"))
            .args(["--tools", "--quick", "--scale=1", "--json"])
            .arg(concat!(
                "--southbound=",
                env!("CARGO_MANIFEST_DIR"),
                "/tests/bench/southbound.ovsschema"
            ))
            .arg(folders(sides[0]))
            .arg(format!("--vs={}", folders(sides[1])))
            .output()
            .expect("the program was built for this test");
        let printed = json::parse(output.stdout.trim_ascii_end());
        let printed = printed.unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let tasks = list(&printed, "workloads");
        assert_eq!(tasks.len(), ovsdb_bench::tasks().count());
        for task in tasks {
            let name = text(task, "name");
            for (side, outcome) in sides.iter().zip(list(task, "servers")) {
                let expected = match side {
                    Side::Reference if OURS_ALONE.contains(&name) => "not run",
                    _ => "measured",
                };
                assert_eq!(text(outcome, "outcome"), expected, "{name}: {outcome}");
            }
        }
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}
