//! Scripts for the reconnection state machine: one command a line, with the expected state after it.

use super::*;

/// Runs `script` line by line. Each line is `COMMAND [ARG] -> STATE [ACTION] [backoff=MS]`; `at MS` sets the clock.
fn check(script: &str) {
    let mut now = 0u64;
    let mut fsm = Reconnect::new("peer", now);
    // The owner of these tests looks for input all the time.
    fsm.receive_attempted(u64::MAX);
    for (number, line) in script
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .enumerate()
    {
        let (command, expect) = line.split_once("->").unwrap_or((line, ""));
        let words: Vec<&str> = command.split_whitespace().collect();
        let number_at = |i: usize| words[i].parse::<u64>().expect("a number in the script");
        let mut action = None;
        match words[0] {
            "at" => {
                now = number_at(1);
                action = fsm.run(now);
            }
            "deadline" => {
                let shown = fsm
                    .deadline_ms(now)
                    .map_or("never".to_owned(), |ms| ms.to_string());
                assert_eq!(shown, expect.trim(), "line {number}: {line}");
                continue;
            }
            "enable" => fsm.enable(now),
            "disable" => fsm.disable(now),
            "connecting" => fsm.connecting(now),
            "connected" => fsm.connected(now),
            "failed" => fsm.connect_failed(now, &Disconnect::Error("Connection refused".into())),
            "lost" => fsm.disconnected(now, &Disconnect::Eof),
            "drop" => fsm.disconnected(now, &Disconnect::Unspecified),
            "activity" => fsm.activity(now),
            "force" => fsm.force_reconnect(now),
            "listening" => fsm.listening(now),
            "listen-error" => fsm.listen_error(now, &Disconnect::Error("Out of memory".into())),
            "passive" => fsm.set_passive(true, now),
            "active" => fsm.set_passive(false, now),
            "tries" => fsm.set_tries_left(Some(u32::try_from(number_at(1)).expect("small"))),
            "free-tries" => fsm.set_backoff_free_tries(u32::try_from(number_at(1)).expect("small")),
            "round" => fsm.set_round(u32::try_from(number_at(1)).expect("small")),
            "backoff" => fsm.set_backoff(number_at(1), number_at(2)),
            "probe" => fsm.set_probe_interval(number_at(1)),
            "looked" => fsm.receive_attempted(number_at(1)),
            other => panic!("unknown command {other}"),
        }
        if expect.is_empty() {
            continue;
        }
        for word in expect.split_whitespace() {
            let ok = match word.split_once('=') {
                Some(("backoff", ms)) => fsm.backoff_ms.to_string() == ms,
                Some(("seqno", n)) => fsm.seqno().to_string() == n,
                _ => match word {
                    "connect" => action == Some(Action::Connect),
                    "disconnect" => action == Some(Action::Disconnect),
                    "send-probe" => action == Some(Action::Probe),
                    "nothing" => action.is_none(),
                    state => fsm.state().to_string() == state,
                },
            };
            assert!(ok, "line {number}: {line}: not {word}: {action:?} {fsm:?}");
        }
    }
}

#[test]
fn an_enabled_machine_connects_at_once() {
    check(
        "at 0 -> VOID nothing
         deadline -> never
         enable -> BACKOFF
         at 0 -> BACKOFF connect
         connecting -> CONNECTING
         connected -> ACTIVE seqno=1",
    );
}

#[test]
fn pauses_double_up_to_the_longest() {
    check(
        "enable
         failed -> BACKOFF backoff=1000
         at 999 -> nothing
         at 1000 -> connect
         failed -> BACKOFF backoff=2000
         at 3000 -> connect
         failed -> backoff=4000
         at 7000 -> connect
         failed -> backoff=8000
         at 15000 -> connect
         failed -> backoff=8000",
    );
}

#[test]
fn an_attempt_lasts_as_long_as_the_pause_and_at_least_a_second() {
    check(
        "enable
         at 0 -> connect
         connecting
         at 999 -> CONNECTING nothing
         at 1000 -> CONNECTING disconnect
         drop -> BACKOFF backoff=1000
         at 2000 -> connect
         connecting
         at 3000 -> disconnect
         drop -> backoff=2000
         at 5000 -> connect
         connecting
         deadline -> 7000",
    );
}

#[test]
fn a_connection_that_lasted_resets_the_pause() {
    check(
        "enable
         failed
         at 1000
         failed -> backoff=2000
         at 3000
         connected
         at 5000
         activity
         lost -> BACKOFF backoff=1000",
    );
}

#[test]
fn a_connection_that_broke_at_once_does_not_reset_the_pause() {
    check(
        "enable
         failed
         at 1000
         failed -> backoff=2000
         at 3000
         connected
         lost -> BACKOFF backoff=4000",
    );
}

#[test]
fn a_silent_peer_is_probed_and_then_given_up() {
    check(
        "enable
         at 0
         connected -> ACTIVE
         deadline -> 5000
         at 5000 -> IDLE send-probe
         deadline -> 10000
         at 9999 -> IDLE nothing
         at 10000 -> IDLE disconnect
         drop -> BACKOFF",
    );
}

#[test]
fn an_answer_to_the_probe_keeps_the_connection() {
    check(
        "enable
         connected
         at 5000 -> IDLE send-probe
         at 6000 -> nothing
         activity -> ACTIVE
         deadline -> 11000",
    );
}

#[test]
fn an_interval_of_zero_never_probes() {
    check(
        "probe 0
         enable
         connected
         deadline -> never
         at 1000000 -> ACTIVE nothing",
    );
}

#[test]
fn intervals_are_at_least_a_second() {
    check(
        "probe 1
         backoff 1 1
         enable
         connected
         deadline -> 1000
         lost -> backoff=1000",
    );
}

#[test]
fn a_pause_of_our_own_is_not_the_silence_of_the_peer() {
    check(
        "looked 0
         enable
         connected
         at 60000 -> ACTIVE nothing
         deadline -> 60001
         looked 60001
         at 60001 -> IDLE send-probe",
    );
}

#[test]
fn forcing_cuts_the_connection_and_makes_it_again() {
    check(
        "enable
         connected
         at 100
         force -> RECONNECT seqno=2
         at 100 -> RECONNECT disconnect
         drop -> BACKOFF
         force -> BACKOFF",
    );
}

#[test]
fn tries_that_are_used_up_disable_the_machine() {
    check(
        "tries 1
         enable -> BACKOFF
         at 0 -> connect
         failed -> VOID
         enable -> VOID",
    );
}

#[test]
fn free_tries_are_made_without_a_pause() {
    check(
        "free-tries 3
         enable
         failed -> BACKOFF backoff=0
         at 0 -> connect
         failed -> BACKOFF backoff=0
         at 0 -> connect
         failed -> BACKOFF backoff=1000",
    );
}

#[test]
fn a_passive_machine_listens_without_a_pause() {
    check(
        "passive
         enable
         at 0 -> connect
         listening -> LISTENING
         deadline -> never
         connected -> ACTIVE
         lost -> BACKOFF backoff=0
         at 0 -> connect
         listening
         listen-error -> BACKOFF backoff=1000
         active -> BACKOFF",
    );
}

#[test]
fn a_disabled_machine_ignores_what_it_is_told() {
    check(
        "enable
         connected
         disable -> VOID seqno=2
         lost -> VOID
         at 99999 -> nothing",
    );
}

#[test]
fn statistics_count_attempts_and_time() {
    let mut fsm = Reconnect::new("peer", 0);
    fsm.enable(0);
    fsm.connect_failed(10, &Disconnect::Eof);
    fsm.connected(1010);
    fsm.activity(1500);
    let stats = fsm.stats(2010);
    assert_eq!(
        (
            stats.n_attempted_connections,
            stats.n_successful_connections,
            stats.total_connected_ms
        ),
        (2, 1, 1000)
    );
    fsm.disconnected(3010, &Disconnect::Eof);
    let stats = fsm.stats(4010);
    assert_eq!(
        (
            stats.since_connect_ms,
            stats.since_disconnect_ms,
            stats.total_connected_ms
        ),
        (Some(3000), Some(1000), 2000)
    );
}

#[test]
fn a_round_of_attempts_has_one_pause_and_a_lost_connection_begins_another() {
    check(
        "
        round 3
        enable -> BACKOFF
        at 0 -> BACKOFF
        failed -> BACKOFF backoff=0
        deadline -> 0
        failed -> BACKOFF backoff=0
        deadline -> 0
        failed -> BACKOFF backoff=1000
        deadline -> 1000
        at 1000 -> BACKOFF
        failed -> BACKOFF backoff=1000
        deadline -> 1000
        failed -> BACKOFF backoff=1000
        deadline -> 1000
        failed -> BACKOFF backoff=2000
        deadline -> 3000
        at 3000 -> BACKOFF
        connecting -> CONNECTING
        connected -> ACTIVE
        at 3100 -> ACTIVE
        activity -> ACTIVE
        lost -> BACKOFF backoff=2000
        deadline -> 3100
        connecting -> CONNECTING
        connected -> ACTIVE
        at 6000 -> ACTIVE
        activity -> ACTIVE
        lost -> BACKOFF backoff=1000
        deadline -> 6000
        failed -> BACKOFF backoff=1000
        deadline -> 6000
        failed -> BACKOFF backoff=2000
        deadline -> 8000
        ",
    );
}

#[test]
fn jitter_makes_pauses_a_fifth_longer_or_shorter_and_another_seed_others() {
    let pauses = |seed: Option<u64>| -> Vec<u64> {
        let mut fsm = Reconnect::new("peer", 0);
        fsm.set_backoff(8_000, 8_000);
        if let Some(seed) = seed {
            fsm.set_jitter(seed);
        }
        fsm.enable(0);
        let pause = |_| {
            fsm.connect_failed(0, &Disconnect::Unspecified);
            fsm.deadline_ms(0).expect("there will be another attempt")
        };
        (0..100).map(pause).collect()
    };
    assert_eq!(pauses(None), [8_000; 100]);
    let with_jitter = pauses(Some(1));
    assert!(with_jitter.iter().all(|ms| (6_400..=9_600).contains(ms)));
    assert!(with_jitter.iter().any(|ms| *ms < 7_000));
    assert!(with_jitter.iter().any(|ms| *ms > 9_000));
    assert_ne!(with_jitter, pauses(Some(2)));
}

#[test]
fn seconds_have_three_significant_digits() {
    let cases = [
        (0, "0"),
        (1000, "1"),
        (1500, "1.5"),
        (1234, "1.23"),
        (10_010, "10"),
        (12_340, "12.3"),
        (123_400, "123"),
        (1_000_000, "1e+03"),
        (12_345_678, "1.23e+04"),
    ];
    for (ms, expect) in cases {
        assert_eq!(seconds(ms), expect, "{ms}");
    }
}
