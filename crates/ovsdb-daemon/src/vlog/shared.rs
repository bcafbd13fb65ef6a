//! The settings of logging and the writing of a message: one set a process.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};

use super::facility;
use super::file::{LogFile, LogFileError};
use super::level::{Destination, Level};
use super::modules::{KNOWN, Module};
use super::pattern::{Pattern, Record};
use super::syslog::{Syslog, send_udp};
use crate::program;

/// What `--syslog-target` receives: a line of RFC 5424.
const TARGET_PATTERN: &str = "<%B>1 %D{%Y-%m-%dT%H:%M:%S.###Z} %E %A %P %c - \u{feff}%m";

/// What lines to the console and to the log file look like, unless a pattern says it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    Text,
    Json,
}

impl Format {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

static SHARED: LazyLock<Shared> = LazyLock::new(Shared::new);

/// The process's settings.
pub(super) fn get() -> &'static Shared {
    &SHARED
}

pub(super) struct Shared {
    modules: RwLock<BTreeMap<String, Arc<Module>>>,
    /// What was last set for all modules: those that appear later get it too.
    template: Module,
    /// Of the destinations by [`Destination::index`].
    patterns: RwLock<[Pattern; 3]>,
    file: Mutex<LogFile>,
    syslog: RwLock<Option<Syslog>>,
    target: RwLock<Option<(UdpSocket, Pattern)>>,
    /// `0` until one is set.
    facility: AtomicU32,
    messages: AtomicU64,
    started: Instant,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            modules: RwLock::new(
                KNOWN
                    .iter()
                    .map(|name| ((*name).to_owned(), Arc::new(Module::new(name))))
                    .collect(),
            ),
            template: Module::new(""),
            patterns: RwLock::new(
                Destination::ALL.map(|destination| Pattern::new(destination.default_pattern())),
            ),
            file: Mutex::new(LogFile::default()),
            syslog: RwLock::new(None),
            target: RwLock::new(None),
            facility: AtomicU32::new(0),
            messages: AtomicU64::new(0),
            started: Instant::now(),
        }
    }

    /// The module of that name, made if there is none.
    pub(super) fn module(&self, name: &str) -> Arc<Module> {
        if let Some(module) = self.modules.read().get(name) {
            return Arc::clone(module);
        }
        let mut modules = self.modules.write();
        let module = modules
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(self.template.copy(name)));
        Arc::clone(module)
    }

    /// The module of that name in any case, if there is one.
    pub(super) fn find_module(&self, name: &str) -> Option<Arc<Module>> {
        let modules = self.modules.read();
        modules
            .values()
            .find(|module| module.name.eq_ignore_ascii_case(name))
            .cloned()
    }

    pub(super) fn all_modules(&self) -> Vec<Arc<Module>> {
        self.modules.read().values().cloned().collect()
    }

    pub(super) fn set_levels(
        &self,
        module: Option<&Module>,
        destination: Option<Destination>,
        level: Level,
    ) {
        let destinations =
            destination.map_or(Destination::ALL.to_vec(), |destination| vec![destination]);
        for destination in destinations {
            match module {
                Some(module) => module.set_level(destination, level),
                None => {
                    self.template.set_level(destination, level);
                    for module in self.all_modules() {
                        module.set_level(destination, level);
                    }
                }
            }
        }
        levels_changed();
    }

    pub(super) fn set_limited(&self, module: Option<&Module>, limited: bool) {
        match module {
            Some(module) => module.set_limited(limited),
            None => {
                self.template.set_limited(limited);
                for module in self.all_modules() {
                    module.set_limited(limited);
                }
            }
        }
    }

    /// The least serious level that a module's messages are logged at anywhere.
    pub(super) fn threshold(&self, module: &Module) -> Level {
        let file_open = self.file.lock().is_open();
        Destination::ALL
            .into_iter()
            .filter(|destination| file_open || *destination != Destination::File)
            .map(|destination| module.level(destination))
            .max()
            .unwrap_or(Level::Off)
    }

    /// The least serious level that anything is logged at.
    pub(super) fn overall_threshold(&self) -> Level {
        self.all_modules()
            .iter()
            .map(|module| self.threshold(module))
            .max()
            .unwrap_or(Level::Off)
    }

    pub(super) fn set_pattern(&self, destination: Option<Destination>, text: &str) {
        let mut patterns = self.patterns.write();
        match destination {
            Some(destination) => patterns[destination.index()] = Pattern::new(text),
            None => patterns.fill(Pattern::new(text)),
        }
    }

    /// Replaces the patterns of the console and of the log file. Syslog has a form of its own.
    pub(super) fn set_format(&self, format: Format) {
        let mut patterns = self.patterns.write();
        for destination in [Destination::Console, Destination::File] {
            patterns[destination.index()] = match format {
                Format::Text => Pattern::new(destination.default_pattern()),
                Format::Json => Pattern::json(),
            };
        }
    }

    #[cfg(test)]
    pub(super) fn pattern_text(&self, destination: Destination) -> String {
        self.patterns.read()[destination.index()].text().to_owned()
    }

    pub(super) fn set_facility(&self, code: u32) {
        self.facility.store(code, Ordering::Relaxed);
    }

    pub(super) fn facility(&self) -> u32 {
        self.facility.load(Ordering::Relaxed)
    }

    /// Sets how syslog is reached, unless that is settled already: only the first choice counts.
    pub(super) fn set_syslog(&self, syslog: Syslog) {
        self.syslog.write().get_or_insert(syslog);
    }

    /// Sends a copy of what goes to syslog to a UDP port.
    pub(super) fn set_syslog_target(&self, socket: Option<UdpSocket>) {
        *self.target.write() = socket.map(|socket| (socket, Pattern::new(TARGET_PATTERN)));
    }

    pub(super) fn log_file_bytes(&self) -> Option<u64> {
        self.file.lock().bytes()
    }

    pub(super) fn log_file_name(&self) -> Option<PathBuf> {
        self.file.lock().name.clone()
    }

    pub(super) fn set_log_file(&self, name: Option<PathBuf>) -> Result<(), LogFileError> {
        let name =
            name.unwrap_or_else(|| crate::dirs::logdir().join(format!("{}.log", program::name())));
        self.install(LogFile::open(&name))
    }

    pub(super) fn reopen_log_file(&self) -> Result<(), LogFileError> {
        let opened = self.file.lock().open_again();
        opened.map_or(Ok(()), |opened| self.install(opened))
    }

    fn install(&self, opened: Result<LogFile, LogFileError>) -> Result<(), LogFileError> {
        let new =
            opened.inspect_err(|error| self.write("vlog", Level::Warn, format_args!("{error}")))?;
        let was_open = {
            let old = self.file.lock();
            if old.is_same(&new) {
                return Ok(());
            }
            old.is_open()
        };
        // Not while the lock is held: these lines go to the file too.
        if was_open {
            self.write("vlog", Level::Info, format_args!("closing log file"));
        }
        let name = new.name.clone().unwrap_or_default();
        *self.file.lock() = new;
        levels_changed();
        self.write(
            "vlog",
            Level::Info,
            format_args!("opened log file {}", name.display()),
        );
        Ok(())
    }

    pub(super) fn close_log_file(&self) {
        self.file.lock().close();
        levels_changed();
    }

    pub(super) fn change_log_file_owner(&self, uid: u32, gid: u32) -> std::io::Result<()> {
        self.file.lock().change_owner(uid, gid)
    }

    /// Logs a message wherever its module's levels let it through.
    pub(super) fn write(&self, module: &str, level: Level, message: fmt::Arguments<'_>) {
        let module = self.module(module);
        self.write_module(&module, level, message);
    }

    pub(super) fn write_module(&self, module: &Module, level: Level, message: fmt::Arguments<'_>) {
        let wants = |destination| module.level(destination) >= level;
        let to_console = wants(Destination::Console);
        let to_syslog = wants(Destination::Syslog);
        let to_file = wants(Destination::File) && self.file.lock().is_open();
        if !(to_console || to_syslog || to_file) {
            return;
        }
        module.count(level);
        let record = self.record(&module.name, level, message);
        let mut line = String::with_capacity(256);
        let patterns = self.patterns.read();
        if to_console {
            patterns[Destination::Console.index()].format(&record, &mut line);
            line.push('\n');
            // In one call, so that lines of threads and of processes do not mix. Nobody can be told of a failure.
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        if to_syslog {
            line.clear();
            patterns[Destination::Syslog.index()].format(&record, &mut line);
            self.write_syslog(&record, &line);
        }
        if to_file {
            line.clear();
            patterns[Destination::File.index()].format(&record, &mut line);
            line.push('\n');
            self.file.lock().write(line.as_bytes());
        }
    }

    /// The next message.
    fn record<'a>(&self, module: &'a str, level: Level, message: fmt::Arguments<'a>) -> Record<'a> {
        Record {
            program: program::name(),
            subprogram: program::subprogram(),
            module,
            level,
            message,
            number: self.messages.fetch_add(1, Ordering::Relaxed) + 1,
            now: Timestamp::now(),
            uptime_ms: self.started.elapsed().as_millis(),
            facility: self.facility(),
        }
    }

    /// A line for the console that is no log line, in the form that log lines have there; `None` if that is text.
    pub(super) fn console_json(
        &self,
        module: &str,
        level: Level,
        message: fmt::Arguments<'_>,
    ) -> Option<String> {
        let patterns = self.patterns.read();
        let pattern = &patterns[Destination::Console.index()];
        pattern.is_json().then(|| {
            let mut line = String::new();
            pattern.format(&self.record(module, level, message), &mut line);
            line + "\n"
        })
    }

    fn write_syslog(&self, record: &Record<'_>, text: &str) {
        if self.syslog.read().is_none() {
            let method = std::env::var("OVS_SYSLOG_METHOD").unwrap_or_default();
            self.set_syslog(Syslog::from_method(&method).unwrap_or_else(Syslog::libc));
        }
        if let Some(syslog) = &*self.syslog.read() {
            let facility = if record.facility == 0 {
                facility::DAEMON
            } else {
                record.facility
            };
            for line in text.split('\n').filter(|line| !line.is_empty()) {
                syslog.send(
                    facility | record.level.severity(),
                    record.program,
                    record.now,
                    line,
                );
            }
        }
        if let Some((socket, pattern)) = &*self.target.read() {
            let mut line = String::new();
            pattern.format(record, &mut line);
            send_udp(Some(socket), &line);
        }
    }

    pub(super) fn levels_table(&self) -> String {
        let mut text = "                 console    syslog    file\n                 -------    ------    ------\n".to_owned();
        for module in self.all_modules() {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{:<16}  {:>4}       {:>4}       {:>4}{}",
                module.name,
                module.level(Destination::Console).name(),
                module.level(Destination::Syslog).name(),
                module.level(Destination::File).name(),
                if module.is_limited() {
                    ""
                } else {
                    "    (rate limiting disabled)"
                },
            );
        }
        text
    }

    pub(super) fn patterns_table(&self) -> String {
        let mut text = "         prefix                            format\n         ------                            ------\n".to_owned();
        let patterns = self.patterns.read();
        let syslog = self.syslog.read();
        for destination in Destination::ALL {
            let prefix = match (destination, &*syslog) {
                (Destination::Syslog, Some(syslog)) => syslog.prefix(),
                (Destination::Syslog, None) => Syslog::Libc(None).prefix(),
                _ => "none",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{:<7}  {prefix:<32}  {}",
                destination.name(),
                patterns[destination.index()].text()
            );
        }
        text
    }
}

/// Lets `tracing` ask anew which call sites are of interest.
fn levels_changed() {
    tracing::callsite::rebuild_interest_cache();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_where_the_levels_let_them() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("log");
        let shared = Shared::new();
        shared.set_levels(None, Some(Destination::Console), Level::Off);
        shared.set_levels(None, Some(Destination::Syslog), Level::Off);
        shared.set_pattern(None, "%05N|%c|%p|%m");
        shared.write(
            "jsonrpc",
            Level::Err,
            format_args!("before the file is open"),
        );
        shared
            .set_log_file(Some(path.clone()))
            .expect("a file in the folder");
        shared.write("jsonrpc", Level::Dbg, format_args!("hidden"));
        shared.write("jsonrpc", Level::Info, format_args!("shown"));
        let text = std::fs::read_to_string(&path).expect("the log file");
        assert_eq!(
            text,
            format!(
                "00001|vlog|INFO|opened log file {}\n00002|jsonrpc|INFO|shown\n",
                path.display()
            )
        );
    }

    #[test]
    fn reopening_follows_the_name_after_rotation() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, rotated) = (folder.path().join("log"), folder.path().join("log.1"));
        let shared = Shared::new();
        shared.set_levels(None, Some(Destination::Console), Level::Off);
        shared.set_levels(None, Some(Destination::Syslog), Level::Off);
        shared.set_pattern(None, "%m");
        shared
            .set_log_file(Some(path.clone()))
            .expect("a file in the folder");
        shared.reopen_log_file().expect("the same file");
        std::fs::rename(&path, &rotated).expect("a rotated file");
        shared.write("vlog", Level::Info, format_args!("one"));
        shared.reopen_log_file().expect("a new file");
        shared.write("vlog", Level::Info, format_args!("two"));
        let read = |path: &PathBuf| std::fs::read_to_string(path).expect("a log file");
        let opened = format!("opened log file {}\n", path.display());
        assert_eq!(read(&rotated), format!("{opened}one\nclosing log file\n"));
        assert_eq!(read(&path), format!("{opened}two\n"));
    }

    #[test]
    fn a_format_counts_until_a_pattern_or_another_format_replaces_it() {
        let shared = Shared::new();
        let texts = || {
            [Destination::Console, Destination::Syslog, Destination::File]
                .map(|destination| shared.pattern_text(destination))
        };
        let before = texts();
        shared.set_format(Format::Json);
        assert_eq!(texts(), ["JSON", &before[1], "JSON"]);
        shared.set_pattern(Some(Destination::Console), "%m");
        assert_eq!(texts(), ["%m", &before[1], "JSON"]);
        shared.set_format(Format::Text);
        assert_eq!(texts(), before);
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error() {
        let shared = Shared::new();
        shared.set_levels(None, None, Level::Off);
        let error = shared
            .set_log_file(Some("/nonexistent/folder/log".into()))
            .expect_err("no such folder");
        assert_eq!(
            error.to_string(),
            "failed to open /nonexistent/folder/log for logging: No such file or directory"
        );
    }

    #[test]
    fn tables_have_the_known_layout() {
        let shared = Shared::new();
        shared.set_levels(None, Some(Destination::Console), Level::Off);
        shared
            .find_module("jsonrpc")
            .expect("known")
            .set_limited(false);
        let table = shared.levels_table();
        assert!(table.starts_with(
            "                 console    syslog    file\n                 -------    ------    ------\n\
             backtrace          OFF       INFO       INFO\n"
        ));
        assert!(table.contains(
            "\njsonrpc            OFF       INFO       INFO    (rate limiting disabled)\n"
        ));
        assert_eq!(
            shared.patterns_table(),
            "         prefix                            format\n\
             \x20        ------                            ------\n\
             SYSLOG   <%B> %D{%h %e %T} %E %A:          ovs|%05N|%c%T|%p|%m\n\
             CONSOLE  none                              %D{%Y-%m-%dT%H:%M:%SZ}|%05N|%c%T|%p|%m\n\
             FILE     none                              %D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m\n"
        );
    }
}
