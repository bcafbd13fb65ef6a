//! What `docs/history.md` shows: each command there prints what stands there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ovsdb_testkit::programs::ours;
use ovsdb_testkit::sandbox::Sandbox;

/// The blocks of shell of the page, each with what it prints, if the page says so.
fn examples(page: &str) -> Vec<(&str, Option<&str>)> {
    let blocks = page.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| {
        let (example, rest) = block.split_once("```\n").expect("the block has an end");
        let printed = rest.strip_prefix("\n```text\n");
        let printed = printed.map(|text| text.split_once("```").expect("so has this one").0);
        (example, printed)
    });
    blocks.collect()
}

/// A line with all UUIDs and dates the same, and no blanks at its end.
fn without_chance(line: &str) -> String {
    let words = line.trim_end().split(' ').map(|word| {
        let is_made_of = |others: &str| {
            word.bytes()
                .all(|byte| byte.is_ascii_hexdigit() || others.as_bytes().contains(&byte))
        };
        match word.len() {
            36 if is_made_of("-") => "UUID",
            10 if is_made_of("-") && word.starts_with("20") => "DATE",
            12 if is_made_of(":.") => "TIME",
            _ => word,
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_example_prints_what_the_page_says() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(project.join("docs/history.md")).expect("the page is there");
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("examples")).expect("the folder is ours");
    let schema = Path::new("examples/inventory.ovsschema");
    std::fs::copy(project.join(schema), sandbox.path(schema)).expect("the schema is there");
    let tool = ours("ovsdb-tool");
    let mut path = OsString::from(tool.parent().expect("it is in a folder"));
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());

    let mut compared = 0;
    for (example, printed) in examples(&page) {
        // What speaks of the reader's own files is not for here.
        if example.contains(" /etc/") {
            continue;
        }
        let script: PathBuf = sandbox.path("example.sh");
        std::fs::write(&script, example).expect("the folder is ours");
        let mut command = sandbox.command("/bin/sh");
        let command = command.arg(&script).env("PATH", &path);
        let output = command.output().expect("there is a shell");
        let [stdout, stderr] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        assert!(!stdout.contains("\"error\""), "{example}: {stdout}");
        // `diff` ends with 1 where there is a difference.
        assert!(
            matches!(output.status.code(), Some(0 | 1)),
            "{example}: {stderr}"
        );
        let Some(printed) = printed else {
            assert!(output.status.success(), "{example}: {stderr}");
            continue;
        };
        let told = format!("{stdout}{stderr}");
        let [told, expected] = [told.as_str(), printed].map(|text| {
            text.trim_end()
                .lines()
                .map(without_chance)
                .collect::<Vec<_>>()
        });
        assert_eq!(told, expected, "{example}");
        compared += 1;
    }
    assert!(compared >= 4, "the page shows every command");
}
