//! What `docs/sql.md` shows: each command there prints what stands there.

use std::path::Path;

use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{Side, ours, reference_schema};
use ovsdb_testkit::sandbox::Sandbox;

/// Two bridges with ports, two of which carry logical ports.
const SWITCH: &str = r#"["Open_vSwitch",
    {"op":"insert","table":"Interface","uuid-name":"ia","row":{"name":"vif-a","external_ids":["map",[["iface-id","web-1"]]]}},
    {"op":"insert","table":"Interface","uuid-name":"ib","row":{"name":"vif-b","external_ids":["map",[["iface-id","web-2"],["attached-mac","0a:00:00:00:00:02"]]]}},
    {"op":"insert","table":"Interface","uuid-name":"ii","row":{"name":"br-int","type":"internal"}},
    {"op":"insert","table":"Interface","uuid-name":"ix","row":{"name":"br-ex","type":"internal"}},
    {"op":"insert","table":"Port","uuid-name":"pa","row":{"name":"vif-a","interfaces":["named-uuid","ia"]}},
    {"op":"insert","table":"Port","uuid-name":"pb","row":{"name":"vif-b","trunks":["set",[10,20,30]],"interfaces":["named-uuid","ib"]}},
    {"op":"insert","table":"Port","uuid-name":"pi","row":{"name":"br-int","interfaces":["named-uuid","ii"]}},
    {"op":"insert","table":"Port","uuid-name":"px","row":{"name":"br-ex","interfaces":["named-uuid","ix"]}},
    {"op":"insert","table":"Bridge","uuid-name":"bi","row":{"name":"br-int","ports":["set",[["named-uuid","pa"],["named-uuid","pb"],["named-uuid","pi"]]]}},
    {"op":"insert","table":"Bridge","uuid-name":"bx","row":{"name":"br-ex","ports":["named-uuid","px"]}},
    {"op":"insert","table":"Open_vSwitch","row":{"bridges":["set",[["named-uuid","bi"],["named-uuid","bx"]]]}}]"#;

/// Three logical ports on two switches, two of them bound to a chassis.
const SOUTHBOUND: &str = r#"["OVN_Southbound",
    {"op":"insert","table":"Encap","uuid-name":"e","row":{"type":"geneve","ip":"192.0.2.1","chassis_name":"c1"}},
    {"op":"insert","table":"Chassis","uuid-name":"c","row":{"name":"c1","hostname":"node-1","encaps":["named-uuid","e"]}},
    {"op":"insert","table":"Datapath_Binding","uuid-name":"front","row":{"tunnel_key":1,"external_ids":["map",[["name","front"]]]}},
    {"op":"insert","table":"Datapath_Binding","uuid-name":"back","row":{"tunnel_key":2,"external_ids":["map",[["name","back"]]]}},
    {"op":"insert","table":"Port_Binding","row":{"logical_port":"web-1","tunnel_key":1,"datapath":["named-uuid","front"],"chassis":["named-uuid","c"]}},
    {"op":"insert","table":"Port_Binding","row":{"logical_port":"web-2","tunnel_key":2,"datapath":["named-uuid","front"],"chassis":["named-uuid","c"]}},
    {"op":"insert","table":"Port_Binding","row":{"logical_port":"web-3","tunnel_key":1,"datapath":["named-uuid","back"]}}]"#;

/// The commands of the page, each with what it prints.
fn examples(page: &str) -> Vec<(&str, &str)> {
    let blocks = page.split("```console\n$ ").skip(1);
    let blocks = blocks.map(|block| {
        let (example, _) = block.split_once("```").expect("the block has an end");
        example.split_once('\n').expect("it prints something")
    });
    blocks.collect()
}

#[test]
fn every_example_prints_what_the_page_says() {
    let sandbox = Sandbox::new();
    let switch = reference_schema("vswitch");
    let southbound = reference_schema("ovn-sb");
    let server = Server::start(
        &sandbox,
        Side::Ours,
        &[
            ("Open_vSwitch.db", &switch),
            ("OVN_Southbound.db", &southbound),
        ],
    );
    for rows in [SWITCH, SOUTHBOUND] {
        let remote = server.remote();
        let reply = sandbox.run_ok(ours("ovsdb-client"), &["transact", &remote, rows]);
        assert!(!reply.contains("\"error\""), "{reply}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sql.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let examples = examples(&page);
    assert!(examples.len() >= 5, "{examples:?}");
    for (command, expected) in examples {
        let words = command.strip_prefix("ovsdb-client ").expect(command);
        let (words, statement) = words.split_once(" \"").expect(command);
        let mut arguments: Vec<&str> = words.split(' ').collect();
        arguments.push(statement.strip_suffix('"').expect(command));
        let output = sandbox.run(ours("ovsdb-client"), &arguments);
        // The page has no blanks at the ends of lines.
        let shown: Vec<&str> = output.stdout.lines().map(str::trim_end).collect();
        let expected: Vec<&str> = expected.lines().collect();
        assert_eq!(shown, expected, "{command}: {output}");
    }
}
