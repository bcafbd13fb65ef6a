//! Indexes that come by use, as clients meet them: many who want one at the same moment, and whoever looks rows up.

mod support;

use support::Fixture;

/// Rows for each value.
const EACH: usize = 25;
/// Values of a column that has no index.
const VALUES: usize = 240;

fn filled() -> Fixture {
    let fixture = Fixture::new(&["D"]);
    let row = |number: usize| {
        let n = number % VALUES;
        format!(r#"{{"op":"insert","table":"U","row":{{"n":{n}}}}}"#)
    };
    let rows: Vec<String> = (0..EACH * VALUES).map(row).collect();
    fixture
        .connect()
        .call("transact", &format!(r#"["D",{}]"#, rows.join(",")));
    fixture
}

/// How many indexes there are, and how many entries they have.
fn indexes(fixture: &Fixture) -> (usize, usize) {
    let database = fixture.server.database("D").expect("it is served");
    let indexes = database.version().database.indexes_by_use();
    let entries = indexes.iter().map(|index| index.entries).sum();
    (indexes.len(), entries)
}

/// How many rows with this value a message tells of, in this way.
fn told(message: &str, how: &str, n: usize) -> usize {
    message
        .matches(&format!(r#"{{"{how}":{{"n":{n}}}}}"#))
        .count()
}

#[test]
fn many_clients_that_come_at_once_get_their_rows_and_an_index_comes_of_it() {
    let fixture = filled();
    let mut clients: Vec<_> = (0..40).map(|_| fixture.connect()).collect();
    // None that has the default value, which is left out.
    let value = |client: usize, change: usize| 1 + 3 * client + change;
    for (number, client) in clients.iter_mut().enumerate() {
        let n = value(number, 0);
        let params = format!(r#"["D","m",{{"U":{{"columns":["n"],"where":[["n","==",{n}]]}}}}]"#);
        client.request("1", "monitor_cond", &params);
        // An answer overtakes nothing: requests take effect in their order, whoever waits for what.
        client.request("2", "echo", "[]");
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let reply = client.next();
        assert!(reply.contains(r#""id":1"#), "{reply}");
        assert_eq!(told(&reply, "initial", value(number, 0)), EACH, "{reply}");
        assert_eq!(reply.matches("initial").count(), EACH);
        assert_eq!(client.next(), r#"{"error":null,"id":2,"result":[]}"#);
    }
    assert_eq!(indexes(&fixture), (1, EACH * VALUES));
    // A commit keeps it, and who watches is told by it.
    let mut writer = fixture.connect();
    writer.check(
        r#"{"op":"mutate","table":"U","where":[["n","==",0]],"mutations":[["n","+=",1]]}"#,
        &format!(r#"[{{"count":{EACH}}}]"#),
    );
    let update = clients[0].next();
    assert_eq!(told(&update, "insert", 1), EACH, "{update}");
    assert_eq!(indexes(&fixture), (1, EACH * VALUES));
    for (number, client) in clients.iter_mut().enumerate().skip(1) {
        let n = value(number, 1);
        let params = format!(r#"["m","m",{{"U":[{{"where":[["n","==",{n}]]}}]}}]"#);
        client.request("3", "monitor_cond_change", &params);
    }
    for (number, client) in clients.iter_mut().enumerate().skip(1) {
        let update = client.next();
        assert_eq!(told(&update, "insert", value(number, 1)), EACH, "{update}");
        assert_eq!(update.matches(r#"{"delete":null}"#).count(), EACH);
        assert_eq!(client.next(), r#"{"error":null,"id":3,"result":{}}"#);
    }
}

#[test]
fn whoever_looks_rows_up_again_and_again_gets_an_index() {
    let fixture = filled();
    let mut client = fixture.connect();
    for n in 0..6 {
        client.check(
            &format!(
                r#"{{"op":"wait","timeout":0,"table":"U","where":[["n","==",{n}]],"columns":["n"],
                "until":"==","rows":[{{"n":{n}}}]}},
                {{"op":"update","table":"U","where":[["n","==",{n}]],"row":{{"n":-1}}}}"#
            ),
            &format!(r#"[{{}},{{"count":{EACH}}}]"#),
        );
    }
    assert_eq!(indexes(&fixture), (1, EACH * VALUES));
    client.check(
        r#"{"op":"select","table":"U","where":[["n","==",-1]],"columns":["n"]}"#,
        r#"[{"rows":[{"n":-1}]}]"#,
    );
    client.check(
        r#"{"op":"delete","table":"U","where":[["n","==",-1]]}"#,
        &format!(r#"[{{"count":{}}}]"#, 6 * EACH),
    );
    assert_eq!(indexes(&fixture), (1, EACH * (VALUES - 6)));
}
