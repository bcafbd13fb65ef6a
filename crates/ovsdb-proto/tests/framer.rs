//! The framer: where messages end, what is refused and when, and that portions do not matter.

use ovsdb_proto::framer::{FrameError, Framer};
use ovsdb_proto::json::MAX_DEPTH;
use proptest::prelude::*;

/// The messages of `stream` and how it ends, if it comes in portions of `sizes` bytes, over and over.
fn frames(stream: &[u8], sizes: &[usize], max: usize) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut framer = Framer::new(max);
    let mut messages = Vec::new();
    let mut rest = stream;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes
            .next()
            .copied()
            .unwrap_or(usize::MAX)
            .clamp(1, rest.len());
        // Now and then in a room, which may be too small.
        if size % 3 == 0 {
            framer.move_into(vec![0; framer.buffered() + size % 5]);
        }
        framer.push(&rest[..size]);
        rest = &rest[size..];
        loop {
            match framer.next() {
                Ok(Some(message)) => messages.push(message.to_vec()),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(framer.next(), Err(error.clone()), "an error stays");
                    return (messages, Some(error));
                }
            }
        }
    }
    (messages, None)
}

#[track_caller]
fn check(stream: &str, messages: &[&str], error: Option<&str>) {
    for sizes in [&[usize::MAX][..], &[1], &[2, 3]] {
        let (found, failure) = frames(stream.as_bytes(), sizes, 1 << 20);
        let found: Vec<_> = found
            .iter()
            .map(|message| String::from_utf8_lossy(message))
            .collect();
        assert_eq!(found, messages, "{stream:?} in portions of {sizes:?}");
        assert_eq!(
            failure.map(|error| error.to_string()).as_deref(),
            error,
            "{stream:?} in portions of {sizes:?}"
        );
    }
}

#[test]
fn messages_end_with_their_outermost_bracket() {
    check("", &[], None);
    check(" \r\n\t", &[], None);
    check("{}[]{}", &["{}", "[]", "{}"], None);
    check(
        " {\"id\": 1} \n [2, [3]] ",
        &["{\"id\": 1}", "[2, [3]]"],
        None,
    );
    check(
        r#"["]","\"]","\\"]{"}":"{"}"#,
        &[r#"["]","\"]","\\"]"#, r#"{"}":"{"}"#],
        None,
    );
    check("[[{\"a\":[]}]", &[], None);
    check("[\"\\", &[], None);
}

#[test]
fn wrong_first_bytes_and_brackets_are_refused_at_once() {
    check(
        "G",
        &[],
        Some("line 0, column 0, byte 0: invalid character 'G'"),
    );
    check(
        "\u{16}\u{3}\u{1}",
        &[],
        Some("line 0, column 0, byte 0: invalid character U+0016"),
    );
    check(
        "x",
        &[],
        Some("line 0, column 0, byte 0: syntax error at beginning of input"),
    );
    check(
        "}",
        &[],
        Some("line 0, column 0, byte 0: syntax error at beginning of input"),
    );
    check(
        "[1}",
        &[],
        Some("line 0, column 2, byte 2: syntax error expecting ']' or ','"),
    );
    check(
        "{\"a\":[}",
        &[],
        Some("line 0, column 6, byte 6: syntax error expecting value"),
    );
    // The first fault counts, not the one that was noticed.
    check(
        "[1 2}",
        &[],
        Some("line 0, column 4, byte 4: syntax error expecting ']' or ','"),
    );
    check(
        "[\"\\x\"}",
        &[],
        Some("line 0, column 4, byte 4: bad escape \\x"),
    );
}

#[test]
fn places_count_from_the_end_of_the_previous_message() {
    check(
        "[]\n  [}",
        &["[]"],
        Some("line 1, column 3, byte 4: syntax error expecting value"),
    );
    check(
        "[]  [\n}",
        &["[]"],
        Some("line 1, column 0, byte 4: syntax error expecting value"),
    );
    check(
        "[][}",
        &["[]"],
        Some("line 0, column 1, byte 1: syntax error expecting value"),
    );
}

#[test]
fn depth_is_limited() {
    let deepest = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    check(&deepest, &[&deepest], None);
    let error = "line 0, column 1000, byte 1000: input exceeds maximum nesting depth 1000";
    check(&"[".repeat(MAX_DEPTH + 1), &[], Some(error));
}

#[test]
fn messages_beyond_the_limit_are_refused_before_they_end() {
    let too_long = Some(FrameError::TooLong { max: 8 });
    for (stream, messages, error) in [
        ("[123456]", 1, None),
        ("[123456][123456]", 2, None),
        ("      [123456]", 1, None),
        ("[1234567]", 0, too_long.clone()),
        ("[12345678", 0, too_long.clone()),
        ("[][12345678", 1, too_long.clone()),
    ] {
        for sizes in [&[usize::MAX][..], &[1]] {
            let (found, failure) = frames(stream.as_bytes(), sizes, 8);
            assert_eq!((found.len(), &failure), (messages, &error), "{stream:?}");
        }
    }
}

#[test]
fn garbage_inside_a_long_message_is_found_before_its_end() {
    let mut framer = Framer::new(usize::MAX);
    framer.push(b"[1 2,");
    let mut received = 5;
    let error = loop {
        match framer.next() {
            Ok(None) => assert!(received < 16 << 10, "garbage piles up"),
            Ok(Some(_)) => panic!("the message has no end"),
            Err(error) => break error,
        }
        framer.push(b"3,");
        received += 2;
    };
    assert_eq!(
        error.to_string(),
        "line 0, column 4, byte 4: syntax error expecting ']' or ','"
    );
    // What comes after a failure is not kept.
    framer.push(b"[]");
    assert_eq!(framer.buffered(), 0);
}

#[test]
fn long_messages_may_come_byte_by_byte() {
    // With a cost that grows with the square of the size, this would not come to an end.
    let message = format!(
        "{{\"a\":[\"{}\",{}1]}}",
        "x\\n".repeat(200_000),
        "12,[],".repeat(100_000)
    );
    let (messages, error) = frames(message.as_bytes(), &[1], usize::MAX);
    assert_eq!(error, None);
    assert_eq!(messages, [message.as_bytes()]);
}

#[test]
fn the_room_of_a_long_message_goes_with_it() {
    let mut framer = Framer::new(64 << 20);
    framer.buf_mut().reserve(64 << 20);
    framer.push(b"[1]");
    framer.push(b"[2");
    let first = framer.next().expect("a message");
    assert_eq!(first.as_deref(), Some(&b"[1]"[..]));
    let room = framer.buf_mut().capacity();
    assert!(room < 1 << 10, "{room}");
    framer.push(b"]");
    let second = framer.next().expect("a message");
    assert_eq!(second.as_deref(), Some(&b"[2]"[..]));
}

#[test]
fn a_message_goes_on_in_the_room_that_was_made_for_it() {
    let mut framer = Framer::new(100);
    assert!(!framer.move_into(vec![0; 200]), "no message is under way");
    framer.push(b"[1] [\"abc");
    let first = framer.next().expect("a message");
    assert_eq!(first.as_deref(), Some(&b"[1]"[..]));
    assert_eq!(framer.next(), Ok(None));
    assert!(!framer.move_into(vec![0; 5]), "it has five bytes already");
    assert!(framer.free().is_none());
    assert!(framer.move_into(vec![0; 12]));
    assert_eq!(framer.buffered(), 5);
    let free = framer.free().expect("seven bytes");
    assert_eq!(free.len(), 7);
    free[..3].copy_from_slice(b"\"] ");
    framer.fill(3);
    framer.push(b"[2");
    let second = framer.next().expect("a message");
    assert_eq!(second.as_deref(), Some(&b"[\"abc\"]"[..]));
    assert!(framer.free().is_none(), "the room went with the message");
    framer.push(b"]");
    let third = framer.next().expect("a message");
    assert_eq!(third.as_deref(), Some(&b"[2]"[..]));
}

#[test]
fn what_finds_no_place_in_a_room_goes_on_without_it() {
    let mut framer = Framer::new(100);
    framer.push(b"[\"ab");
    assert_eq!(framer.next(), Ok(None));
    assert!(framer.move_into(vec![0; 6]));
    framer.push(b"cdefgh\"]");
    let message = framer.next().expect("a message");
    assert_eq!(message.as_deref(), Some(&b"[\"abcdefgh\"]"[..]));

    framer.push(b"[\"ab");
    assert_eq!(framer.next(), Ok(None));
    assert!(framer.move_into(vec![0; 6]));
    framer.push(b"cd");
    assert!(framer.free().is_none(), "it is full");
    framer.buf_mut().extend_from_slice(b"\"]");
    let message = framer.next().expect("a message");
    assert_eq!(message.as_deref(), Some(&b"[\"abcd\"]"[..]));
}

#[test]
fn part_of_a_message_is_told_from_none() {
    let mut framer = Framer::new(100);
    for (portion, mid_message) in [
        (" \n", false),
        (" [", true),
        ("]", false),
        ("{", true),
        ("}\n", false),
    ] {
        framer.push(portion.as_bytes());
        framer.next().expect("the stream is sound");
        assert_eq!(framer.is_mid_message(), mid_message, "after {portion:?}");
    }
}

proptest! {
    #[test]
    fn portions_do_not_matter(
        pieces in prop::collection::vec(
            prop::sample::select(vec!["[", "]", "{", "}", "[]", "{}", "\"", "\\", "\"a\":", "1", ",", " ", "\n", "x"]),
            0..40,
        ),
        sizes in prop::collection::vec(1usize..9, 1..6),
    ) {
        let stream = pieces.concat();
        let whole = frames(stream.as_bytes(), &[usize::MAX], 1 << 20);
        prop_assert_eq!(frames(stream.as_bytes(), &sizes, 1 << 20), whole);
    }

    #[test]
    fn no_bytes_make_the_framer_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1usize..20) {
        frames(&bytes, &[size], 100);
    }
}
