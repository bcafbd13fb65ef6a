//! Bad input: the reference's answer or a dropped connection, for that peer only.
//!
//! Every case goes to the reference's server and to ours on a connection of its own. Both must send back the
//! same bytes and end the connection at the same place, while another client of the same server goes on.

mod cases;

use std::path::Path;

use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::differential::digits;
use ovsdb_testkit::differential::pairing::{End, Pairing};
use ovsdb_testkit::names::Names;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::raw::Raw;
use ovsdb_testkit::sandbox::Sandbox;

use cases::{Case, Ending};

/// Sent after a case: its answer says that the connection has survived.
const PROBE: &[u8] = br#"{"id":"probe","method":"echo","params":["alive"]}"#;

/// A server with a client that does nothing wrong.
struct Scene {
    bystander: RawClient,
    names: Names,
    turn: u32,
    server: Server,
    _sandbox: Sandbox,
}

impl Scene {
    fn new(side: Side) -> Scene {
        let sandbox = Sandbox::new();
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/limits.ovsschema");
        let server = Server::start(&sandbox, side, &[("database", &schema)]);
        let mut bystander = RawClient::connect(server.socket());
        let initial = bystander.call(
            r#"{"id":0,"method":"monitor","params":["Limits","watch",{"Single":{"columns":["value"]}}]}"#,
        );
        assert_eq!(sorted(&initial), r#"{"error":null,"id":0,"result":{}}"#);
        let insert = r#"{"id":1,"method":"transact","params":["Limits",{"op":"insert","table":"Single","row":{}}]}"#;
        let mut names = Names::new();
        let update = names.rename(&sorted(&bystander.call(insert)));
        let reply = names.rename(&received(&mut bystander));
        assert_eq!(
            [update.as_str(), reply.as_str()],
            [
                r#"{"id":null,"method":"update","params":["watch",{"Single":{"<uuid-0>":{"new":{"value":0}}}}]}"#,
                r#"{"error":null,"id":1,"result":[{"uuid":["uuid","<uuid-0>"]}]}"#
            ]
        );
        Scene {
            bystander,
            names,
            turn: 0,
            server,
            _sandbox: sandbox,
        }
    }

    /// Plays a case and returns all that the server sends until the connection has ended.
    fn play(&mut self, case: &Case) -> String {
        let mut client = RawClient::connect(self.server.socket());
        let mut sent = Ok(());
        let portion = if case.byte_by_byte {
            1
        } else {
            case.bytes.len().max(1)
        };
        for portion in case.bytes.chunks(portion) {
            sent = sent.and_then(|()| client.send(portion));
        }
        match case.ending {
            Ending::Dropped => {}
            Ending::Open => sent = sent.and_then(|()| client.send(PROBE)),
            Ending::HalfClosed => {}
        }
        if case.ending != Ending::Dropped {
            // Whoever has been cut off before cannot send any more, which the answers show.
            let _ = sent.and_then(|()| client.finish_sending());
        }
        let mut seen = String::new();
        loop {
            match client.receive() {
                Ok(Some(message)) => seen.push_str(&sorted(&shown(&message))),
                Ok(None) => return seen,
                Err(error) => panic!("{}: {error} after {seen}", case.name),
            }
        }
    }

    /// The other client changes its row and is told so.
    fn bystander_goes_on(&mut self, case: &Case) {
        self.turn += 1;
        let turn = self.turn;
        let request = format!(
            r#"{{"id":{turn},"method":"transact","params":["Limits",{{"op":"update","table":"Single","where":[],"row":{{"value":{turn}}}}}]}}"#
        );
        let update = self.names.rename(&sorted(&self.bystander.call(&request)));
        let before = turn - 1;
        assert_eq!(
            update,
            format!(
                r#"{{"id":null,"method":"update","params":["watch",{{"Single":{{"<uuid-0>":{{"new":{{"value":{turn}}},"old":{{"value":{before}}}}}}}}}]}}"#
            ),
            "after {}",
            case.name
        );
        assert_eq!(
            received(&mut self.bystander),
            format!(r#"{{"error":null,"id":{turn},"result":[{{"count":1}}]}}"#),
            "after {}",
            case.name
        );
    }
}

fn received(client: &mut RawClient) -> String {
    match client.receive() {
        Ok(Some(message)) => sorted(&shown(&message)),
        other => panic!("the server owes a message: {other:?}"),
    }
}

/// Bytes as text, with those that are no UTF-8 as `<NN>`.
fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("<{byte:02x}>"));
        }
    }
    text
}

/// A message with the members of its objects in the order of their names.
fn sorted(message: &str) -> String {
    let Some(mut raw) = Raw::parse(message) else {
        return message.to_owned();
    };
    Pairing::new().sort(&mut raw, End::Left);
    raw.to_string()
}

fn check(cases: &[Case]) {
    let [mut reference, mut ours] = Side::BOTH.map(Scene::new);
    let mut failures = Vec::new();
    for case in cases {
        let expected = Names::new().rename(&reference.play(case));
        let seen = Names::new().rename(&ours.play(case));
        let same = match &case.differs {
            None => seen == expected || digits::equal(&expected, &seen),
            // A difference that has gone must not stay in the list.
            Some(differs) => seen == differs.ours && expected != seen,
        };
        if !same {
            failures.push(format!(
                "{}: {}\n  reference: {expected}\n  ours:      {seen}",
                case.name,
                String::from_utf8_lossy(&case.bytes[..case.bytes.len().min(300)])
            ));
        }
        reference.bystander_goes_on(case);
        ours.bystander_goes_on(case);
    }
    assert!(
        failures.is_empty(),
        "{} of {} cases differ:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

#[test]
fn malformed_json_ends_the_connection_of_its_sender_only() {
    check(&cases::malformed());
}

#[test]
fn unusual_but_valid_json_is_answered_as_by_the_reference() {
    check(&cases::unusual());
}

#[test]
fn wrong_envelopes_are_answered_as_by_the_reference() {
    check(&cases::envelopes());
}

#[test]
fn wrong_parameters_are_answered_as_by_the_reference() {
    check(&cases::parameters());
}

#[test]
fn garbled_requests_are_answered_as_by_the_reference() {
    check(&cases::garbled());
}

#[test]
fn interrupted_messages_hurt_nobody() {
    check(&cases::interrupted());
}
