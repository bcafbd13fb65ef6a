//! `ovsdb-server`: serves database files (ovsdb-server(1)).
//!
//! This module starts the parts in the order in which they need each other, and waits for the end. What the parts do is
//! the libraries'. Messages, log lines and exit codes at start are the reference program's.

pub mod compatibility;
mod config;
mod control;
mod health;
pub mod metrics;
mod options;
mod reconfigure;
mod saved;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ovsdb_daemon::daemonize::Daemon;
use ovsdb_daemon::http::{HttpError, HttpServer, Pages};
use ovsdb_daemon::unixctl::{self, Commands};
use ovsdb_daemon::{coverage, inherit, memory, notify, program, signals, stopwatch, timeval, vlog};
use ovsdb_server::configuration::Configuration;
use ovsdb_server::framework::{self, Engine};
use ovsdb_server::server::Server;
use ovsdb_server::stopwatches;
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::time::timeout;

use self::control::{Control, Switches};
use self::health::Health;
use self::metrics::Metrics;
use self::options::{Command as Asked, Settings};
use self::reconfigure::{Failed, Reconfiguration, Source};
use self::saved::Saved;

pub use self::options::{Id, table};

/// How long a deadly signal waits for databases to be closed. A disk that answers later than that is no reason to stay.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// Why the program ends before it serves anybody.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Configuration(#[from] Failed),
    #[error(transparent)]
    Engine(#[from] framework::StartError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    ControlSocket(#[from] unixctl::ServerError),
    #[error("{command}: process failed to start ({source})")]
    Run {
        command: String,
        source: std::io::Error,
    },
}

/// Runs the program.
pub fn main() -> ExitCode {
    let inherited = inherit::take_over();
    program::init("ovsdb-server");
    vlog::init();
    if let Err(error) = inherited {
        tracing::warn!(target: "stream_fd", "cannot take over inherited sockets ({})", ovsdb_net::errno_text(&error));
    }
    notify::begin();
    memory::use_small_pages();
    let settings = match options::parse(std::env::args_os().skip(1)) {
        Ok(Asked::Serve(settings)) => settings,
        Ok(Asked::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) if error.is_usage() => program::usage_error(error),
        Err(error) => program::fatal(error),
    };
    // Made before the fork, so that a daemon that is started again after a crash finds what was changed since.
    let source = match &settings.config_file {
        Some(path) => Source::File(path.clone()),
        None => match Saved::create(&settings.config) {
            Ok(saved) => Source::Saved(saved),
            Err(error) => program::fatal(error),
        },
    };
    let mut daemon = settings.daemonize.clone().start();
    // Never one alone: a transaction may run where it arrives, and while the disk keeps it others are to be served.
    let threads = std::thread::available_parallelism().map_or(2, |count| count.get().max(2));
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    ovsdb_server::vigil::keep_awake(&mut runtime);
    let runtime = runtime
        .worker_threads(threads)
        // Tasks in a row before requests are looked for: while much is being sent, each takes a moment.
        .event_interval(16)
        .enable_all()
        .thread_name("worker")
        .build()
        .unwrap_or_else(|error| program::fatal(format_args!("cannot start threads ({error})")));
    match runtime.block_on(serve(&settings, source, &mut daemon)) {
        Ok(code) => code,
        Err(error) => program::fatal(error),
    }
}

async fn serve(
    settings: &Settings,
    source: Source,
    daemon: &mut Daemon,
) -> Result<ExitCode, StartError> {
    let engine = Engine::builder()
        .column_diff(settings.column_diff)
        .tls(settings.tls.sources().clone())
        .prepare()
        .await?;
    let (server, configuration) = (engine.server().clone(), engine.configuration().clone());
    close_before_dying(&server);
    let reconfiguration = Reconfiguration::new(server.clone(), configuration.clone(), source);
    let reconfiguration = Arc::new(reconfiguration);
    let health = Health::new(server.clone(), reconfiguration.clone());
    // Before all that may take long, so that who watches sees that it is on its way.
    if let Some(address) = &settings.http {
        let http = HttpServer::bind(address).await?;
        tokio::spawn(http.run(pages(&server, &configuration, &health)));
    }
    reconfiguration.load().await?;
    warn_of_unused_sockets();

    let commands = Commands::new();
    let exit = Arc::new(Notify::new());
    let control = Arc::new(Control::new(
        server.clone(),
        configuration.clone(),
        reconfiguration.clone(),
        Switches {
            no_column_diff: !settings.column_diff,
            data_conversion: settings.data_conversion,
        },
        exit.clone(),
    ));
    control.register(&commands);
    vlog::register_commands(&commands);
    coverage::register_commands(&commands);
    coverage::register_reference();
    stopwatch::register_commands(&commands, &stopwatches::ALL);
    {
        let control = control.clone();
        memory::register_commands(&commands, move || control.memory_report());
    }
    let socket = unixctl::Server::bind(settings.unixctl.as_deref(), commands).await?;

    let mut run = match &settings.run {
        Some(command) => Some(start_command(command)?),
        None => None,
    };
    // Before anybody knows that the server is there, so that what comes of that is logged after it.
    if run.is_none() {
        tracing::info!(target: "ovsdb_server", "{}", program::version());
    }
    // Who hears that the server is there may ask at once whether it is ready.
    health.serve();
    reconfiguration.keep().await;
    daemon.complete();

    if let Some(socket) = socket {
        tokio::spawn(socket.run());
    }
    tokio::spawn(coverage::run());
    tokio::spawn(timeval::run());
    tokio::spawn(notify::keep_alive());
    tokio::spawn(async move { memory::run(|| control.memory_report()).await });
    engine.keep_remotes();
    let code = tokio::select! {
        () = exit.notified() => ExitCode::SUCCESS,
        code = wait_for(&mut run, settings) => code,
    };
    notify::stopping();
    health.close();
    engine.close().await;
    Ok(code)
}

fn pages(server: &Arc<Server>, configuration: &Arc<Configuration>, health: &Arc<Health>) -> Pages {
    let metrics = Metrics::new(server.clone(), configuration.clone(), health.clone());
    let health = health.clone();
    Pages::new()
        .with("/healthz", || async { Health::alive() })
        .with("/readyz", move || {
            let health = health.clone();
            async move { health.ready() }
        })
        .with("/metrics", move || metrics.clone().page())
}

/// Clients of a socket that systemd listens on and no remote names would wait for ever.
fn warn_of_unused_sockets() {
    if std::env::var_os("LISTEN_FDS").is_none() {
        return;
    }
    for number in ovsdb_net::unused_inherited() {
        tracing::warn!(target: "stream_fd",
            "descriptor {number} is a socket that was handed over, and there is no --remote=pfd:{number}");
    }
}

/// Has a deadly signal wait until no record is half written: the next start would cut it off with a warning.
fn close_before_dying(server: &Arc<Server>) {
    let server = server.clone();
    let runtime = tokio::runtime::Handle::current();
    signals::on_fatal(move || {
        let closed = runtime.block_on(async { timeout(CLOSE_MAX, server.close()).await });
        if closed.is_err() {
            tracing::warn!(target: "ovsdb_server", "databases are still being written");
        }
    });
}

fn start_command(command: &str) -> Result<Child, StartError> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command);
    for variable in notify::VARIABLES {
        shell.env_remove(variable);
    }
    shell.spawn().map_err(|source| StartError::Run {
        command: command.to_owned(),
        source,
    })
}

/// Waits for the command of `--run`; for ever if there is none.
async fn wait_for(run: &mut Option<Child>, settings: &Settings) -> ExitCode {
    let Some(child) = run else {
        return std::future::pending().await;
    };
    let command = settings.run.as_deref().unwrap_or_default();
    match child.wait().await {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => {
            program::error(format_args!(
                "{command}: child exited, {}",
                control::exit_text(status)
            ));
            ExitCode::FAILURE
        }
        Err(error) => {
            program::error(format_args!("{command}: child exited, {error}"));
            ExitCode::FAILURE
        }
    }
}
