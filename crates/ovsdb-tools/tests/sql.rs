//! `ovsdb-client sql`: servers and files, formats, what is asked of the server, and answers that follow changes.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{Side, ours};
use ovsdb_testkit::sandbox::{Output, Sandbox};

const SCHEMA: &str = r#"{"name":"Shop","version":"1.0.0","tables":{
    "Shelf":{"isRoot":true,"columns":{
        "name":{"type":"string"},
        "height":{"type":{"key":"real","min":0,"max":1}},
        "free":{"type":"boolean"},
        "items":{"type":{"key":{"type":"uuid","refTable":"Item"},"min":0,"max":"unlimited"}}}},
    "Item":{"columns":{
        "name":{"type":"string"},
        "labels":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}}}}"#;

const ROWS: &str = r#"["Shop",
    {"op":"insert","table":"Item","uuid-name":"cup","row":{"name":"cup","labels":["map",[["of","clay"]]]}},
    {"op":"insert","table":"Item","uuid-name":"pot","row":{"name":"pot lid"}},
    {"op":"insert","table":"Shelf","row":{"name":"upper","height":2.5,"free":true,"items":["set",[["named-uuid","cup"],["named-uuid","pot"]]]}},
    {"op":"insert","table":"Shelf","row":{"name":"lower"}}]"#;

const JOIN: &str = "SELECT s.name AS shelf, s.height, s.free, i.name AS item, i.labels, i.labels->>'of' AS made_of \
                    FROM Shelf s LEFT JOIN Shelf__items e ON e._uuid = s._uuid LEFT JOIN Item i ON i._uuid = e.value \
                    ORDER BY 1, 4";

struct Bench {
    sandbox: Sandbox,
    server: Server,
}

impl Bench {
    fn new() -> Bench {
        let sandbox = Sandbox::new();
        std::fs::write(sandbox.path("schema"), SCHEMA).expect("the sandbox is writable");
        let server = Server::start(
            &sandbox,
            Side::Ours,
            &[("shop.db", &sandbox.path("schema"))],
        );
        let bench = Bench { sandbox, server };
        bench.transact(ROWS);
        bench
    }

    fn transact(&self, operations: &str) {
        let remote = self.server.remote();
        let reply = self
            .sandbox
            .run_ok(ours("ovsdb-client"), &["transact", &remote, operations]);
        assert!(!reply.contains("\"error\""), "{reply}");
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.sandbox.run(ours("ovsdb-client"), arguments)
    }
}

#[test]
fn servers_and_files_give_the_same_answer_in_every_format() {
    let bench = Bench::new();
    let remote = bench.server.remote();
    let before = std::fs::read(bench.sandbox.path("shop.db")).expect("it is there");
    let cases: [(&[&str], &str); 6] = [
        (
            &[],
            "shelf height free  item      labels    made_of\n\
             ----- ------ ----- --------- --------- -------\n\
             lower []     false\n\
             upper 2.5    true  cup       {of=clay} clay\n\
             upper 2.5    true  \"pot lid\" {}\n",
        ),
        (
            &["-f", "csv"],
            "shelf,height,free,item,labels,made_of\nlower,[],false,,,\nupper,2.5,true,cup,{of=clay},clay\n\
             upper,2.5,true,\"\"\"pot lid\"\"\",{},\n",
        ),
        (
            &["-f", "json"],
            "{\"data\":[[\"lower\",[\"set\",[]],false,null,null,null],[\"upper\",2.5,true,\"cup\",[\"map\",[[\"of\",\"clay\"]]],\
             \"clay\"],[\"upper\",2.5,true,\"pot lid\",[\"map\",[]],null]],\
             \"headings\":[\"shelf\",\"height\",\"free\",\"item\",\"labels\",\"made_of\"]}\n",
        ),
        (
            &["--bare"],
            "lower\n\nfalse\n\n\n\n\nupper\n2.5\ntrue\ncup\nof=clay\nclay\n\nupper\n2.5\ntrue\npot lid\n\n\n",
        ),
        (&["-f", "list", "--no-headings", "-d", "json"], ""),
        (&["-f", "html", "--no-headings"], ""),
    ];
    for (options, expected) in cases {
        let of_server = bench.run(&[options, &["sql", &remote, JOIN]].concat());
        assert!(of_server.ok(), "{of_server}");
        assert_eq!(of_server.stderr, "");
        if !expected.is_empty() {
            assert_eq!(of_server.stdout, expected, "{options:?}");
        }
        // By its name, its path and with the name of its database, while the server has it open.
        let path = bench.sandbox.path("shop.db").display().to_string();
        let words: [&[&str]; 3] = [&["shop.db"], &[&path], &["./shop.db", "Shop"]];
        for words in words {
            let of_file = bench.run(&[options, &["sql"], words, &[JOIN]].concat());
            assert_eq!(of_file.stdout, of_server.stdout, "{words:?}: {of_file}");
        }
        let named = bench.run(&[options, &["sql", &remote, "Shop", JOIN]].concat());
        assert_eq!(named.stdout, of_server.stdout, "{named}");
    }
    let after = std::fs::read(bench.sandbox.path("shop.db")).expect("it is there");
    assert_eq!(before, after);
}

#[test]
fn a_torn_record_at_the_end_of_a_file_counts_for_nothing() {
    let bench = Bench::new();
    let path = bench.sandbox.path("shop.db");
    let mut bytes = std::fs::read(&path).expect("it is there");
    bench.server.stop();
    bytes
        .extend_from_slice(b"OVSDB JSON 100 0123456789abcdef0123456789abcdef01234567\n{\"Shelf\":");
    std::fs::write(&path, &bytes).expect("it is ours");
    let count = [
        "--no-headings",
        "sql",
        "shop.db",
        "SELECT count(*) FROM Shelf",
    ];
    let output = bench.sandbox.run(ours("ovsdb-client"), &count);
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (Some(0), "2\n"),
        "{output}"
    );
    // What is not torn but wrong is not passed over.
    let last = bytes.len() - b"{\"Shelf\":".len() - 70;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).expect("it is ours");
    let output = bench.sandbox.run(ours("ovsdb-client"), &count);
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (Some(1), ""),
        "{output}"
    );
}

#[test]
fn only_what_the_statement_reads_is_asked_for() {
    let bench = Bench::new();
    let remote = bench.server.remote();
    let output = bench.run(&[
        "-vjsonrpc:console:dbg",
        "sql",
        &remote,
        "SELECT count(*), max(s.name) FROM Shelf s JOIN Item",
    ]);
    assert!(output.ok(), "{output}");
    let requests = output.stderr.lines();
    let requests = requests.filter(|line| line.contains("send request, method=\"monitor"));
    let requests: Vec<&str> = requests.filter(|line| !line.contains("_Server")).collect();
    let [request] = requests.as_slice() else {
        panic!("one monitor has the rows of one moment: {output}");
    };
    assert!(request.contains("\"columns\":[\"name\"]"), "{request}");
    assert!(request.contains("\"columns\":[]"), "{request}");
    for other in ["height", "free", "items", "labels"] {
        assert!(!request.contains(other), "{request}");
    }
}

#[test]
fn a_watched_answer_is_given_again_when_it_has_become_another() {
    let bench = Bench::new();
    let statement = "SELECT count(*) AS free FROM Shelf WHERE free";
    let remote = bench.server.remote();
    let mut command = bench.sandbox.command(ours("ovsdb-client"));
    command.args(["--watch", "sql", &remote, statement]);
    let mut client = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(client.stdout.take().expect("it is piped")).lines();
    let mut next = || lines.next().expect("it goes on").expect("it is text");
    assert_eq!([next(), next(), next()], ["free", "----", "1"]);
    // Neither another table nor another column nor a row that does not count makes another answer.
    bench.transact(r#"["Shop",{"op":"update","table":"Item","where":[],"row":{"name":"x"}}]"#);
    bench.transact(r#"["Shop",{"op":"update","table":"Shelf","where":[],"row":{"height":1.5}}]"#);
    bench.transact(r#"["Shop",{"op":"insert","table":"Shelf","row":{"name":"new"}}]"#);
    bench.transact(r#"["Shop",{"op":"update","table":"Shelf","where":[],"row":{"free":true}}]"#);
    assert_eq!([next(), next(), next(), next()], ["", "free", "----", "3"]);
    bench.server.stop();
    client.kill().expect("it runs");
    client.wait().expect("it is our child");
}

#[test]
fn errors_name_what_is_wrong() {
    let bench = Bench::new();
    let remote = bench.server.remote();
    let cases: &[(&[&str], &str)] = &[
        (
            &["sql", &remote, "SELECT width FROM Shelf"],
            "SQL: line 1, character 8: no such column: width",
        ),
        (
            &["sql", "shop.db", "SELECT 1 FROM Shelv"],
            "SQL: line 1, character 15: no such table: Shelv (is \"Shelf\" meant?)",
        ),
        (
            &["sql", "shop.db", "DROP TABLE Shelf"],
            "SQL: only questions are answered, and this is none: it changes something",
        ),
        (
            &["sql", "shop.db", "Shop2", "SELECT 1"],
            "shop.db: the database is \"Shop\", not \"Shop2\"",
        ),
        (
            &["--watch", "sql", "shop.db", "SELECT 1"],
            "shop.db: changes are told by servers; a file cannot be watched",
        ),
        (
            &["sql", "./none.db", "SELECT 1"],
            "I/O error: ./none.db: open failed (No such file or directory)",
        ),
        (&["sql"], "invalid syntax for 'sql' (use --help for help)"),
        (
            &["sql", &remote, "Shop", "SELECT 1", "SELECT 2"],
            "invalid syntax for 'sql' (use --help for help)",
        ),
    ];
    for (arguments, expected) in cases {
        let output = bench.run(arguments);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(1), ""),
            "{output}"
        );
        let last = output.stderr.lines().last().unwrap_or_default();
        assert!(last.ends_with(expected), "{arguments:?}: {output}");
    }
}
