//! Clients resume after the reference's programs had the file in between: what these appended is missed like anything
//! else; what they compacted has no past.

mod support {
    pub mod replica;
}

use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{Side, reference};
use ovsdb_testkit::sandbox::Sandbox;
use support::replica::{
    FILE, KEPT, Replica, Resumed, change, delete, insert, new_sandbox, serve, transact,
};

fn tool(sandbox: &Sandbox, arguments: &[&str]) {
    sandbox.run_ok(reference("ovsdb-tool"), arguments);
}

fn compact(sandbox: &Sandbox, server: &Server) {
    let control = server.control().display().to_string();
    let arguments = ["-t", &control, "ovsdb-server/compact"];
    sandbox.run_ok(reference("ovs-appctl"), &arguments);
}

/// A client of our server has seen three rows. Then somebody else has the file, and our server again.
#[track_caller]
fn check(what: &str, expected: Resumed, happens: impl FnOnce(&Sandbox)) {
    let sandbox = new_sandbox();
    let server = serve(&sandbox, Side::Ours);
    transact(&server, &["a", "b", "c"].map(insert).join(","));
    let mut replica = Replica::new(KEPT);
    replica.resume(&server);
    transact(&server, &change("a", 2));
    replica.update();
    server.stop();

    happens(&sandbox);
    let server = serve(&sandbox, Side::Ours);
    transact(&server, &change("b", 3));
    assert_eq!(replica.resume(&server), expected, "{what}");
    replica.check(&server);

    // From here on there is a past again.
    server.stop();
    let server = serve(&sandbox, Side::Ours);
    transact(&server, &change("b", 4));
    let again = Resumed {
        found: true,
        rows: 1,
    };
    assert_eq!(replica.resume(&server), again, "{what}");
    replica.check(&server);
}

#[test]
fn what_the_reference_appended_is_missed_like_anything_else() {
    let found = |rows| Resumed { found: true, rows };
    check("nothing", found(1), |sandbox| {
        serve(sandbox, Side::Reference).stop();
    });
    check("server", found(3), |sandbox| {
        let server = serve(sandbox, Side::Reference);
        transact(&server, &change("a", 7));
        transact(&server, &delete("c"));
        server.stop();
    });
    check("tool", found(2), |sandbox| {
        let operations = format!(r#"["D",{}]"#, insert("d"));
        tool(sandbox, &["transact", FILE, &operations]);
    });
}

#[test]
fn what_the_reference_compacted_has_no_past() {
    let not_found = Resumed {
        found: false,
        rows: 3,
    };
    check("tool", not_found, |sandbox| {
        tool(sandbox, &["compact", FILE]);
    });
    let not_found = Resumed {
        found: false,
        rows: 3,
    };
    check("server", not_found, |sandbox| {
        let server = serve(sandbox, Side::Reference);
        compact(sandbox, &server);
        server.stop();
    });
}
