//! The control client against daemons made for the purpose: polite ones, silent ones and hostile ones.

use std::path::Path;

use proptest::strategy::Strategy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;

/// The recorded answers of one kind, of all versions: paths such as `3.7.1/cluster-status/leader.txt`, and texts.
pub(super) fn recorded(kind: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/control");
    let entries = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let mut paths: Vec<_> = entries
            .map(|entry| entry.expect("an entry").path())
            .collect();
        paths.sort();
        paths
    };
    let mut out = Vec::new();
    for version in entries(&root) {
        for path in entries(&version.join(kind)) {
            let name = path.strip_prefix(&root).expect("a file below it");
            let text = std::fs::read_to_string(&path).expect("a recorded answer");
            out.push((name.display().to_string(), text));
        }
    }
    assert!(out.len() >= 2, "answers to {kind} of all versions: {out:?}");
    out
}

/// Names as they occur in answers.
pub(super) fn letters() -> impl Strategy<Value = String> {
    "[A-Za-z][A-Za-z0-9_/-]{0,30}"
}

fn options() -> Options {
    Options::default()
        .answer_time_max(Some(Duration::from_secs(5)))
        .answer_bytes_max(1 << 20)
}

/// A client of a daemon that is played by `daemon`.
fn control<F: Future<Output = ()> + Send + 'static>(
    daemon: impl FnOnce(DuplexStream) -> F,
) -> Control {
    let (ours, theirs) = tokio::io::duplex(4096);
    tokio::spawn(daemon(theirs));
    let (read, write) = tokio::io::split(ours);
    Control::over(
        Stream::from_halves("unix:x.ctl", read, write),
        "x",
        &options(),
    )
}

/// Answers each request with what `answer` makes of it.
fn answering(answer: fn(&Message) -> Option<Message>) -> Control {
    control(async move |stream| {
        let (read, write) = tokio::io::split(stream);
        let stream = Stream::from_halves("client", read, write);
        let mut connection = Connection::new(stream, Limits::default());
        while let Ok(message) = connection.recv_message().await {
            if let Some(answer) = answer(&message)
                && connection.send_message(&answer).await.is_err()
            {
                return;
            }
        }
    })
}

fn request(message: &Message) -> (&str, Vec<&str>, Json) {
    let Message::Request { method, params, id } = message else {
        panic!("{message} is no request");
    };
    let params = params.iter().map(|param| param.as_str().expect("text"));
    (method, params.collect(), id.clone())
}

fn reply(result: Json, id: Json) -> Message {
    Message::Reply { result, id }
}

fn refusal(error: Json, id: Json) -> Message {
    Message::Error { error, id }
}

#[tokio::test]
async fn a_result_is_a_text_and_an_error_is_a_refusal() {
    let mut control = answering(|message| {
        let (method, params, id) = request(message);
        Some(match method {
            "echo" => reply(Json::string(params.join("+")), id),
            "list" => reply(Json::Array(Vec::new()), id),
            _ => refusal(Json::string("no such thing\n"), id),
        })
    });
    assert_eq!(
        control.text("echo", &["a", "b"]).await.expect("a text"),
        "a+b"
    );
    let error = control
        .text::<&str>("nonsense", &[])
        .await
        .expect_err("an error");
    assert_eq!(
        error.to_string(),
        "x: \"nonsense\" is refused: no such thing"
    );
    let error = control
        .text::<&str>("list", &[])
        .await
        .expect_err("no text");
    assert_eq!(
        error.to_string(),
        "x: \"list\" is answered with JSON of type array"
    );
    let error = control.version().await.expect_err("refused");
    assert!(matches!(error, CallError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn json_is_asked_for_where_the_daemon_can_and_text_comes_back_where_it_cannot() {
    let mut modern = {
        answering(|message| {
            let (method, params, id) = request(message);
            Some(match (method, params.as_slice()) {
                ("set-options", ["--format", format]) => reply(Json::string(*format), id),
                ("show", []) => reply(Json::Array(Vec::new()), id),
                _ => reply(
                    ovsdb_proto::obj! { "reply" => "words\n", "reply-format" => "plain" },
                    id,
                ),
            })
        })
    };
    assert_eq!(
        modern
            .json::<&str>("show", &[])
            .await
            .expect("JSON")
            .to_string(),
        "[]"
    );
    assert!(modern.in_json);
    assert_eq!(
        modern.json::<&str>("version", &[]).await.expect("text"),
        Json::string("words\n")
    );
    modern
        .text::<&str>("set-options", &[])
        .await
        .expect_err("an object");
    assert!(!modern.in_json, "it was told to go back to text");

    let mut old = answering(|message| {
        let (method, _, id) = request(message);
        Some(match method {
            "show" => reply(Json::string("text\n"), id),
            _ => refusal(Json::string("is not a valid command"), id),
        })
    });
    assert_eq!(
        old.json::<&str>("show", &[]).await.expect("text"),
        Json::string("text\n")
    );
    assert_eq!(old.text::<&str>("show", &[]).await.expect("text"), "text\n");
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_call_and_a_late_answer_is_passed_over() {
    let mut control = control(async |mut stream| {
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await.expect("a request");
        tokio::time::sleep(Duration::from_secs(7)).await;
        let answers =
            br#"{"id":0,"result":"late","error":null}{"id":1,"result":"right","error":null}"#;
        stream.write_all(answers).await.expect("the client reads");
        // Until the client has gone.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let begin = tokio::time::Instant::now();
    let error = control
        .text::<&str>("first", &[])
        .await
        .expect_err("silence");
    assert_eq!(error.to_string(), "x: no answer to \"first\" within 5s");
    assert_eq!(begin.elapsed(), Duration::from_secs(5));
    assert_eq!(
        control
            .text::<&str>("second", &[])
            .await
            .expect("its own answer"),
        "right"
    );
}

#[tokio::test(start_paused = true)]
async fn answers_to_nothing_do_not_keep_a_call_beyond_its_time() {
    let mut control = control(async |mut stream| {
        let answer = br#"{"id":"stray","result":"","error":null}"#;
        while stream.write_all(answer).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let error = control
        .text::<&str>("first", &[])
        .await
        .expect_err("no answer");
    assert!(
        matches!(error, CallError::Transport(TransportError::Deadline { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn an_answer_that_is_too_long_or_none_ends_the_connection() {
    let cases: [(&[u8], &str); 4] = [
        (b"x", "x: transaction error (Protocol error)"),
        (b"{}", "x: transaction error (Protocol error)"),
        (b"", "x: transaction error (End of file)"),
        (
            b"{\"id\":0,\"result\":\"",
            "x: transaction error (Protocol error)",
        ),
    ];
    for (bytes, expect) in cases {
        let is_endless = bytes.len() > 2;
        let mut control = control(async move |mut stream| {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.expect("a request");
            let mut sent = stream.write_all(bytes).await;
            while is_endless && sent.is_ok() {
                sent = stream.write_all(&[b'a'; 4096]).await;
            }
        });
        let error = control
            .text::<&str>("list", &[])
            .await
            .expect_err("no answer");
        assert_eq!(
            error.to_string(),
            expect,
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[tokio::test]
async fn nobody_at_the_socket_is_told_with_its_path() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.ctl").display().to_string();
    let error = Control::connect(&path).await.expect_err("nobody listens");
    assert_eq!(
        error.to_string(),
        format!("cannot connect to \"{path}\" (No such file or directory)")
    );
}
