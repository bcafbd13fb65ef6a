//! Files go both ways: what either implementation writes, both read, with equal contents, damaged or not.
//!
//! Generated transactions leave a file of each. Every file is then read by the programs of both.

use std::fs;
use std::path::{Path, PathBuf};

use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::differential::digits;
use ovsdb_testkit::differential::model::Model;
use ovsdb_testkit::differential::pair::version;
use ovsdb_testkit::differential::run::{FILE, Settings, files};
use ovsdb_testkit::differential::values::FEW;
use ovsdb_testkit::programs::{Side, reference_schema};
use ovsdb_testkit::raw::Raw;
use ovsdb_testkit::sandbox::Sandbox;

/// Operations that fill the files.
const OPERATIONS: usize = 1_500;

/// Schemas, each with arguments for the reference's server.
fn schemas() -> Vec<(PathBuf, Vec<&'static str>)> {
    // Up to release 3.1 it writes differences of small sets and maps that it cannot read again.
    let whole = match version(Side::Reference) < (3, 2) {
        true => vec!["--disable-file-column-diff"],
        false => Vec::new(),
    };
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let own = ["types", "references", "limits"]
        .map(|name| (own.join(format!("{name}.ovsschema")), whole.clone()));
    let installed = ["vswitch", "ovn-nb"].map(|name| (reference_schema(name), Vec::new()));
    own.into_iter().chain(installed).collect()
}

/// Has both implementations write a file, and gives each to `check` with its schema and its writer.
fn for_each_file(check: impl Fn(&Path, &Path, Side)) {
    for (schema, left_arguments) in schemas() {
        let settings = Settings {
            schema: schema.clone(),
            operations: OPERATIONS,
            seed: 11,
            sides: Side::BOTH,
            bulk: FEW,
            left_arguments,
        };
        let written = files(&settings).unwrap_or_else(|failure| panic!("{failure}"));
        for (writer, sandbox) in Side::BOTH.into_iter().zip(&written) {
            check(&schema, &sandbox.path(FILE), writer);
        }
    }
}

/// A sandbox with a copy of a file.
fn copy(file: &Path) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::copy(file, sandbox.path(FILE)).expect("the file can be copied");
    sandbox
}

/// All that is kept of all rows, one line a row, as a server of `side` reads the file in the sandbox.
fn contents(sandbox: &Sandbox, schema: &Path, side: Side) -> Vec<String> {
    let server = serve(sandbox, schema, side);
    let lines = served_contents(&server, schema);
    server.stop();
    lines
}

fn serve(sandbox: &Sandbox, schema: &Path, side: Side) -> Server {
    Server::start(sandbox, side, &[(FILE, schema)])
}

fn served_contents(server: &Server, schema: &Path) -> Vec<String> {
    let model = Model::parse(&fs::read_to_string(schema).expect("the schema was there before"));
    let mut parameters = vec![Raw::string(&model.name)];
    for table in &model.tables {
        let kept = table.columns.iter().filter(|column| column.persistent);
        let mut columns = vec![Raw::string("_uuid")];
        columns.extend(kept.map(|column| Raw::string(&column.name)));
        parameters.push(Raw::object([
            ("op", Raw::string("select")),
            ("table", Raw::string(&table.name)),
            ("where", Raw::Array(Vec::new())),
            ("columns", Raw::Array(columns)),
        ]));
    }
    let request = Raw::object([
        ("id", Raw::integer(0)),
        ("method", Raw::string("transact")),
        ("params", Raw::Array(parameters)),
    ]);
    let reply = RawClient::connect(server.socket()).call(&request.to_string());
    let reply = Raw::parse(&reply).expect("a reply is JSON");
    let results = reply.get("result").and_then(Raw::elements).unwrap_or(&[]);
    let mut lines = Vec::new();
    for (table, result) in model.tables.iter().zip(results) {
        let rows = result.get("rows").and_then(Raw::elements);
        for row in rows.expect("a select has rows") {
            // By table and UUID, then the columns as they come: in one order for all rows of a server.
            let value = |name: &str| row.get(name).map(Raw::to_string).unwrap_or_default();
            let columns = table.columns.iter().filter(|column| column.persistent);
            let columns = columns.map(|column| format!(" {}={}", column.name, value(&column.name)));
            let columns: String = columns.collect();
            lines.push(format!("{} {}{columns}", table.name, value("_uuid")));
        }
    }
    lines.sort();
    lines
}

/// The paragraphs of a text, each with its lines sorted: tables, rows and columns of a record have no order.
fn without_order(text: &str) -> Vec<String> {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let mut lines: Vec<&str> = paragraph.lines().collect();
        lines.sort_unstable();
        lines.join("\n")
    });
    paragraphs.collect()
}

/// Fails unless both hold the same. Of real numbers, the reference shows 15 digits.
fn assert_same(reference: &[String], ours: &[String], what: &str) {
    let different = reference
        .iter()
        .zip(ours)
        .find(|(reference, ours)| reference != ours && !digits::equal(reference, ours));
    assert!(
        reference.len() == ours.len() && different.is_none(),
        "{what}: {} and {} rows, {different:#?}",
        reference.len(),
        ours.len()
    );
}

#[test]
fn both_servers_read_both_files_alike() {
    for_each_file(|schema, file, writer| {
        let [reference, ours] = Side::BOTH.map(|side| contents(&copy(file), schema, side));
        assert!(reference.len() > 3, "a test of next to nothing");
        let what = format!("{}, written by {writer:?}", schema.display());
        assert_same(&reference, &ours, &what);
    });
}

#[test]
fn both_tools_show_both_files_alike() {
    for_each_file(|schema, file, writer| {
        for arguments in [
            &["show-log"][..],
            &["show-log", "-m"],
            &["db-name"],
            &["db-cksum"],
            &["db-version"],
        ] {
            let [reference, ours] = Side::BOTH.map(|side| {
                let sandbox = copy(file);
                let mut arguments = arguments.to_vec();
                arguments.push(FILE);
                sandbox.run_ok(side.program("ovsdb-tool"), &arguments)
            });
            let [reference, ours] = [reference, ours].map(|text| without_order(&text));
            let what = format!(
                "{arguments:?} of {}, written by {writer:?}",
                schema.display()
            );
            assert_same(&reference, &ours, &what);
        }
    });
}

#[test]
fn what_one_has_compacted_the_other_reads() {
    for_each_file(|schema, file, writer| {
        let before = contents(&copy(file), schema, Side::Reference);
        for compacter in Side::BOTH {
            let sandbox = copy(file);
            sandbox.run_ok(compacter.program("ovsdb-tool"), &["compact", FILE]);
            assert!(
                sandbox.text(FILE).lines().count() == 4,
                "two records of two lines each"
            );
            for reader in Side::BOTH {
                let after = contents(&copy(&sandbox.path(FILE)), schema, reader);
                let what = format!(
                    "{}, written by {writer:?}, compacted by {compacter:?}, read by {reader:?}",
                    schema.display()
                );
                assert_same(&before, &after, &what);
            }
        }
    });
}

#[test]
fn what_one_has_continued_the_other_reads() {
    for_each_file(|schema, file, writer| {
        let model = Model::parse(&fs::read_to_string(schema).expect("the schema was there before"));
        for continuer in Side::BOTH {
            let sandbox = copy(file);
            let server = serve(&sandbox, schema, continuer);
            let table = &model.tables[0].name;
            let name = &model.name;
            let mut client = RawClient::connect(server.socket());
            let deletion = client.call(&format!(
                r#"{{"id":0,"method":"transact","params":["{name}",{{"op":"comment","comment":"é"}},{{"op":"delete","table":"{table}","where":[]}}]}}"#
            ));
            assert!(deletion.contains("count"), "{deletion}");
            // Compaction by the server, and a record after it.
            sandbox.run_ok(
                Side::Reference.program("ovs-appctl"),
                &[
                    "-t".as_ref(),
                    server.control().as_os_str(),
                    "ovsdb-server/compact".as_ref(),
                ],
            );
            let comment = client.call(&format!(
                r#"{{"id":0,"method":"transact","params":["{name}",{{"op":"comment","comment":"after"}},{{"op":"update","table":"{table}","where":[],"row":{{}}}}]}}"#
            ));
            assert!(comment.contains("count"), "{comment}");
            let live = served_contents(&server, schema);
            server.stop();
            for reader in Side::BOTH {
                let read = contents(&copy(&sandbox.path(FILE)), schema, reader);
                let what = format!(
                    "{}, written by {writer:?}, continued by {continuer:?}, read by {reader:?}",
                    schema.display()
                );
                let (reference, ours) = match continuer {
                    Side::Reference => (&live, &read),
                    Side::Ours => (&read, &live),
                };
                assert_same(reference, ours, &what);
            }
        }
    });
}

/// The ways in which the end of a file may be damaged, given the length of its last record.
fn damages(file: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mark = b"OVSDB JSON ";
    let last = file
        .windows(mark.len())
        .rposition(|window| window == mark)
        .expect("a file has records");
    let mut flipped = file.to_vec();
    let middle = last + (file.len() - last) * 3 / 4;
    flipped[middle] ^= 1;
    let cut = |at: usize| file[..at].to_vec();
    let with = |tail: &[u8]| [file, tail].concat();
    vec![
        ("the last line feed is missing", cut(file.len() - 1)),
        (
            "half of the last record is missing",
            cut(last + (file.len() - last) / 2),
        ),
        ("only part of the last header is there", cut(last + 15)),
        ("a bit of the last record is another", flipped),
        ("something else follows", with(b"garbage\n")),
        (
            "a header without a record follows",
            with(b"OVSDB JSON 100 0123456789012345678901234567890123456789\n"),
        ),
        ("zeros follow", with(&[0; 4096])),
    ]
}

#[test]
fn both_cut_a_damaged_tail_off_at_the_same_record() {
    for_each_file(|schema, file, writer| {
        let whole = fs::read(file).expect("the file was written before");
        for (damage, bytes) in damages(&whole) {
            let outcomes = Side::BOTH.map(|side| {
                let sandbox = Sandbox::new();
                fs::write(sandbox.path(FILE), &bytes).expect("the folder is there");
                let read = contents(&sandbox, schema, side);
                // The file is sound again for whoever comes next, once something has been written.
                let server = serve(&sandbox, schema, side);
                let name = Model::parse(&fs::read_to_string(schema).expect("it was there before")).name;
                let table = &Model::parse(&fs::read_to_string(schema).expect("it was there before")).tables[0].name;
                RawClient::connect(server.socket()).call(&format!(
                    r#"{{"id":0,"method":"transact","params":["{name}",{{"op":"delete","table":"{table}","where":[]}},{{"op":"commit","durable":true}}]}}"#
                ));
                server.stop();
                (read, sandbox)
            });
            let [(reference, one), (ours, other)] = &outcomes;
            let what = format!("{}, written by {writer:?}: {damage}", schema.display());
            assert_same(reference, ours, &what);
            // Each reads what the other has mended.
            let crossed = contents(one, schema, Side::Ours);
            let back = contents(other, schema, Side::Reference);
            assert_same(&back, &crossed, &format!("{what}, mended by the other"));
        }
    });
}
