//! Requests and notifications that are wrong, unknown or unusual, as steps of a script.
//!
//! Each has one mistake: of several, the reference names the first of a hash table.

/// Requests: method and parameters. Among them are no `monitor` of less than three parameters and no
/// `monitor_cond_change` without `where`: those crash the reference.
pub(crate) const REQUESTS: &[(&str, &str)] = &[
    ("nosuch", "[]"),
    ("monitor_cond_since2", "[]"),
    ("update", "[]"),
    ("locked", r#"["L"]"#),
    ("echo", "[]"),
    ("echo", r#"[1,"a",null,{"b":[]}]"#),
    ("list_dbs", "[]"),
    ("list_dbs", r#"["x"]"#),
    ("get_schema", r#"["Sessions"]"#),
    ("get_schema", r#"["nosuch"]"#),
    ("get_schema", "[]"),
    ("get_server_id", "[]"),
    ("set_db_change_aware", "[true]"),
    ("set_db_change_aware", "[false]"),
    ("set_db_change_aware", "[]"),
    ("set_db_change_aware", "[1]"),
    ("set_db_change_aware", "[true,true]"),
    ("lock", "[]"),
    ("lock", r#"["a b"]"#),
    ("steal", "[1]"),
    ("unlock", r#"["never"]"#),
    ("unlock", "[1,2]"),
    ("monitor_cancel", "[]"),
    ("monitor_cancel", r#"["nosuch"]"#),
    ("monitor_cancel", r#"["m0","m1"]"#),
    ("transact", r#"["Sessions"]"#),
    ("transact", r#"["nosuch",{"op":"abort"}]"#),
    ("transact", "[]"),
    ("transact", r#"["Sessions",{"op":"nosuch"}]"#),
    ("monitor", r#"["nosuch","x",{}]"#),
    ("monitor", r#"["Sessions","x",[]]"#),
    ("monitor", r#"["Sessions","x",{"nosuch":{}}]"#),
    ("monitor", r#"["Sessions","x",{"Item":{"where":[]}}]"#),
    ("monitor", r#"["Sessions","x",{"Item":1}]"#),
    ("monitor_cond", "[]"),
    ("monitor_cond", r#"["Sessions"]"#),
    ("monitor_cond", r#"["Sessions","x"]"#),
    (
        "monitor_cond",
        r#"["Sessions","x",{},"00000000-0000-0000-0000-000000000000"]"#,
    ),
    ("monitor_cond", r#"["nosuch","x",{}]"#),
    ("monitor_cond", r#"["Sessions","x",[]]"#),
    ("monitor_cond", r#"["Sessions","x",null]"#),
    ("monitor_cond", r#"["Sessions","x",{"nosuch":[{}]}]"#),
    ("monitor_cond", r#"["Sessions","x",{"Item":1}]"#),
    ("monitor_cond", r#"["Sessions","x",{"Item":[1]}]"#),
    ("monitor_cond", r#"["Sessions","x",{"Item":[{"extra":1}]}]"#),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"columns":1}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"columns":[1]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"columns":["nosuch"]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"columns":["name","name"]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"columns":["name"]},{"columns":["name"]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"select":1}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"select":{"initial":1}}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"select":{"nosuch":true}}]}]"#,
    ),
    ("monitor_cond", r#"["Sessions","x",{"Item":[{"where":1}]}]"#),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"where":true}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"where":[1]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"where":["true"]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"where":[[]]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"where":[["name","=="]]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"where":[["name","==","a","b"]]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"where":[["nosuch","==","a"]]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"where":[["name","nosuch","a"]]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"where":[["name","<","a"]]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"where":[["tags","<",1]]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"where":[["name","==",1]]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"where":[["kind","==","z"]]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"where":[["tags","==",["set",["a","b","c","d"]]]]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"where":[["ratio","<",["set",[]]]]}]}]"#,
    ),
    (
        "monitor_cond",
        r#"["Sessions","x",{"Item":[{"where":[["owner","==",["named-uuid","x"]]]}]}]"#,
    ),
    ("monitor_cond_since", "[]"),
    ("monitor_cond_since", r#"["Sessions","x",{}]"#),
    (
        "monitor_cond_since",
        r#"["Sessions","x",{},"00000000-0000-0000-0000-000000000000",1]"#,
    ),
    ("monitor_cond_since", r#"["Sessions","x",{"Item":[{}]},1]"#),
    (
        "monitor_cond_since",
        r#"["Sessions","x",{"Item":[{}]},null]"#,
    ),
    ("monitor_cond_since", r#"["Sessions","x",{"Item":[{}]},""]"#),
    (
        "monitor_cond_since",
        r#"["Sessions","x",{"Item":[{}]},"00000000"]"#,
    ),
    (
        "monitor_cond_since",
        r#"["Sessions","x",{"Item":[{}]},"00000000-0000-0000-0000-00000000000g"]"#,
    ),
    (
        "monitor_cond_since",
        r#"["Sessions","x",[],"00000000-0000-0000-0000-000000000000"]"#,
    ),
    (
        "monitor_cond_since",
        r#"["Sessions","x",{"nosuch":[]},"00000000-0000-0000-0000-000000000000"]"#,
    ),
    ("monitor_cond_change", "[]"),
    ("monitor_cond_change", r#"["nosuch","nosuch",{}]"#),
    ("monitor_cond_change", r#"["nosuch",{}]"#),
    ("monitor_cond_change", r#"["nosuch","x",{},1]"#),
];

/// Changes of the conditions of a monitor that watches the table `Item` alone: from the third parameter on.
pub(crate) const CHANGES: &[&str] = &[
    "[]",
    "null",
    r#"{"nosuch":[{"where":[]}]}"#,
    r#"{"Part":[{"where":[]}]}"#,
    r#"{"Item":{"where":[]}}"#,
    r#"{"Item":1}"#,
    r#"{"Item":[1]}"#,
    r#"{"Item":[{"where":[],"extra":1}]}"#,
    r#"{"Item":[{"where":[],"columns":["name"]}]}"#,
    r#"{"Item":[{"where":1}]}"#,
    r#"{"Item":[{"where":[1]}]}"#,
    r#"{"Item":[{"where":[["nosuch","==","a"]]}]}"#,
    r#"{"Item":[{"where":[["name","<","a"]]}]}"#,
    r#"{"Item":[{"where":[["name","==",1]]}]}"#,
    r#"{"Item":[{"where":[],"select":{}}]}"#,
];

/// What is no request: notifications, answers nobody asked for, and more; and whether that ends the connection.
pub(crate) const BYTES: &[(&str, bool)] = &[
    (r#"{"id":null,"method":"nosuch","params":[]}"#, false),
    (r#"{"id":null,"method":"cancel","params":[]}"#, false),
    (
        r#"{"id":null,"method":"cancel","params":["nosuch"]}"#,
        false,
    ),
    (r#"{"id":null,"method":"cancel","params":[1,2]}"#, false),
    (
        r#"{"id":null,"method":"transact","params":["Sessions"]}"#,
        false,
    ),
    (r#"{"id":null,"method":"lock","params":["L"]}"#, false),
    (
        r#"{"id":null,"method":"monitor_cond","params":["Sessions","n",{}]}"#,
        false,
    ),
    (r#"{"id":null,"method":"update2","params":["n",{}]}"#, false),
    (r#"{"id":"x","method":"cancel","params":[1]}"#, false),
    (r#"{"id":"x","method":"echo","params":{}}"#, true),
    (r#"{"id":"x","result":[],"error":null}"#, true),
    (r#"{"id":"x","result":null,"error":"no"}"#, true),
    (r#"{"id":"x"}"#, true),
    ("{}", true),
    ("[]", true),
    ("{]", true),
    ("nonsense", true),
];
