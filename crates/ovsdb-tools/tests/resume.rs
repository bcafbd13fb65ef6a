//! Clients that were away resume at the version they know, whatever the server went through meanwhile: they get what
//! they missed, or, where nobody can tell what that was, everything.

mod support {
    pub mod replica;
}

use std::fs;

use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{Side, ours};
use ovsdb_testkit::sandbox::Sandbox;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use support::replica::{
    ALL, FILE, KEPT, Replica, Resumed, SCHEMA, change, cut, delete, insert, length, new_sandbox,
    parse, serve, touch, transact,
};

fn start(sandbox: &Sandbox) -> Server {
    serve(sandbox, Side::Ours)
}

fn found(rows: usize) -> Resumed {
    Resumed { found: true, rows }
}

fn not_found(rows: usize) -> Resumed {
    Resumed { found: false, rows }
}

fn compact(sandbox: &Sandbox, server: &Server) {
    let control = server.control().display().to_string();
    let arguments = ["-t", &control, "ovsdb-server/compact"];
    sandbox.run_ok(ours("ovs-appctl"), &arguments);
}

fn tool(sandbox: &Sandbox, arguments: &[&str]) {
    sandbox.run_ok(ours("ovsdb-tool"), arguments);
}

/// Stops a server and starts another on its file.
fn restart(sandbox: &Sandbox, server: Server) -> Server {
    server.stop();
    start(sandbox)
}

/// A client that has seen four rows and loses its connection. Rows change before and after something happens to the
/// server. Then it resumes.
#[track_caller]
fn check(
    what: &str,
    columns: &'static [&'static str],
    expected: Resumed,
    happens: impl FnOnce(&Sandbox, Server) -> Server,
) {
    let sandbox = new_sandbox();
    let server = start(&sandbox);
    transact(&server, &["a", "b", "c"].map(insert).join(","));
    let mut replica = Replica::new(columns);
    assert_eq!(replica.resume(&server), not_found(3), "{what}");
    transact(&server, &insert("d"));
    replica.update();
    replica.check(&server);
    replica.disconnect();

    transact(&server, &change("a", 2));
    transact(&server, &touch("b", "x"));
    let server = happens(&sandbox, server);
    transact(&server, &change("a", 3));
    transact(&server, &format!("{},{}", delete("c"), insert("e")));
    assert_eq!(replica.resume(&server), expected, "{what}");
    replica.check(&server);

    // And it goes on.
    transact(&server, &change("a", 4));
    replica.update();
    replica.check(&server);
}

#[test]
fn a_client_gets_what_it_missed() {
    check("nothing", KEPT, found(3), |_, server| server);
    check("restart", KEPT, found(3), restart);
    check("kill", KEPT, found(3), |sandbox, server| {
        server.kill();
        start(sandbox)
    });
    check("two restarts", KEPT, found(3), |sandbox, server| {
        let server = restart(sandbox, server);
        transact(&server, &touch("b", "y"));
        restart(sandbox, server)
    });
    check("compaction", KEPT, found(3), |sandbox, server| {
        compact(sandbox, &server);
        server
    });
}

#[test]
fn a_client_that_also_wants_what_files_do_not_keep_resumes_within_one_process() {
    check("nothing", ALL, found(4), |_, server| server);
    check("compaction", ALL, found(4), |sandbox, server| {
        compact(sandbox, &server);
        server
    });
    check("restart", ALL, not_found(4), restart);
}

#[test]
fn what_was_before_a_compaction_is_not_known_after_a_restart() {
    check("by the server", KEPT, not_found(4), |sandbox, server| {
        compact(sandbox, &server);
        restart(sandbox, server)
    });
    check("by the tool", KEPT, not_found(4), |sandbox, server| {
        server.stop();
        tool(sandbox, &["compact", FILE]);
        start(sandbox)
    });
}

/// A client that knows the latest version loses its connection. Something happens to the server, then rows change.
#[track_caller]
fn check_current(what: &str, expected: Resumed, happens: impl FnOnce(&Sandbox, Server) -> Server) {
    let sandbox = new_sandbox();
    let server = start(&sandbox);
    transact(&server, &["a", "b", "c"].map(insert).join(","));
    let mut replica = Replica::new(KEPT);
    replica.resume(&server);
    transact(&server, &change("a", 2));
    replica.update();
    // The version that it is told next is one without a record.
    transact(&server, &touch("b", "x"));
    assert_eq!(replica.resume(&server), found(0), "{what}");
    replica.disconnect();
    let server = happens(&sandbox, server);
    transact(&server, &change("b", 3));
    assert_eq!(replica.resume(&server), expected, "{what}");
    replica.check(&server);
}

#[test]
fn a_client_that_was_up_to_date_resumes_after_a_compaction() {
    check_current("restart", found(1), restart);
    check_current("by the server", found(1), |sandbox, server| {
        compact(sandbox, &server);
        restart(sandbox, server)
    });
    check_current("by the server, killed", found(1), |sandbox, server| {
        compact(sandbox, &server);
        server.kill();
        start(sandbox)
    });
    check_current("by the tool", found(1), |sandbox, server| {
        server.stop();
        tool(sandbox, &["compact", FILE]);
        start(sandbox)
    });
    check_current(
        "by the tool into another file",
        found(1),
        |sandbox, server| {
            server.stop();
            tool(sandbox, &["compact", FILE, "other"]);
            fs::rename(sandbox.path("other"), sandbox.path(FILE)).expect("both are there");
            start(sandbox)
        },
    );
    check_current("several times", found(1), |sandbox, server| {
        compact(sandbox, &server);
        server.stop();
        tool(sandbox, &["compact", FILE]);
        let server = start(sandbox);
        compact(sandbox, &server);
        restart(sandbox, server)
    });
}

/// Converts the file to the schema with `from` replaced by `to`.
fn convert(sandbox: &Sandbox, from: &str, to: &str) {
    assert!(SCHEMA.contains(from));
    fs::write(sandbox.path("new"), SCHEMA.replace(from, to)).expect("the sandbox can be written");
    tool(sandbox, &["convert", FILE, "new"]);
}

/// The same while it is served.
fn convert_online(server: &Server, from: &str, to: &str) {
    assert!(SCHEMA.contains(from));
    let schema = SCHEMA.replace(from, to);
    let request = format!(r#"{{"id":0,"method":"convert","params":["D",{schema}]}}"#);
    let reply = parse(&RawClient::connect(server.socket()).call(&request));
    assert!(reply["error"].is_null(), "{reply}");
}

#[test]
fn a_conversion_while_a_database_is_served_keeps_the_past_if_it_leaves_rows_alone() {
    let n = r#""n":{"type":"integer"}"#;
    let more = format!(r#"{n},"m":{{"type":"string"}}"#);
    check("additive", KEPT, found(3), |_, server| {
        convert_online(&server, n, &more);
        server
    });
    check("additive, for all columns", ALL, found(4), |_, server| {
        convert_online(&server, n, &more);
        server
    });
    check_current("additive and restart", found(1), |sandbox, server| {
        convert_online(&server, n, &more);
        restart(sandbox, server)
    });
    check(
        "before and restart",
        KEPT,
        not_found(4),
        |sandbox, server| {
            convert_online(&server, n, &more);
            restart(sandbox, server)
        },
    );
    let ephemeral = r#","ephemeral":true"#;
    check("state is kept", ALL, not_found(4), |_, server| {
        convert_online(&server, ephemeral, "");
        server
    });
    check_current("state is kept", not_found(3), |sandbox, server| {
        convert_online(&server, ephemeral, "");
        restart(sandbox, server)
    });
}

#[test]
fn a_client_that_was_up_to_date_resumes_after_a_conversion_that_left_its_rows_alone() {
    let n = r#""n":{"type":"integer"}"#;
    for (to, expected) in [
        (String::from(n), found(1)),
        (format!(r#"{n},"m":{{"type":"string"}}"#), found(1)),
        // The default value is another.
        (
            String::from(r#""n":{"type":{"key":"integer","min":0}}"#),
            not_found(3),
        ),
    ] {
        check_current(&to, expected, |sandbox, server| {
            server.stop();
            convert(sandbox, n, &to);
            start(sandbox)
        });
    }
    check_current("state is kept", not_found(3), |sandbox, server| {
        server.stop();
        convert(sandbox, r#","ephemeral":true"#, "");
        start(sandbox)
    });
}

#[test]
fn what_a_tool_does_to_the_file_meanwhile_is_missed_like_anything_else() {
    check("transact", KEPT, found(4), |sandbox, server| {
        server.stop();
        let operations = format!(r#"["D",{}]"#, change("b", 7));
        tool(sandbox, &["transact", FILE, &operations]);
        start(sandbox)
    });
}

#[test]
fn a_tail_that_is_cut_off_does_not_disturb_those_who_have_not_seen_it() {
    check("torn tail", KEPT, found(3), |sandbox, server| {
        let before = length(&sandbox.path(FILE));
        transact(&server, &delete("b"));
        server.stop();
        let torn = (before + length(&sandbox.path(FILE))) / 2;
        cut(&sandbox.path(FILE), torn);
        start(sandbox)
    });
}

/// The server loses a commit that a client has seen, and has others instead.
#[track_caller]
fn check_lost(what: &str, lose: impl FnOnce(&Sandbox, u64)) {
    let sandbox = new_sandbox();
    let server = start(&sandbox);
    transact(&server, &["a", "b", "c"].map(insert).join(","));
    fs::copy(sandbox.path(FILE), sandbox.path("copy")).expect("the file is there");
    let before = length(&sandbox.path(FILE));
    let mut replica = Replica::new(KEPT);
    replica.resume(&server);
    transact(&server, &delete("a"));
    replica.update();
    let server = {
        server.stop();
        lose(&sandbox, before);
        start(&sandbox)
    };
    assert_eq!(replica.resume(&server), not_found(3), "{what}");
    replica.check(&server);
    transact(&server, &delete("b"));
    replica.update();
    replica.check(&server);
}

#[test]
fn a_client_that_has_seen_what_the_file_lost_gets_everything() {
    check_lost("cut off", |sandbox, before| {
        cut(&sandbox.path(FILE), before);
    });
    check_lost("torn", |sandbox, before| {
        cut(&sandbox.path(FILE), before + 70);
    });
    check_lost("an older copy", |sandbox, _| {
        fs::copy(sandbox.path("copy"), sandbox.path(FILE)).expect("both are there");
    });
    check_lost("an older copy, compacted", |sandbox, _| {
        fs::copy(sandbox.path("copy"), sandbox.path(FILE)).expect("both are there");
        tool(sandbox, &["compact", FILE]);
    });
}

#[test]
fn a_client_of_another_file_gets_everything() {
    let sandboxes = [new_sandbox(), new_sandbox()];
    let servers = sandboxes.each_ref().map(start);
    for server in &servers {
        transact(server, &insert("a"));
    }
    let mut replica = Replica::new(KEPT);
    replica.resume(&servers[0]);
    assert_eq!(replica.resume(&servers[1]), not_found(1));
    replica.check(&servers[1]);
}

/// Replicas that wait for their turn, old ones and new ones.
const REPLICAS: usize = 30;

#[test]
fn replicas_of_any_age_become_what_the_server_has_whatever_happened_meanwhile() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let sandbox = new_sandbox();
    let mut server = start(&sandbox);
    let mut replicas = vec![Replica::new(KEPT), Replica::new(ALL)];
    let mut copies = Vec::new();
    let (mut resumed, mut not_known) = (0, 0);
    for step in 0..500 {
        let name = format!("row {}", random.random_range(0..8));
        match random.random_range(0..100) {
            0..10 => transact(&server, &insert(&name)),
            10..15 => transact(&server, &delete(&name)),
            15..35 => transact(&server, &change(&name, step)),
            35..45 => transact(&server, &touch(&name, &step.to_string())),
            45..90 => {
                let at = random.random_range(0..replicas.len());
                let mut replica = replicas[at].twin();
                match replica.resume(&server).found {
                    true => resumed += 1,
                    false => not_known += 1,
                }
                replica.check(&server);
                if replicas.len() < REPLICAS {
                    replicas.push(replica);
                } else {
                    let at = random.random_range(0..replicas.len());
                    replicas[at] = replica;
                }
            }
            90..93 => compact(&sandbox, &server),
            93 => {
                server.kill();
                server = start(&sandbox);
            }
            94..96 => {
                server.stop();
                copies.push(fs::read(sandbox.path(FILE)).expect("the file is there"));
                server = start(&sandbox);
            }
            96 => {
                server.stop();
                tool(&sandbox, &["compact", FILE]);
                server = start(&sandbox);
            }
            97 => {
                server.stop();
                let bytes = length(&sandbox.path(FILE));
                // The schema stays.
                cut(&sandbox.path(FILE), bytes - bytes.saturating_sub(1000) / 8);
                server = start(&sandbox);
                // With this the torn record goes away, which tools would refuse.
                transact(&server, &insert(&name));
            }
            _ => {
                server.stop();
                if !copies.is_empty() {
                    let at = random.random_range(0..copies.len());
                    fs::write(sandbox.path(FILE), &copies[at]).expect("a writable file");
                }
                server = start(&sandbox);
            }
        }
    }
    println!("{resumed} found, {not_known} not");
    assert!(resumed > 10 && not_known > 10, "{resumed} and {not_known}");
}
