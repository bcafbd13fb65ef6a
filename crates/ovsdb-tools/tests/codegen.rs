//! `ovsdb-codegen`: what it writes, and what it says about what it cannot write.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn run(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ovsdb-codegen"))
        .current_dir(path("../../examples"))
        .args(words)
        .output()
        .expect("the command starts")
}

fn text(words: &[&str]) -> String {
    let output = run(words);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && errors.is_empty(),
        "{words:?}: {errors}"
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What is written is a text for people as well: a change of it is to be looked at.
#[test]
fn the_example_is_written_as_it_was() {
    let expect =
        std::fs::read_to_string(path("../ovsdb-codegen/testdata/inventory.txt")).expect("the text");
    let written = text(&["inventory.ovsschema"]);
    assert!(
        written == expect,
        "if it is better now: ovsdb-codegen --out crates/ovsdb-codegen/testdata/inventory.txt \
         examples/inventory.ovsschema\n{written}"
    );
}

/// The text for people is laid out as they would lay it out.
#[test]
fn rustfmt_finds_nothing_to_change() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for schema in [
        "inventory.ovsschema",
        "../crates/ovsdb-models/schemas/awkward.ovsschema",
    ] {
        let file = folder.path().join("x.rs").display().to_string();
        assert_eq!(text(&["--out", &file, schema]), "");
        let rustfmt = Command::new("rustfmt")
            .args(["--edition=2024", "--check", &file])
            .output();
        let output = rustfmt.expect("rustfmt starts");
        let differences = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{schema}: {differences}");
    }
}

#[test]
fn the_same_goes_to_a_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("x.rs");
    let option = format!("--out={}", file.display());
    assert_eq!(text(&[&option, "inventory.ovsschema"]), "");
    let written = std::fs::read_to_string(&file).expect("the file");
    assert_eq!(written, text(&["inventory.ovsschema"]));
}

#[test]
fn chosen_tables_and_columns_have_types_and_others_do_not() {
    let site = text(&["--table", "Site:hosts,name", "inventory.ovsschema"]);
    assert!(!site.contains("pub struct Host"), "{site}");
    assert!(!site.contains("labels"), "{site}");
    assert!(site.contains("pub hosts: BTreeSet<Uuid>,"), "{site}");
    let both = ["--table=Site:name", "--table=Host", "inventory.ovsschema"];
    let both = text(&both);
    assert!(both.contains("pub struct Host") && both.contains("pub cores: i64,"));
}

#[test]
fn what_cannot_be_written_is_said() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the folder is writable");
        path.display().to_string()
    };
    let (broken, wrong) = (file("broken", "{"), file("wrong", r#"{"name":"x"}"#));
    let no_type = r#"{"name":"x","tables":{"T":{"columns":{"c":{"type":"text"}}}}}"#;
    let no_type = file("no_type", no_type);
    let cases: [(&[&str], i32, &str); 9] = [
        (&[], 1, "there is no schema; use --help for help"),
        (&["a", "b"], 1, "there is more than one schema"),
        (&["--nonsense", "a"], 1, "unrecognized option '--nonsense'"),
        (&["--out"], 1, "option '--out' requires an argument"),
        (&["nowhere"], 1, "nowhere: No such file or directory"),
        (&[&broken], 1, "broken: "),
        (&[&wrong], 1, "wrong: "),
        (&[&no_type], 1, "no_type: "),
        (
            &["--table=X", "inventory.ovsschema"],
            1,
            "the schema has no table X",
        ),
    ];
    for (words, code, expect) in cases {
        let output = run(words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {errors}");
        // What is wrong with options is said as the C library says it, after the program's name as it was given.
        assert!(errors.contains("ovsdb-codegen: "), "{errors}");
        assert!(errors.contains(expect), "{words:?}: {errors}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
    let output = run(&["--table=Host:x", "inventory.ovsschema"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors, "ovsdb-codegen: table Host has no column x\n");
}

#[test]
fn help_shows_an_example_that_works() {
    let help = text(&["--help"]);
    assert!(help.contains("usage: ovsdb-codegen"), "{help}");
    let (_, example) = help.split_once("\nExample: ").expect("there is one");
    let (_, line) = example.split_once('\n').expect("its command comes next");
    let line = line.replace("\\\n", " ");
    let words = line.split_whitespace().skip(1);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("x.rs").display().to_string();
    let schema = folder.path().join("s").display().to_string();
    let columns = r#"{"name":{"type":"string"},"interfaces":{"type":"string"}}"#;
    let text_of = |table: &str| format!(r#""{table}":{{"columns":{columns}}}"#);
    let tables = [text_of("Bridge"), text_of("Port")].join(",");
    let written = format!(r#"{{"name":"x","tables":{{{tables}}}}}"#);
    std::fs::write(&schema, written).expect("the folder is writable");
    let words: Vec<String> = words
        .map(|word| match word {
            word if word.starts_with("--out=") => format!("--out={out}"),
            word if word.ends_with(".ovsschema") => schema.clone(),
            word => word.to_owned(),
        })
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(text(&words), "");
    let types = std::fs::read_to_string(&out).expect("it was written");
    assert!(types.contains("pub struct Bridge") && types.contains("pub struct Port"));
}

#[test]
fn the_version_is_printed() {
    let version = concat!("ovsdb-codegen ", env!("CARGO_PKG_VERSION"));
    assert!(text(&["-V"]).contains(&version["ovsdb-codegen ".len()..]));
}
