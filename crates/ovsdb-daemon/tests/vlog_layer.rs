//! Events of `tracing` as log lines. One test, because a process has one set of log settings.

use ovsdb_daemon::vlog::{self, Destination, Level};

fn noisy(n: u32) {
    tracing::warn!(target: "jsonrpc", per_minute = 5, burst = 3, "noise {n}");
}

#[test]
fn events_become_lines_of_their_modules() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log");
    vlog::init();
    vlog::init();
    for destination in [Destination::Console, Destination::Syslog] {
        vlog::set_level(None, Some(destination), Level::Off).expect("all modules exist");
    }
    vlog::set_pattern(Some(Destination::File), "%c|%p|%m");
    tracing::error!(target: "raft", "before there is a file");
    vlog::set_log_file(Some(path.clone())).expect("a file in the folder");
    let lines = || {
        let text = std::fs::read_to_string(&path).expect("the log file");
        std::fs::write(&path, "").expect("an empty log file");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        lines(),
        [format!("vlog|INFO|opened log file {}", path.display())]
    );

    // Levels follow the module, also for call sites that have been asked before.
    let log = || {
        tracing::error!(target: "raft", "an {}", "error");
        tracing::info!(target: "raft", peer = "x", n = 3, "with fields");
        tracing::debug!(target: "raft", "a detail");
        tracing::trace!(target: "raft", "a smaller one");
        tracing::info!("by path of code");
    };
    log();
    let by_path = "vlog_layer|INFO|by path of code".to_owned();
    assert_eq!(
        lines(),
        [
            "raft|ERR|an error",
            "raft|INFO|with fields peer=x n=3",
            &by_path
        ]
    );
    vlog::set("raft:file:dbg").expect("a valid specification");
    log();
    assert_eq!(
        lines(),
        [
            "raft|ERR|an error",
            "raft|INFO|with fields peer=x n=3",
            "raft|DBG|a detail",
            "raft|DBG|a smaller one",
            &by_path
        ]
    );
    vlog::set("file:off").expect("a valid specification");
    log();
    assert!(lines().is_empty());
    vlog::set("file:emer").expect("a valid specification");
    log();
    vlog::log("raft", Level::Emer, format_args!("the end"));
    assert_eq!(lines(), ["raft|EMER|the end"]);
    vlog::set("file:info").expect("a valid specification");

    // Only a burst of a call site passes, unless its module is freed from that.
    (0..10).for_each(noisy);
    assert_eq!(
        lines(),
        [
            "jsonrpc|WARN|noise 0",
            "jsonrpc|WARN|noise 1",
            "jsonrpc|WARN|noise 2"
        ]
    );
    vlog::set_rate_limits(Some("jsonrpc"), false).expect("a known module");
    (0..10).for_each(noisy);
    assert_eq!(lines().len(), 10);
    assert!(vlog::set_rate_limits(Some("nonsense"), false).is_err());
}
