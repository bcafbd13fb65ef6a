//! Locks across sessions: the replies, the notifications, and `assert`.

mod support;

use support::Fixture;

#[test]
fn locks_pass_between_sessions_and_assert_follows() {
    let fixture = Fixture::new(&["D"]);
    let (mut a, mut b) = (fixture.connect(), fixture.connect());
    let locked = |yes: bool| format!(r#"{{"error":null,"id":0,"result":{{"locked":{yes}}}}}"#);
    let assert_x = r#"{"op":"assert","lock":"x"}"#;
    let not_owner = r#"[{"details":"Asserted lock x not held.","error":"not owner"}]"#;

    assert_eq!(a.call("lock", r#"["x"]"#), locked(true));
    assert_eq!(b.call("lock", r#"["x"]"#), locked(false));
    a.check(assert_x, "[{}]");
    b.check(assert_x, not_owner);

    assert_eq!(
        a.call("unlock", r#"["x"]"#),
        r#"{"error":null,"id":0,"result":{}}"#
    );
    assert_eq!(b.next(), r#"{"id":null,"method":"locked","params":["x"]}"#);
    b.check(assert_x, "[{}]");
    a.check(assert_x, not_owner);

    assert_eq!(a.call("steal", r#"["x"]"#), locked(true));
    assert_eq!(b.next(), r#"{"id":null,"method":"stolen","params":["x"]}"#);
    b.check(assert_x, not_owner);
    drop(a);
    assert_eq!(b.next(), r#"{"id":null,"method":"locked","params":["x"]}"#);
    b.check(assert_x, "[{}]");
}

#[test]
fn a_lock_that_is_held_must_be_unlocked_before_it_is_asked_for_again() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    client.call("lock", r#"["x"]"#);
    assert_eq!(
        client.call("steal", r#"["x"]"#),
        concat!(
            r#"{"error":{"details":"must issue \"unlock\" before new \"steal\"","error":"syntax error","#,
            r#""syntax":"[\"x\"]"},"id":0}"#,
        )
    );
}

#[test]
fn an_assert_sees_the_locks_of_its_own_session_as_requested_before_it() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    let transact = r#"["D",{"op":"assert","lock":"x"},{"op":"insert","table":"U","row":{}}]"#;
    for round in 0..50 {
        client.request("1", "lock", r#"["x"]"#);
        client.request("2", "transact", transact);
        client.request("3", "unlock", r#"["x"]"#);
        client.request("4", "transact", transact);
        assert_eq!(
            client.next(),
            r#"{"error":null,"id":1,"result":{"locked":true}}"#,
            "{round}"
        );
        assert_eq!(
            client.next(),
            r#"{"error":null,"id":2,"result":[{},{"uuid":["uuid","U"]}]}"#,
            "{round}"
        );
        assert_eq!(
            client.next(),
            r#"{"error":null,"id":3,"result":{}}"#,
            "{round}"
        );
        assert!(client.next().contains(r#""error":"not owner""#), "{round}");
    }
}
