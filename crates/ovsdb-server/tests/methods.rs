//! What each method answers, and what happens to messages that are none.

mod support;

use support::Fixture;

/// Sends a request, and compares the rest of the reply after its id and before it.
#[track_caller]
fn check(method: &str, params: &str, answer: &str) {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    assert_eq!(client.call(method, params), answer, "{method} {params}");
}

fn check_error(method: &str, params: &str, error: &str) {
    check(method, params, &format!(r#"{{"error":{error},"id":0}}"#));
}

fn check_result(method: &str, params: &str, result: &str) {
    let answer = format!(r#"{{"error":null,"id":0,"result":{result}}}"#);
    check(method, params, &answer);
}

#[test]
fn simple_methods_answer_as_in_the_reference() {
    check_result("echo", r#"[1,"x",{"a":null}]"#, r#"[1,"x",{"a":null}]"#);
    check_result("list_dbs", "[]", r#"["D","_Server"]"#);
    check_result("get_server_id", "[]", r#""U""#);
    check_result("set_db_change_aware", "[true]", "{}");
    check_result("lock", r#"["x"]"#, r#"{"locked":true}"#);
    check_result("steal", r#"["x"]"#, r#"{"locked":true}"#);
    check_result("transact", r#"["D"]"#, "[]");
    check_result("monitor", r#"["D",null,{}]"#, "{}");
    check_result("monitor_cond", r#"["D",null,{}]"#, "{}");
    check_result("monitor2", r#"["D",null,{}]"#, "{}");
    check_result(
        "monitor_cond_since",
        r#"["D",null,{},"00000000-0000-0000-0000-000000000000"]"#,
        r#"[false,"U",{}]"#,
    );
    check_error("no_such", "[]", r#""unknown method""#);
}

#[test]
fn the_schema_comes_back_sorted_and_without_defaults() {
    check_result(
        "get_schema",
        r#"["D"]"#,
        concat!(
            r#"{"name":"D","tables":{"#,
            r#""T":{"columns":{"n":{"type":"integer"},"name":{"type":"string"},"#,
            r#""note":{"ephemeral":true,"type":"string"},"#,
            r#""tags":{"type":{"key":"string","max":"unlimited","min":0}}},"indexes":[["name"]]},"#,
            r#""U":{"columns":{"n":{"type":"integer"}}}},"version":"1.0.0"}"#,
        ),
    );
}

#[test]
fn wrong_parameters_are_refused_in_the_words_of_the_reference() {
    for (method, params, details, syntax) in [
        (
            "transact",
            "[]",
            "transact request params must begin with <db-name>",
            "[]",
        ),
        (
            "get_schema",
            "[1]",
            "get_schema request params must begin with <db-name>",
            "[1]",
        ),
        ("lock", "[]", "lock request params must be <id>", "[]"),
        ("steal", "[1]", "steal request params must be <id>", "[1]"),
        (
            "unlock",
            r#"["no id"]"#,
            "unlock request params must be <id>",
            r#"[\"no id\"]"#,
        ),
        (
            "unlock",
            r#"["x"]"#,
            r#"unlock: \"unlock\" without \"lock\" or \"steal\""#,
            r#"[\"x\"]"#,
        ),
        (
            "set_db_change_aware",
            "[1]",
            "set_db_change_aware: true or false parameter expected",
            "[1]",
        ),
        ("monitor", r#"["D"]"#, "invalid parameters", r#"[\"D\"]"#),
        (
            "monitor",
            r#"["D",1,2]"#,
            "monitor-requests must be object",
            "2",
        ),
    ] {
        let error =
            format!(r#"{{"details":"{details}","error":"syntax error","syntax":"{syntax}"}}"#);
        check_error(method, params, &error);
    }
    check_error("monitor_cancel", "[]", r#""invalid parameters""#);
    check_error("monitor_cancel", "[1]", r#""unknown monitor""#);
}

#[test]
fn unknown_databases_are_named_in_the_error() {
    for method in ["transact", "monitor", "get_schema"] {
        let error = format!(
            concat!(
                r#"{{"details":"{method} request specifies unknown database X","error":"unknown database","#,
                r#""syntax":"[\"X\"]"}}"#,
            ),
            method = method
        );
        check_error(method, r#"["X"]"#, &error);
    }
}

#[test]
fn a_repeated_monitor_id_is_refused_until_the_monitor_is_canceled() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    let params = r#"["D",["id"],{"T":[]}]"#;
    let again = concat!(
        r#"{"error":{"details":"duplicate monitor ID","error":"syntax error","#,
        r#""syntax":"[\"id\"]"},"id":0}"#,
    );
    let empty = r#"{"error":null,"id":0,"result":{}}"#;
    assert_eq!(client.call("monitor", params), empty);
    assert_eq!(client.call("monitor", params), again);
    assert_eq!(client.call("monitor_cancel", r#"[["id"]]"#), empty);
    assert_eq!(client.call("monitor", params), empty);
}

/// Sends bytes to which the server answers with the end of the connection, while another client goes on.
#[track_caller]
fn check_end(bytes: &[u8]) {
    let fixture = Fixture::new(&["D"]);
    let mut other = fixture.connect();
    let mut client = fixture.connect();
    client.raw.send(bytes).expect("the server reads");
    assert_eq!(client.next(), "end", "{}", String::from_utf8_lossy(bytes));
    assert_eq!(
        other.call("echo", "[]"),
        r#"{"error":null,"id":0,"result":[]}"#
    );
}

#[test]
fn a_client_that_sends_no_json_rpc_is_disconnected_and_no_other() {
    check_end(b"GET / HTTP/1.1\r\n");
    check_end(b"{\"id\":]");
    check_end(b"[1,2]");
    check_end(b"{}");
    check_end(br#"{"id":1,"method":"echo"}"#);
    check_end(br#"{"id":1,"method":"echo","params":{}}"#);
    check_end(br#"{"id":1,"method":"echo","params":[],"more":1}"#);
    check_end(br#"{"id":7,"result":{},"error":null}"#);
    check_end(&b"[".repeat(2000));
}

#[test]
fn replies_to_probes_and_unknown_notifications_are_taken_in_silence() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    client
        .raw
        .send(br#"{"id":"echo","result":[],"error":null}"#)
        .expect("the server reads");
    client.notify("no_such", "[]");
    client.notify("cancel", "[1]");
    assert_eq!(
        client.call("echo", "[]"),
        r#"{"error":null,"id":0,"result":[]}"#
    );
}

#[test]
fn requests_before_a_half_close_are_answered() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    client.request(
        "1",
        "transact",
        r#"["D",{"op":"insert","table":"T","row":{}}]"#,
    );
    client.request("2", "list_dbs", "[]");
    client.raw.finish_sending().expect("the server is there");
    assert_eq!(
        client.next(),
        r#"{"error":null,"id":1,"result":[{"uuid":["uuid","U"]}]}"#
    );
    assert_eq!(
        client.next(),
        r#"{"error":null,"id":2,"result":["D","_Server"]}"#
    );
    assert_eq!(client.next(), "end");
}
