//! What follows what: requests of one session, and updates before replies.

mod support;

use support::Fixture;

const INSERT: &str = r#"{"op":"insert","table":"T","row":{"name":"NAME","n":1}}"#;

fn insert(name: &str) -> String {
    INSERT.replace("NAME", name)
}

#[test]
fn a_client_that_has_its_reply_has_seen_its_own_change() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    client.call("monitor", r#"["D","m",{"T":{"columns":["n"]}}]"#);
    for name in ["a", "b", "c"] {
        client.request("7", "transact", &format!(r#"["D",{}]"#, insert(name)));
        assert_eq!(
            client.next(),
            r#"{"id":null,"method":"update","params":["m",{"T":{"U":{"new":{"n":1}}}}]}"#
        );
        assert_eq!(
            client.next(),
            r#"{"error":null,"id":7,"result":[{"uuid":["uuid","U"]}]}"#
        );
    }
}

#[test]
fn a_client_that_sends_many_transactions_at_once_has_seen_each_change_before_its_reply() {
    const COUNT: usize = 200;
    let fixture = Fixture::new(&["D"]);
    let mut clients = [fixture.connect(), fixture.connect()];
    for (number, client) in clients.iter_mut().enumerate() {
        client.call("monitor", r#"["D","m",{"T":{"columns":["name"]}}]"#);
        let requests = (0..COUNT).map(|id| {
            let insert = insert(&format!("{number}-{id}."));
            format!(r#"{{"id":{id},"method":"transact","params":["D",{insert}]}}"#)
        });
        let requests: String = requests.collect();
        client
            .raw
            .send(requests.as_bytes())
            .expect("the server reads");
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let (mut seen, mut replies) = (String::new(), 0);
        while replies < COUNT {
            let message = client.next();
            if message.contains(r#""method":"update""#) {
                seen += &message;
                continue;
            }
            let expected =
                format!(r#"{{"error":null,"id":{replies},"result":[{{"uuid":["uuid","U"]}}]}}"#);
            assert_eq!(message, expected);
            assert!(seen.contains(&format!("\"{number}-{replies}.\"")), "{seen}");
            replies += 1;
        }
    }
}

#[test]
fn others_see_a_change_too() {
    let fixture = Fixture::new(&["D"]);
    let (mut writer, mut watcher) = (fixture.connect(), fixture.connect());
    watcher.call("monitor", r#"["D","m",{"T":{"columns":["name"]}}]"#);
    writer.check(&insert("a"), r#"[{"uuid":["uuid","U"]}]"#);
    assert_eq!(
        watcher.next(),
        r#"{"id":null,"method":"update","params":["m",{"T":{"U":{"new":{"name":"a"}}}}]}"#
    );
    watcher.call("monitor_cancel", r#"["m"]"#);
    writer.check(
        r#"{"op":"delete","table":"T","where":[]}"#,
        r#"[{"count":1}]"#,
    );
    assert_eq!(
        watcher.call("echo", "[]"),
        r#"{"error":null,"id":0,"result":[]}"#
    );
}

#[test]
fn requests_of_one_session_take_effect_in_order() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    let select = r#"["D",{"op":"select","table":"T","where":[],"columns":["n"]}]"#;
    let add = r#"["D",{"op":"mutate","table":"T","where":[],"mutations":[["n","+=",1]]}]"#;
    client.check(&insert("a"), r#"[{"uuid":["uuid","U"]}]"#);
    for round in 0..200 {
        client.request(&format!("{}", 3 * round), "transact", add);
        client.request(&format!("{}", 3 * round + 1), "transact", select);
        client.request(
            &format!("{}", 3 * round + 2),
            "monitor",
            &format!(r#"["D",{round},{{"T":{{"columns":["n"]}}}}]"#),
        );
        client.notify("no_such", "[]");
        client.request("0", "monitor_cancel", &format!("[{round}]"));
    }
    for round in 0..200 {
        let n = round + 2;
        let id = 3 * round;
        assert_eq!(
            client.next(),
            format!(r#"{{"error":null,"id":{id},"result":[{{"count":1}}]}}"#)
        );
        let rows = format!(r#"[{{"rows":[{{"n":{n}}}]}}]"#);
        assert_eq!(
            client.next(),
            format!(r#"{{"error":null,"id":{},"result":{rows}}}"#, id + 1)
        );
        let initial = format!(r#"{{"T":{{"U":{{"new":{{"n":{n}}}}}}}}}"#);
        assert_eq!(
            client.next(),
            format!(r#"{{"error":null,"id":{},"result":{initial}}}"#, id + 2)
        );
        assert_eq!(client.next(), r#"{"error":null,"id":0,"result":{}}"#);
    }
}

#[test]
fn durable_transactions_and_others_keep_their_order() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    client.check(&insert("a"), r#"[{"uuid":["uuid","U"]}]"#);
    let add = r#"{"op":"mutate","table":"T","where":[],"mutations":[["n","+=",1]]}"#;
    let select = r#"{"op":"select","table":"T","where":[],"columns":["n"]}"#;
    for round in 0..50 {
        let durable = format!(
            r#"["D",{add},{{"op":"commit","durable":{}}},{select}]"#,
            round % 3 == 0
        );
        client.request(&round.to_string(), "transact", &durable);
        client.request(
            &(1000 + round).to_string(),
            "transact",
            &format!(r#"["D",{select}]"#),
        );
    }
    for round in 0..50 {
        let rows = format!(r#"{{"rows":[{{"n":{}}}]}}"#, round + 2);
        let result = format!(r#"[{{"count":1}},{{}},{rows}]"#);
        assert_eq!(
            client.next(),
            format!(r#"{{"error":null,"id":{round},"result":{result}}}"#)
        );
        assert_eq!(
            client.next(),
            format!(
                r#"{{"error":null,"id":{},"result":[{rows}]}}"#,
                1000 + round
            )
        );
    }
}

#[test]
fn a_new_monitor_is_told_nothing_that_its_contents_show_already() {
    let fixture = Fixture::new(&["D"]);
    let mut writer = fixture.connect();
    let mut watcher = fixture.connect();
    watcher.call("monitor", r#"["D","first",{"T":{"columns":["name"]}}]"#);
    for number in 0..50 {
        writer.request(
            "1",
            "transact",
            &format!(r#"["D",{}]"#, insert(&format!("r{number}"))),
        );
        watcher.request(
            "2",
            "monitor",
            &format!(r#"["D",{number},{{"T":{{"columns":["name"]}}}}]"#),
        );
    }
    for _ in 0..50 {
        writer.next();
    }
    watcher.request("3", "echo", "[]");
    // For each monitor, every row appears exactly once: in its contents or in an update.
    let mut seen = std::collections::BTreeMap::new();
    loop {
        let message = ovsdb_proto::json::parse(&watcher.raw.receive().unwrap().unwrap()).unwrap();
        let (id, contents) = match message.get("method") {
            Some(_) => {
                let params = message
                    .get("params")
                    .and_then(|params| params.as_array())
                    .unwrap();
                (params[0].to_string(), params[1].clone())
            }
            None if message.get("id").and_then(|id| id.as_i64()) == Some(3) => break,
            None => (
                seen.len().to_string(),
                message.get("result").unwrap().clone(),
            ),
        };
        let rows = seen
            .entry(if id == "\"first\"" {
                String::from("first")
            } else {
                id
            })
            .or_insert_with(Vec::new);
        if let Some(table) = contents.get("T").and_then(|table| table.as_object()) {
            rows.extend(table.iter().map(|(uuid, _)| uuid.to_string()));
        }
        seen.entry(String::from("first")).or_default();
    }
    for (id, mut rows) in seen {
        let count = rows.len();
        rows.sort();
        rows.dedup();
        assert_eq!(rows.len(), count, "monitor {id} saw a row twice");
        assert!(
            id != "first" || count == 50,
            "the first monitor missed rows: {count}"
        );
    }
}

#[test]
fn clients_that_start_together_on_a_large_table_end_with_the_same_rows() {
    let fixture = Fixture::new(&["D"]);
    let mut writer = fixture.connect();
    let inserts: Vec<String> = (0..3000).map(|n| insert(&format!("r{n}"))).collect();
    writer.transact(&inserts.join(","));
    let mut watchers: Vec<_> = (0..6).map(|_| fixture.connect()).collect();
    let update =
        r#"["D",{"op":"update","table":"T","where":[["name","==","r7"]],"row":{"n":NUMBER}}]"#;
    for number in 2..40 {
        writer.request(
            "1",
            "transact",
            &update.replace("NUMBER", &number.to_string()),
        );
        if let Some(watcher) = watchers.get_mut(number / 6) {
            watcher.request(
                "1",
                "monitor",
                r#"["D","m",{"T":{"columns":["name","n"]}}]"#,
            );
            watcher.request("2", "monitor_cancel", r#"["none"]"#);
        }
    }
    for _ in 2..40 {
        writer.next();
    }
    for watcher in &mut watchers {
        let mut rows = std::collections::BTreeMap::new();
        while rows.get("r7") != Some(&39) {
            let message =
                ovsdb_proto::json::parse(&watcher.raw.receive().unwrap().unwrap()).unwrap();
            let contents = match message.get("params").and_then(|params| params.as_array()) {
                Some(params) => params[1].clone(),
                None => message
                    .get("result")
                    .cloned()
                    .unwrap_or(ovsdb_proto::json::Json::Null),
            };
            for (_, row) in contents
                .get("T")
                .and_then(|table| table.as_object())
                .into_iter()
                .flatten()
            {
                let new = row.get("new").expect("nothing is deleted");
                let name = new.get("name").and_then(|name| name.as_str()).unwrap();
                rows.insert(
                    name.to_owned(),
                    new.get("n").and_then(|n| n.as_i64()).unwrap(),
                );
            }
        }
        assert_eq!(rows.len(), 3000);
    }
}
