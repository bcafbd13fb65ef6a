//! `ovsdb-exporter`: metrics of OVSDB servers and of daemons of Open vSwitch and OVN, for Prometheus.
//!
//! It keeps copies of what it tells of databases, and asks daemons over their control sockets when somebody asks for the page.
//! This module starts the parts; what each finds is its own, and what there is to be told stands in the [`table`].

mod cluster;
mod component;
mod daemons;
mod databases;
mod datapaths;
mod log_file;
mod options;
mod page;
pub mod table;

use std::process::ExitCode;
use std::sync::Arc;

use ovsdb_client::ConnectError;
use ovsdb_daemon::daemonize::Daemon;
use ovsdb_daemon::http::{HttpError, HttpServer, Page, Pages};
use ovsdb_daemon::unixctl::{self, Answer, Commands};
use ovsdb_daemon::{coverage, memory, notify, program, timeval, vlog};
use ovsdb_net::Tls;
use tokio::sync::Notify;

use self::options::{Asked, Settings};
use self::page::Exporter;

pub use self::options::{Id, table as options};

/// Why the program ends before it tells anybody anything.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    ControlSocket(#[from] unixctl::ServerError),
    #[error("{database}: {source}")]
    Servers {
        database: String,
        source: ConnectError,
    },
}

/// Runs the program.
pub fn main() -> ExitCode {
    program::init("ovsdb-exporter");
    vlog::init();
    notify::begin();
    let settings = match options::parse(std::env::args_os().skip(1)) {
        Ok(Asked::Export(settings)) => settings,
        Ok(Asked::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) if error.is_usage() => program::usage_error(error),
        Err(error) => program::fatal(error),
    };
    Tls::process().set(settings.tls.settings());
    let mut daemon = settings.daemonize.clone().start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap_or_else(|error| program::fatal(format_args!("cannot start threads ({error})")));
    let exported = runtime.block_on(export(&settings, &mut daemon));
    // A thread may be held by a disk that hangs.
    runtime.shutdown_background();
    match exported {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => program::fatal(error),
    }
}

async fn export(settings: &Settings, daemon: &mut Daemon) -> Result<(), StartError> {
    let exporter = Arc::new(Exporter::start(settings)?);
    let http = HttpServer::bind(&settings.http).await?;

    let commands = Commands::new();
    let exit = Arc::new(Notify::new());
    {
        let exit = exit.clone();
        commands.register("exit", Some(""), 0..=0, move |_| {
            let exit = exit.clone();
            Ok(Answer::text("").then(move || exit.notify_one()))
        });
    }
    vlog::register_commands(&commands);
    coverage::register_commands(&commands);
    {
        let exporter = exporter.clone();
        memory::register_commands(&commands, move || {
            std::future::ready(exporter.memory_report())
        });
    }
    let socket = unixctl::Server::bind(settings.unixctl.as_deref(), commands).await?;

    tracing::info!(target: "ovsdb_exporter", "{}", program::version());
    daemon.complete();

    if let Some(socket) = socket {
        tokio::spawn(socket.run());
    }
    tokio::spawn(coverage::run());
    tokio::spawn(timeval::run());
    tokio::spawn(notify::keep_alive());
    {
        let exporter = exporter.clone();
        tokio::spawn(
            async move { memory::run(|| std::future::ready(exporter.memory_report())).await },
        );
    }
    tokio::spawn(http.run(pages(&exporter)));
    exit.notified().await;
    notify::stopping();
    Ok(())
}

fn pages(exporter: &Arc<Exporter>) -> Pages {
    let (for_ready, for_metrics) = (exporter.clone(), exporter.clone());
    Pages::new()
        .with("/healthz", || async { Page::plain(true, "ok\n") })
        .with("/readyz", move || {
            let exporter = for_ready.clone();
            async move { exporter.ready().await }
        })
        .with("/metrics", move || for_metrics.clone().metrics())
}
