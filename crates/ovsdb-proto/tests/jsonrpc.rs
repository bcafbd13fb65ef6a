//! JSON-RPC messages: which objects are messages, what the others lack, and what goes over the wire.

use ovsdb_proto::json::cursor::Stop;
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::jsonrpc::{self, Kind, Message, ParseError, read_transact};
use ovsdb_proto::obj;

#[track_caller]
fn check(text: &str, expect: &str) {
    let parsed = Message::parse(text.as_bytes());
    let output = match &parsed {
        Ok(message) => format!("{} {}", message.kind(), message.to_json()),
        Err(error) => error.to_string(),
    };
    assert_eq!(output, expect, "{text}");
    // The way over a tree comes to the same.
    if !matches!(parsed, Err(ParseError::Json(_))) {
        let tree = json::parse(text.as_bytes()).expect("the text is JSON");
        assert_eq!(
            Message::from_json(tree).map_err(ParseError::Message),
            parsed,
            "{text}"
        );
    }
    if let Ok(message) = &parsed {
        assert_eq!(message.to_bytes(), message.to_json().to_bytes(), "{text}");
    }
}

#[test]
fn members_that_are_not_null_tell_the_kind() {
    for (text, expect) in [
        (
            r#"{"method":"echo","params":[1],"id":2}"#,
            r#"request {"id":2,"method":"echo","params":[1]}"#,
        ),
        (
            r#"{"method":"m","params":[]}"#,
            r#"notification {"id":null,"method":"m","params":[]}"#,
        ),
        (
            r#"{"method":"m","params":[],"id":null,"error":null,"result":null}"#,
            r#"notification {"id":null,"method":"m","params":[]}"#,
        ),
        (
            r#"{"result":{},"error":null,"id":"x"}"#,
            r#"reply {"error":null,"id":"x","result":{}}"#,
        ),
        (
            r#"{"result":false,"id":[1]}"#,
            r#"reply {"error":null,"id":[1],"result":false}"#,
        ),
        (
            r#"{"error":"bad","result":null,"id":0}"#,
            r#"error {"error":"bad","id":0}"#,
        ),
        (
            r#"{"id":1,"id":null,"method":3,"method":"m","params":[]}"#,
            r#"notification {"id":null,"method":"m","params":[]}"#,
        ),
    ] {
        check(text, expect);
    }
}

#[test]
fn what_is_no_message_is_told() {
    for (text, expect) in [
        ("[]", "message is not a JSON object"),
        (r#"[{"id":1}]"#, "message is not a JSON object"),
        (r#"{"method":1,"extra":2}"#, "method is not a JSON string"),
        (
            r#"{"method":null,"params":[]}"#,
            "method is not a JSON string",
        ),
        (
            r#"{"method":"m","params":[],"zeta":1,"extra":2}"#,
            "message has unexpected member \"extra\"",
        ),
        (
            r#"{"extra":1,"params":{}}"#,
            "message has unexpected member \"extra\"",
        ),
        (
            r#"{"method":"m","params":{},"id":1}"#,
            "\"params\" must be JSON array",
        ),
        ("{}", "notification must have \"method\""),
        (r#"{"params":[]}"#, "notification must have \"method\""),
        (r#"{"method":"m"}"#, "notification must have \"params\""),
        (r#"{"id":1}"#, "request must have \"method\""),
        (r#"{"method":"m","id":1}"#, "request must have \"params\""),
        (
            r#"{"method":"m","result":1,"id":1}"#,
            "reply must not have \"method\"",
        ),
        (
            r#"{"params":[],"result":1,"id":1}"#,
            "reply must not have \"params\"",
        ),
        (
            r#"{"result":1,"error":2,"id":3}"#,
            "reply must not have \"error\"",
        ),
        (r#"{"result":1}"#, "reply must have \"id\""),
        (r#"{"error":1}"#, "error must have \"id\""),
        (
            r#"{"error":1,"id":2,"method":"m"}"#,
            "error must not have \"method\"",
        ),
    ] {
        check(text, expect);
    }
}

#[test]
fn faults_of_json_come_before_faults_of_the_message() {
    for (text, expect) in [
        ("", "line 0, column 0, byte 0: empty input stream"),
        ("[1", "line 0, column 3, byte 3: unexpected end of input"),
        (
            r#"{"method":1,}"#,
            "line 0, column 12, byte 12: syntax error parsing object expecting string",
        ),
        (
            r#"{"result":1} x"#,
            "line 0, column 14, byte 14: invalid keyword 'x'",
        ),
        (
            "[] []",
            "line 0, column 3, byte 3: trailing garbage at end of input",
        ),
    ] {
        check(text, expect);
    }
}

#[test]
fn method_that_is_not_utf8_is_left_to_the_callee() {
    let message = Message::parse(b"{\"method\":\"\xff\",\"params\":[],\"id\":1}");
    assert_eq!(message, Ok(Message::request("\u{fffd}", vec![], 1)));
}

#[test]
fn pieces_that_are_text_already_make_the_same_messages() {
    let (params, value, id) = (
        vec![Json::Integer(1), Json::string("\"")],
        obj! {"a" => 1},
        Json::string("i\n"),
    );
    let params_text = Json::Array(params.clone()).to_bytes();
    let value_text = value.to_bytes();
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = b"before".to_vec();
        write(&mut out);
        out
    };
    let request = Message::request("m", params.clone(), id.clone());
    let notification = Message::notification("m", params);
    let reply = Message::Reply {
        result: value.clone(),
        id: id.clone(),
    };
    let error = Message::Error {
        error: value.clone(),
        id: id.clone(),
    };
    for (out, message) in [
        (
            written(&|out| jsonrpc::write_request("m", &params_text, &id, out)),
            &request,
        ),
        (
            written(&|out| jsonrpc::write_notification("m", &params_text, out)),
            &notification,
        ),
        (
            written(&|out| {
                jsonrpc::write_notification_with(
                    "m",
                    |out| out.extend_from_slice(&params_text),
                    out,
                )
            }),
            &notification,
        ),
        (
            written(&|out| jsonrpc::write_reply(&id, &value_text, out)),
            &reply,
        ),
        (
            written(&|out| jsonrpc::write_reply_with(&id, |out| value.write_to(out), out)),
            &reply,
        ),
        (
            written(&|out| jsonrpc::write_error(&id, &value_text, out)),
            &error,
        ),
    ] {
        let text = out.strip_prefix(b"before").expect("writing appends");
        assert_eq!(Message::parse(text).as_ref(), Ok(message));
        assert_eq!(text, message.to_bytes());
    }
}

#[test]
fn reply_may_have_a_null_result() {
    let reply = Message::Reply {
        result: Json::Null,
        id: Json::Integer(1),
    };
    assert_eq!(reply.to_bytes(), br#"{"error":null,"id":1,"result":null}"#);
    assert_eq!(reply.kind(), Kind::Reply);
}

#[test]
fn debug_logs_show_the_members_that_count() {
    for (message, expect) in [
        (
            Message::request("echo", vec![Json::Integer(1)], "e"),
            r#"request, method="echo", params=[1], id="e""#,
        ),
        (
            Message::notification("update", vec![]),
            r#"notification, method="update", params=[]"#,
        ),
        (
            Message::Reply {
                result: obj! {},
                id: 3.into(),
            },
            "reply, result={}, id=3",
        ),
        (
            Message::Error {
                error: "canceled".into(),
                id: 3.into(),
            },
            r#"error, error="canceled", id=3"#,
        ),
    ] {
        assert_eq!(message.to_string(), expect);
    }
}

#[test]
fn the_members_of_a_transact_request_may_come_in_any_order() {
    let read = |members: &[&str]| {
        let text = format!("{{{}}} ", members.join(","));
        read_transact(&text, |database, cursor| {
            let mut numbers = Vec::new();
            while cursor.another(b']', false)? {
                numbers.push(cursor.integer()?);
            }
            Ok((database.to_owned(), numbers))
        })
    };
    let (id, method, params) = (
        r#""id":7"#,
        r#""method":"transact""#,
        r#""params":["db",1,2]"#,
    );
    for order in [
        [id, method, params],
        [id, params, method],
        [method, id, params],
        [method, params, id],
        [params, id, method],
        [params, method, id],
    ] {
        let expected = (Json::Integer(7), ("db".to_owned(), vec![1, 2]));
        assert_eq!(read(&order), Ok(expected), "{order:?}");
    }
    for wrong in [
        &[id, method][..],
        &[id, params],
        &[method, params],
        &[id, method, params, params],
        &[id, params, method, params],
        &[id, method, params, id],
        &[id, method, params, r#""more":1"#],
        &[id, r#""method":"monitor""#, params],
        &[id, method, r#""params":["db",1,"x"]"#],
        &[id, method, r#""params":["db",1]]"#],
        &[id, method, r#""params":[]"#],
    ] {
        assert_eq!(read(wrong), Err(Stop::Unexpected), "{wrong:?}");
    }
}
