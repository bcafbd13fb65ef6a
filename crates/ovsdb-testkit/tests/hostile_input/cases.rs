//! The bad input itself.

use ovsdb_testkit::differential::dice::Dice;

/// What is sent, and what happens after it.
pub(crate) struct Case {
    /// What is wrong.
    pub(crate) name: String,
    /// What is sent.
    pub(crate) bytes: Vec<u8>,
    /// Whether every byte is sent on its own.
    pub(crate) byte_by_byte: bool,
    /// What the sender does then.
    pub(crate) ending: Ending,
    /// Set where ours is meant to behave otherwise.
    pub(crate) differs: Option<Differs>,
}

/// How ours behaves where it is not as the reference.
pub(crate) struct Differs {
    /// Why.
    #[expect(dead_code, reason = "for readers of the list")]
    pub(crate) reason: &'static str,
    /// What ours sends.
    pub(crate) ours: String,
}

/// What the sender does after its bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// It waits for the server to end the connection.
    Dropped,
    /// It sends one more request, and then no more.
    Open,
    /// It stops sending at once.
    HalfClosed,
}

fn case(ending: Ending, bytes: impl AsRef<[u8]>) -> Case {
    let bytes = bytes.as_ref();
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
    Case {
        name: format!("{shown:?} ({} bytes)", bytes.len()),
        bytes: bytes.to_vec(),
        byte_by_byte: false,
        ending,
        differs: None,
    }
}

/// A request with the id 1 that only ours grants.
fn answered_by_ours(request: String, result: &str, reason: &'static str) -> Case {
    let ours = format!(
        r#"{{"error":null,"id":1,"result":{result}}}{{"error":null,"id":"probe","result":["alive"]}}"#
    );
    Case {
        differs: Some(Differs { reason, ours }),
        ..case(Ending::Open, request)
    }
}

/// A value in an `echo`, of which ours makes something else: `None` is the end of the connection.
fn differing(value: &[u8], ours: Option<&str>, reason: &'static str) -> Case {
    let ours = ours.map_or(String::new(), |result| {
        format!(
            r#"{{"error":null,"id":1,"result":[{result}]}}{{"error":null,"id":"probe","result":["alive"]}}"#
        )
    });
    Case {
        differs: Some(Differs { reason, ours }),
        ..case(Ending::Open, echo(value))
    }
}

fn echo(value: &[u8]) -> Vec<u8> {
    [&br#"{"id":1,"method":"echo","params":["#[..], value, b"]}"].concat()
}

/// Text that is no JSON, alone and inside of a request.
pub(crate) fn malformed() -> Vec<Case> {
    let alone: [&[u8]; 20] = [
        b"}",
        b"]",
        b"nonsense",
        b"hello world\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"{]",
        b"[}",
        b"[1,2}",
        b"{\"a\":1]",
        b"{,}",
        b"{1:2}",
        b"{\"a\"}",
        b"{\"a\":}",
        b"{\"a\":1,}",
        b"{\"a\" 1}",
        b"{'a':1}",
        b"[1,]",
        b"[,1]",
        b"[1 2]",
        b"\xef\xbb\xbf{}",
    ];
    // In place of a value within a request that is well formed apart from it.
    let values: [&[u8]; 58] = [
        b"nul",
        b"nulll",
        b"True",
        b"undefined",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"01",
        b"-01",
        b"00",
        b"1.",
        b".5",
        b"-",
        b"--1",
        b"+1",
        b"1e",
        b"1e+",
        b"1.e5",
        b"0x10",
        b"1_000",
        b"1e400",
        b"-1e400",
        b"1e99999999999999999999",
        b"1e-400",
        b"1.1.1",
        b"/* comment */ 1",
        b"// comment",
        b"#",
        b"\"\\x41\"",
        b"\"\\u12\"",
        b"\"\\u12G4\"",
        b"\"\\U00000041\"",
        b"\"\\'\"",
        b"\"\\ \"",
        b"\"\\u0000\"",
        b"\"a\\u0000b\"",
        b"\"\\ud800\"",
        b"\"\\ud800x\"",
        b"\"\\udc00\"",
        b"\"\\ud800\\u0041\"",
        b"\"\\ud800\\ud800\"",
        b"\"\\ud800\\\"",
        b"\"line\nbreak\"",
        b"\"tab\there\"",
        b"\"\x01\"",
        b"\"\x1f\"",
        b"\"\x00\"",
        b"\x00",
        b"\xff",
        b"\xc3\xa9",
        b"\"\xff\"",
        b"\"\xfe\xff\"",
        b"\"\xc3\"",
        b"\"\xc3(\"",
        b"\"\xe2\x82\"",
        b"\"\xc0\xaf\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf4\x90\x80\x80\"",
    ];
    let mut cases: Vec<Case> = alone.map(|bytes| case(Ending::Open, bytes)).into();
    for value in values {
        cases.push(case(Ending::Open, echo(value)));
    }
    cases.push(differing(
        b"5e-324",
        Some("5e-324"),
        "the reference refuses numbers too small for their full precision, even those it wrote itself",
    ));
    cases.push(differing(
        b"1\x002",
        None,
        "the reference takes a null byte for the end of a number and ignores what follows it",
    ));
    // The same without anything after it: the server must end the connection by itself.
    for value in ["nul", "1.", "1e400", r#""\x""#] {
        let request = format!(r#"{{"id":1,"method":"echo","params":[{value}]}}"#);
        cases.push(case(Ending::Dropped, request));
    }
    // What came before is answered.
    let echo = r#"{"id":1,"method":"echo","params":[]}"#;
    cases.push(case(Ending::Dropped, format!("{echo}{echo}}}")));
    cases.push(case(Ending::Dropped, format!("{echo}\n{{]")));
    for depth in [1_001, 5_000, 100_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let request = format!(r#"{{"id":1,"method":"echo","params":{deep}}}"#);
        cases.push(case(Ending::Open, request));
        cases.push(case(Ending::Open, "[".repeat(depth)));
        cases.push(case(Ending::Open, r#"{"a":"#.repeat(depth)));
    }
    cases
}

/// JSON that a lesser parser would stumble over.
pub(crate) fn unusual() -> Vec<Case> {
    let values = [
        "0",
        "-0",
        "-0.0",
        "0.0",
        "0e0",
        "1.0",
        "1e2",
        "1E+2",
        "100e-2",
        "1.5",
        "-1.5e-7",
        "0.1",
        "1e15",
        "1e16",
        "1e17",
        "1e18",
        "1e19",
        "1e20",
        "1e22",
        "1e308",
        "123456789012345678",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "9223372036854775807.0",
        "92233720368547758070e-1",
        "0.30000000000000004",
        "3.141592653589793",
        "1e-7",
        "0.000001",
        "0.0000001",
        "123456.789e3",
        "2.5e-308",
        "1.7976931348623e308",
        "99999999999999999999999999999999999999999999999999",
        "0.1e1",
        "10.00000000000000000001",
        r#""""#,
        r#""\u0041\u00e9\u65e5\ud83d\ude00""#,
        r#""\"\\\/\b\f\n\r\t""#,
        r#""/""#,
        "\"\u{7f}\u{80}\u{a0}\u{2028}\u{2029}\u{feff}\u{fffd}\u{ffff}\u{10ffff}\"",
        r#""\u0001\u001f\u007f\u0080""#,
        r#""</script>""#,
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        r#"{"":""}"#,
        r#"{"b":1,"a":2,"b":3}"#,
        r#"{"z":1,"é":2,"A":3,"a":4,"":5,"aa":6}"#,
        r#"{"\u0061":1,"a":2}"#,
        " [ 1 , 2 ] ",
        "\t\r\n[\n]\n",
        "true",
        "false",
        "null",
    ];
    let mut cases: Vec<Case> = values
        .iter()
        .map(|value| {
            let request = format!(r#"{{"id":1,"method":"echo","params":[{value}]}}"#);
            case(Ending::Open, request)
        })
        .collect();
    cases.push(differing(
        b"18446744073709551616",
        Some("1.8446744073709552e+19"),
        "the reference makes 0 of it",
    ));
    for depth in [10, 100, 990, 995, 996, 997, 998, 999, 1_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        cases.push(case(
            Ending::Open,
            format!(r#"{{"id":1,"method":"echo","params":{deep}}}"#),
        ));
    }
    for digits in [50, 400, 5_000] {
        let number = format!("0.{}1", "0".repeat(digits.min(290)));
        let number = if digits > 300 {
            format!("0.{}", "3".repeat(digits))
        } else {
            number
        };
        cases.push(case(
            Ending::Open,
            format!(r#"{{"id":1,"method":"echo","params":[{number}]}}"#),
        ));
    }
    let long = "x".repeat(300_000);
    cases.push(case(
        Ending::Open,
        format!(r#"{{"id":1,"method":"echo","params":["{long}"]}}"#),
    ));
    cases.push(case(
        Ending::Open,
        format!("{}{}", " \n\t\r".repeat(10_000), ""),
    ));
    let many = r#"{"id":1,"method":"echo","params":[1]}"#.repeat(500);
    cases.push(case(Ending::Open, many));
    for text in [
        r#"{"id":1,"method":"echo","params":["é😀\u00e9"]}"#,
        r#"{"id":2,"method":"get_schema","params":["nosuch"]}"#,
        r#"{"id":3,"method":"transact","params":["Limits",{"op":"select","table":"ByName","where":[]}]}"#,
    ] {
        cases.push(Case {
            byte_by_byte: true,
            ..case(Ending::Open, text)
        });
    }
    cases
}

/// Messages that are JSON, but no request as RFC 7047, section 4, has them.
pub(crate) fn envelopes() -> Vec<Case> {
    [
        "{}",
        "[]",
        "[1]",
        r#""text""#,
        "1",
        "null",
        r#"{"id":1}"#,
        r#"{"id":1,"method":"echo"}"#,
        r#"{"id":1,"params":[]}"#,
        r#"{"method":"echo","params":[]}"#,
        r#"{"id":null,"method":"echo","params":[]}"#,
        r#"{"id":1,"method":"echo","params":{}}"#,
        r#"{"id":1,"method":"echo","params":null}"#,
        r#"{"id":1,"method":"echo","params":"x"}"#,
        r#"{"id":1,"method":1,"params":[]}"#,
        r#"{"id":1,"method":null,"params":[]}"#,
        r#"{"id":1,"method":"","params":[]}"#,
        r#"{"id":1,"method":"echo","params":[],"extra":1}"#,
        r#"{"id":1,"method":"echo","params":[],"result":[]}"#,
        r#"{"id":1,"method":"echo","params":[],"error":null}"#,
        r#"{"id":1,"method":"echo","params":[],"result":null,"error":null}"#,
        r#"{"id":1,"method":"list_dbs","method":"echo","params":[]}"#,
        r#"{"id":1,"id":2,"method":"echo","params":[]}"#,
        r#"{"id":1,"jsonrpc":"2.0","method":"echo","params":[]}"#,
        r#"{"id":"","method":"echo","params":[]}"#,
        r#"{"id":"é","method":"echo","params":[]}"#,
        r#"{"id":true,"method":"echo","params":[]}"#,
        r#"{"id":1.5,"method":"echo","params":[]}"#,
        r#"{"id":1e3,"method":"echo","params":[]}"#,
        r#"{"id":9223372036854775808,"method":"echo","params":[]}"#,
        r#"{"id":[1,{"b":2,"a":1}],"method":"echo","params":[]}"#,
        r#"{"id":{},"method":"echo","params":[{"b":1,"a":[null]}]}"#,
        r#"{"id":1,"method":"nosuch","params":[]}"#,
        r#"{"id":1,"method":"Echo","params":[]}"#,
        r#"{"id":1,"method":"transact ","params":[]}"#,
        r#"{"id":1,"method":"é","params":[{"a":1}]}"#,
        r#"{"id":1,"method":"update","params":[]}"#,
        r#"{"id":null,"method":"nosuch","params":[]}"#,
        r#"{"id":null,"method":"update","params":["x",{}]}"#,
        r#"{"id":null,"method":"transact","params":["Limits"]}"#,
        r#"{"id":null,"method":"cancel","params":[1]}"#,
        r#"{"id":null,"method":"cancel","params":[]}"#,
        r#"{"id":null,"method":"cancel","params":[1,2]}"#,
        r#"{"id":1,"method":"cancel","params":[1]}"#,
        r#"{"id":1,"result":[],"error":null}"#,
        r#"{"id":1,"result":null,"error":"x"}"#,
        r#"{"id":1,"result":[],"error":"x"}"#,
        r#"{"id":null,"result":[],"error":null}"#,
        r#"{"id":1,"result":null,"error":null}"#,
        r#"{"result":[],"error":null}"#,
        r#"{"id":1,"error":"x"}"#,
        r#"{"id":1,"result":[]}"#,
        r#"[{"id":1,"method":"echo","params":[]}]"#,
    ]
    .map(|text| case(Ending::Open, text))
    .into()
}

/// Requests with parameters that their methods do not take.
pub(crate) fn parameters() -> Vec<Case> {
    // Method and parameters. A "monitor" with fewer than three is missing: those crash the reference.
    let requests: &[(&str, &[&str])] = &[
        (
            "get_schema",
            &[
                "[]",
                "[1]",
                "[null]",
                r#"["nosuch"]"#,
                r#"["Limits"]"#,
                r#"["Limits",1]"#,
                r#"[["Limits"]]"#,
                r#"["_Server"]"#,
            ],
        ),
        ("list_dbs", &["[]", "[1]"]),
        ("get_server_id", &["[1]"]),
        (
            "set_db_change_aware",
            &["[]", "[1]", "[true,true]", "[null]", "[false]"],
        ),
        ("echo", &["[]", r#"[1,"a",null,{"b":[],"a":{}}]"#]),
        (
            "lock",
            &[
                "[]",
                "[1]",
                r#"["a","b"]"#,
                r#"[""]"#,
                r#"["a b"]"#,
                r#"["1a"]"#,
                r#"["é"]"#,
                r#"["L"]"#,
            ],
        ),
        ("steal", &["[]", "[1]", r#"["a b"]"#, r#"["S"]"#]),
        ("unlock", &["[]", "[1]", r#"["never"]"#, r#"["a b"]"#]),
        (
            "monitor_cancel",
            &[
                "[]",
                "[1]",
                r#"["nosuch"]"#,
                r#"["a","b"]"#,
                r#"[{"b":1,"a":2}]"#,
            ],
        ),
        (
            "monitor",
            &[
                r#"["nosuch","m",{}]"#,
                r#"[1,"m",{}]"#,
                r#"["Limits","m",[]]"#,
                r#"["Limits","m",1]"#,
                r#"["Limits","m",{}]"#,
                r#"["Limits","m",{"nosuch":{}}]"#,
                r#"["Limits","m",{"ByName":1}]"#,
                r#"["Limits","m",{"ByName":null}]"#,
                r#"["Limits","m",{"ByName":[]}]"#,
                r#"["Limits","m",{"ByName":[1]}]"#,
                r#"["Limits","m",{"ByName":{"columns":1}}]"#,
                r#"["Limits","m",{"ByName":{"columns":[]}}]"#,
                r#"["Limits","m",{"ByName":{"columns":[1]}}]"#,
                r#"["Limits","m",{"ByName":{"columns":["nosuch"]}}]"#,
                r#"["Limits","m",{"ByName":{"columns":["name","name"]}}]"#,
                r#"["Limits","m",{"ByName":[{"columns":["name"]},{"columns":["name"]}]}]"#,
                r#"["Limits","m",{"ByName":[{"columns":["name"]},{"columns":["note"]}]}]"#,
                r#"["Limits","m",{"ByName":{"columns":["_uuid","_version"]}}]"#,
                r#"["Limits","m",{"ByName":{"select":1}}]"#,
                r#"["Limits","m",{"ByName":{"select":{"initial":1}}}]"#,
                r#"["Limits","m",{"ByName":{"select":{"nosuch":true}}}]"#,
                r#"["Limits","m",{"ByName":{"extra":1}}]"#,
                r#"["Limits",null,{"ByName":{}}]"#,
                r#"["Limits",{"b":1,"a":2},{"ByName":{}}]"#,
                r#"["Limits","m",{},"more"]"#,
            ],
        ),
        (
            "transact",
            &[
                "[]",
                "[1]",
                "[null]",
                r#"["nosuch"]"#,
                r#"["nosuch",{"op":"abort"}]"#,
                r#"[["Limits"]]"#,
                r#"["Limits"]"#,
                r#"["Limits",1]"#,
                r#"["Limits",null]"#,
                r#"["Limits",[]]"#,
                r#"["Limits",{}]"#,
                r#"["Limits",{"op":1}]"#,
                r#"["Limits",{"op":"nosuch"}]"#,
                r#"["Limits",{"op":"a b"}]"#,
                r#"["Limits",{"op":"comment","comment":1},{"op":"abort"}]"#,
                r#"["Limits",{"op":"comment","comment":"x"},[],{"op":"abort"}]"#,
                r#"["Limits",{"op":"insert"}]"#,
                r#"["Limits",{"op":"insert","table":"nosuch","row":{}}]"#,
                r#"["Limits",{"op":"insert","table":"ByName","row":{},"extra":1}]"#,
                r#"["Limits",{"op":"select","table":"ByName","where":[["a"]]}]"#,
                r#"["Limits",{"op":"wait","table":"ByName","where":[],"until":"=","rows":[],"timeout":0}]"#,
                r#"["Limits",{"op":"wait","table":"ByName","where":[],"until":"!=","rows":[],"timeout":-1}]"#,
                r#"["Limits",{"op":"wait","table":"ByName","where":[],"until":"!=","rows":[],"timeout":1.5}]"#,
                r#"["Limits",{"op":"assert","lock":"a b"}]"#,
                r#"["Limits",{"op":"assert","lock":"L"}]"#,
                r#"["Limits",{"op":"commit"}]"#,
                r#"["Limits",{"op":"commit","durable":1}]"#,
                r#"["Limits",{"op":"commit","durable":true}]"#,
            ],
        ),
    ];
    let mut cases = Vec::new();
    for (method, all) in requests {
        for parameters in *all {
            let request = format!(r#"{{"id":1,"method":"{method}","params":{parameters}}}"#);
            cases.push(case(Ending::Open, request));
        }
    }
    cases.extend(conditions());
    let message = |id: u32, method: &str, parameters: &str| {
        format!(r#"{{"id":{id},"method":"{method}","params":{parameters}}}"#)
    };
    let forever = r#"["Limits",{"op":"wait","table":"ByName","where":[],"columns":["name"],"until":"==","rows":[{"name":"zzz"}]}]"#;
    let monitor = r#"["Limits","m",{"ByName":{}}]"#;
    let sequences = [
        // Equal ids: of answered requests they are nobody's business, of waiting ones an error.
        message(1, "echo", "[]").repeat(2),
        message(1, "transact", forever).repeat(2),
        message(1, "transact", forever) + &message(1, "echo", "[]"),
        message(1, "transact", forever) + &message(1, "transact", r#"["Limits"]"#),
        message(1, "monitor", monitor).repeat(2),
        message(1, "monitor", monitor) + &message(2, "monitor_cancel", r#"["m"]"#).repeat(2),
        message(1, "lock", r#"["K"]"#).repeat(2),
        message(1, "lock", r#"["K"]"#) + &message(2, "steal", r#"["K"]"#),
        message(1, "lock", r#"["K"]"#) + &message(2, "unlock", r#"["K"]"#).repeat(2),
    ];
    cases.extend(sequences.map(|text| case(Ending::Open, text)));
    cases
}

/// Requests of conditional monitors, and of conversions, that are wrong.
fn conditions() -> Vec<Case> {
    // What is asked of the table `ByName`.
    let requests = [
        "1",
        "null",
        "[]",
        "[1]",
        "{}",
        r#"{"extra":1}"#,
        r#"{"columns":1}"#,
        r#"{"columns":["nosuch"]}"#,
        r#"[{"columns":["name"]},{"columns":["name"]}]"#,
        r#"[{"columns":["name"]},{"columns":["note"]}]"#,
        r#"{"select":1}"#,
        r#"{"select":{"initial":1}}"#,
        r#"{"select":{"nosuch":true}}"#,
        r#"{"where":1}"#,
        r#"{"where":null}"#,
        r#"{"where":true}"#,
        r#"{"where":{}}"#,
        r#"{"where":[]}"#,
        r#"{"where":[true]}"#,
        r#"{"where":[false]}"#,
        r#"{"where":[1]}"#,
        r#"{"where":["true"]}"#,
        r#"{"where":[null]}"#,
        r#"{"where":[[]]}"#,
        r#"{"where":[["name"]]}"#,
        r#"{"where":[["name","=="]]}"#,
        r#"{"where":[["name","==","a","b"]]}"#,
        r#"{"where":[[1,"==","a"]]}"#,
        r#"{"where":[["name",1,"a"]]}"#,
        r#"{"where":[["nosuch","==","a"]]}"#,
        r#"{"where":[["name","nosuch","a"]]}"#,
        r#"{"where":[["name","<","a"]]}"#,
        r#"{"where":[["note","<","a"]]}"#,
        r#"{"where":[["name","==",1]]}"#,
        r#"{"where":[["name","==","abcd"]]}"#,
        r#"{"where":[["name","==",["set",[]]]]}"#,
        r#"{"where":[["note","==",["set",["a","b"]]]]}"#,
        r#"{"where":[["note","includes",["set",["a","b"]]]]}"#,
        r#"{"where":[["note","excludes",["set",["a","b"]]]]}"#,
        r#"{"where":[["_uuid","==","a"]]}"#,
        r#"{"where":[["_uuid","==",["uuid","a"]]]}"#,
        r#"{"where":[["_uuid","==",["named-uuid","a"]]]}"#,
        r#"{"where":[["name","==","a"],1]}"#,
    ];
    let nil = r#""00000000-0000-0000-0000-000000000000""#;
    let mut texts = Vec::new();
    let mut request = |id: u32, method: &str, parameters: String| {
        texts.push(format!(
            r#"{{"id":{id},"method":"{method}","params":{parameters}}}"#
        ));
    };
    for asked in requests {
        let asked = format!(r#""Limits","m",{{"ByName":{asked}}}"#);
        request(1, "monitor_cond", format!("[{asked}]"));
        request(1, "monitor_cond_since", format!("[{asked},{nil}]"));
    }
    let lists = [
        "[]",
        "[1]",
        r#"["Limits"]"#,
        r#"["Limits","m"]"#,
        r#"["nosuch","m",{}]"#,
        r#"["Limits","m",[]]"#,
        r#"["Limits","m",null]"#,
        r#"["Limits","m",{}]"#,
        r#"["Limits","m",{"nosuch":{}}]"#,
        r#"["Limits",null,{}]"#,
        r#"["Limits","m",{},1]"#,
        r#"["Limits","m",{},null]"#,
        r#"["Limits","m",{},""]"#,
        r#"["Limits","m",{},"m"]"#,
        r#"["Limits","m",{},"00000000-0000-0000-0000-00000000000g"]"#,
        r#"["Limits","m",{},"00000000-0000-0000-0000-0000000000000"]"#,
        r#"["Limits","m",{},"00000000000000000000000000000000"]"#,
        r#"["Limits","m",{},"0a1b2c3d-4e5f-4071-8293-a4b5c6d7e8f9"]"#,
        r#"["Limits","m",{},"00000000-0000-0000-0000-000000000000",1]"#,
    ];
    for list in lists {
        for method in ["monitor_cond", "monitor_cond_since", "monitor_cond_change"] {
            request(1, method, list.to_owned());
        }
    }
    // Nothing of these may be done. A conversion that is right would leave another database.
    for list in [
        "[]",
        "[1]",
        r#"["Limits"]"#,
        r#"["nosuch",{}]"#,
        r#"["Limits",1]"#,
        r#"["Limits",[]]"#,
        r#"["Limits",{}]"#,
        r#"["Limits",{"name":"Limits"}]"#,
        r#"["Limits",{"name":"Other","tables":{"T":{"columns":{"c":{"type":"integer"}}}}}]"#,
        r#"["Limits",{"name":"Limits","tables":{"T":{"columns":{"c":{"type":"nosuch"}}}}}]"#,
        r#"["Limits",{"name":"Limits","tables":{},"extra":1}]"#,
        r#"["Limits",{"name":"Limits","tables":{}},1]"#,
    ] {
        request(1, "convert", list.to_owned());
    }
    // Changes of what a monitor asks for.
    let before = r#"{"id":1,"method":"monitor_cond","params":["Limits","m",{"ByName":{}}]}"#;
    let changes = [
        r#"["m","m",[]]"#,
        r#"["m","m",null]"#,
        r#"["m","m",{}]"#,
        r#"["m","n",{}]"#,
        r#"["n","m",{}]"#,
        r#"["m",{},{}]"#,
        r#"["m","m"]"#,
        r#"["m","m",{},1]"#,
        r#"["m","m",{"nosuch":[]}]"#,
        r#"["m","m",{"Single":[]}]"#,
        r#"["m","m",{"ByName":1}]"#,
        r#"["m","m",{"ByName":{}}]"#,
        r#"["m","m",{"ByName":{"where":[]}}]"#,
        r#"["m","m",{"ByName":[]}]"#,
        r#"["m","m",{"ByName":[1]}]"#,
        r#"["m","m",{"ByName":[{"where":1}]}]"#,
        r#"["m","m",{"ByName":[{"where":[1]}]}]"#,
        r#"["m","m",{"ByName":[{"where":[],"extra":1}]}]"#,
        r#"["m","m",{"ByName":[{"where":[],"select":{}}]}]"#,
        r#"["m","m",{"ByName":[{"where":[],"columns":1}]}]"#,
        r#"["m","m",{"ByName":[{"where":[],"columns":[]}]}]"#,
        r#"["m","m",{"ByName":[{"where":[["nosuch","==",1]]}]}]"#,
        r#"["m","m",{"ByName":[{"where":[["name","==",1]]}]}]"#,
        r#"["m","m",{"ByName":[{"where":[true]},{"where":[false]}]}]"#,
    ];
    let changes = changes.map(|change| {
        format!(r#"{before}{{"id":2,"method":"monitor_cond_change","params":{change}}}"#)
    });
    let plain = r#"{"id":1,"method":"monitor","params":["Limits","m",{"ByName":{}}]}{"id":2,"method":"monitor_cond_change","params":["m","n",{"ByName":[{"where":[]}]}]}{"id":3,"method":"monitor_cancel","params":["n"]}"#;
    texts.extend(changes);
    texts.push(plain.to_owned());
    texts.push(before.repeat(2));
    let older_name = before.replace("monitor_cond", "monitor2");
    let mut cases: Vec<Case> = texts
        .into_iter()
        .map(|text| case(Ending::Open, text))
        .collect();
    cases.push(answered_by_ours(
        older_name,
        "{}",
        "the reference does not know this name of older manuals for monitor_cond",
    ));
    cases
}

/// Requests with one to three bytes that are wrong, chosen by a fixed seed.
pub(crate) fn garbled() -> Vec<Case> {
    const WRONG: &[u8] = b"{}[]\",:\\/0123456789eE+-.tfnu \t\n\x01\x7f\x80\xc3\xff";
    const CASES: usize = 1_300;
    let requests = [
        r#"{"id":1,"method":"echo","params":[1,-2.5e3,"a\"b\\\u00e9",true,false,null,{"k":[{}]},[[]]]}"#,
        r#"{"id":[1,"x"],"method":"get_schema","params":["nosuch"]}"#,
        r#"{"id":"é","method":"transact","params":["Limits",{"op":"select","table":"ByName","where":[["name","==","no"]],"columns":["note"]}]}"#,
        r#"{"id":1,"method":"transact","params":["Limits",{"op":"abort"},{"op":"insert","table":"BySet","row":{"numbers":["set",[1,2]],"labels":["map",[["a",1]]]}}]}"#,
        r#"{"id":1,"method":"monitor","params":["Limits","m",{"ByPair":{"columns":["first","second"],"select":{"initial":false}}}]}"#,
        r#"{"id":1,"method":"lock","params":["L"]}{"id":2,"method":"unlock","params":["L"]}"#,
        r#"{"id":1,"method":"monitor_cond","params":["Limits","m",{"ByPair":[{"columns":["first"],"where":[["first",">=",2],false]}]}]}{"id":2,"method":"monitor_cancel","params":["m"]}"#,
        r#"{"id":1,"method":"monitor_cond_since","params":["Limits","m",{"ByName":{"where":[["name","!=","a"]]}},"00000000-0000-0000-0000-000000000000"]}"#,
    ];
    let mut dice = Dice::new(1);
    let mut cases = Vec::new();
    while cases.len() < CASES {
        let mut bytes = dice.pick(&requests).as_bytes().to_vec();
        for _ in 0..1 + dice.below(3) {
            let (at, wrong) = (dice.below(bytes.len()), *dice.pick(WRONG));
            match dice.below(3) {
                0 => bytes[at] = wrong,
                1 => bytes.insert(at, wrong),
                _ => {
                    bytes.remove(at);
                }
            }
        }
        // Names and error texts are UTF-8 here; what is not is shown as U+FFFD.
        if std::str::from_utf8(&bytes).is_ok() {
            cases.push(Case {
                byte_by_byte: dice.chance(5),
                ..case(Ending::Open, bytes)
            });
        }
    }
    cases
}

/// Messages whose end never comes, and peers that stop sending.
pub(crate) fn interrupted() -> Vec<Case> {
    let select = r#"{"id":1,"method":"transact","params":["Limits",{"op":"select","table":"ByName","where":[]}]}"#;
    let forever = r#"{"id":1,"method":"transact","params":["Limits",{"op":"wait","table":"ByName","where":[],"columns":["name"],"until":"==","rows":[{"name":"zzz"}]}]}"#;
    let monitor = r#"{"id":2,"method":"monitor","params":["Limits","m",{"ByName":{}}]}"#;
    let lock = r#"{"id":3,"method":"lock","params":["K"]}"#;
    let long = format!(
        r#"{{"id":1,"method":"echo","params":["{}"#,
        "x".repeat(200_000)
    );
    let mut cases: Vec<Case> = [
        String::new(),
        "{".to_owned(),
        "[1,2".to_owned(),
        r#"{"id":1,"method":"echo","params":["\"#.to_owned(),
        r#"{"id":1,"method":"echo","params":["\ud83d"#.to_owned(),
        select[..select.len() - 1].to_owned(),
        select.to_owned(),
        format!("{select}{{"),
        select.repeat(20),
        forever.to_owned(),
        format!("{forever}{select}"),
        monitor.to_owned(),
        format!("{monitor}{lock}"),
        lock.to_owned(),
        long,
    ]
    .map(|text| case(Ending::HalfClosed, text))
    .into();
    cases.push(case(Ending::HalfClosed, b"{\"id\":1,\"method\":\"\xe2\x82"));
    for text in [select, forever, r#"{"id":1,"#] {
        cases.push(Case {
            byte_by_byte: true,
            ..case(Ending::HalfClosed, text)
        });
    }
    cases
}
