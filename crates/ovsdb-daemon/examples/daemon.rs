//! The smallest daemon: it serves its control socket and nothing else. Tests run it; new daemons start as a copy of it.

use ovsdb_daemon::daemonize::{self, Daemonize};
use ovsdb_daemon::options::{Arg, COMMON, Common, Order, Spec, Table};
use ovsdb_daemon::unixctl::{self, Answer, Commands};
use ovsdb_daemon::{coverage, memory, notify, program, signals, vlog};
use tokio::sync::oneshot;

#[derive(Clone, Copy)]
enum Opt {
    Common(Common),
    Daemon(daemonize::Opt),
    Vlog(vlog::Opt),
    Unixctl,
    FailWith,
    DieAtStart,
}

fn table() -> Table<Opt> {
    Table::new()
        .group(
            "Test options",
            [
                Spec::long(
                    Opt::FailWith,
                    "fail-with",
                    Arg::Required("CODE"),
                    "end with CODE instead of serving",
                ),
                Spec::long(
                    Opt::DieAtStart,
                    "die-at-start",
                    Arg::No,
                    "die of a signal instead of serving",
                ),
                unixctl::OPTION.map(|()| Opt::Unixctl),
            ],
        )
        .shared("Daemon options", daemonize::OPTIONS, Opt::Daemon)
        .shared("Logging options", vlog::OPTIONS, Opt::Vlog)
        .shared("Other options", COMMON, Opt::Common)
}

fn main() {
    program::init("daemon");
    vlog::init();
    notify::begin();
    let parsed = match table().parse(std::env::args_os().skip(1), Order::Anywhere) {
        Ok(parsed) => parsed,
        Err(error) => program::usage_error(error),
    };
    let (mut daemonize, mut socket, mut fail_with, mut die) = (Daemonize::new(), None, None, false);
    for (option, value) in parsed.options {
        match option {
            Opt::Common(Common::Help) => {
                return print!("usage: {} [OPTIONS]\n{}", program::name(), table().help());
            }
            Opt::Common(Common::ListOptions) => return print!("{}", table().list()),
            Opt::Common(Common::Version) => return print!("{}", program::version_text()),
            Opt::Daemon(option) => {
                if let Err(error) = daemonize.apply(option, value.as_deref()) {
                    program::fatal(error);
                }
            }
            Opt::Vlog(option) => {
                if let Err(error) = vlog::apply(option, value.as_deref()) {
                    program::fatal(error);
                }
            }
            Opt::Unixctl => socket = value,
            Opt::FailWith => fail_with = value.and_then(|code| code.parse().ok()),
            Opt::DieAtStart => die = true,
        }
    }

    // Forks; everything with threads comes after it.
    let mut daemon = daemonize.start();
    if let Some(code) = fail_with {
        program::error("told to fail");
        program::exit(code);
    }
    if die {
        std::process::abort();
    }

    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => program::fatal(format_args!("no runtime: {error}")),
    };
    let code = runtime.block_on(async {
        let (exit, exited) = oneshot::channel::<()>();
        let commands = commands(exit);
        match unixctl::Server::bind(socket.as_deref(), commands.clone()).await {
            Ok(Some(server)) => drop(tokio::spawn(server.run())),
            Ok(None) => {}
            Err(error) => {
                program::error(&error);
                return 1;
            }
        }
        tokio::spawn(coverage::run());
        tokio::spawn(notify::keep_alive());
        daemon.complete();
        tracing::info!(target: "daemon", "serving as pid {}", std::process::id());
        // An error means that no command can be given any more.
        let _ = exited.await;
        0
    });
    notify::stopping();
    drop(daemon);
    program::exit(code);
}

fn commands(exit: oneshot::Sender<()>) -> Commands {
    let commands = Commands::new();
    vlog::register_commands(&commands);
    coverage::register_commands(&commands);
    memory::register_commands(&commands, || async {
        memory::Report::from([("cells".to_owned(), 3)])
    });
    let exit = std::sync::Mutex::new(Some(exit));
    commands.register("exit", Some(""), 0..=0, move |_| {
        let exit = exit.lock().map_err(|error| error.to_string())?.take();
        Ok(Answer::from(()).then(move || {
            if let Some(exit) = exit {
                // The receiver lives as long as the program.
                let _ = exit.send(());
            }
        }))
    });
    commands.register("pid", Some(""), 0..=0, |_| {
        Ok(std::process::id().to_string())
    });
    commands.register("folder", Some(""), 0..=0, |_| {
        std::env::current_dir()
            .map(|folder| folder.display().to_string())
            .map_err(|error| error.to_string())
    });
    commands.register_async("echo", Some("WORD..."), 1..=2, |call| async move {
        tokio::task::yield_now().await;
        Ok(call.args.join(" "))
    });
    commands.register("hidden", None, 0..=0, |call| {
        Err::<(), _>(format!("{} fails", call.command))
    });
    commands.register("alarm", Some(""), 0..=0, |_| {
        signals::alarm(std::time::Duration::ZERO).map_err(|error| error.to_string())
    });
    commands
}
