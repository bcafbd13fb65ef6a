//! What daemons say of themselves on their control sockets, and what lies beside them: processes, log files, database files.
//!
//! They are asked when somebody asks for the page, all at once, and not more often than once a second. A daemon that is silent
//! is given up until the next time; what it has said by then is told.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ovsdb_client::control::{
    CallError, ClusterStatus, Control, Coverage, DatapathStatistics, Datapaths, Memory, Options,
    SyncStatus, Version,
};
use ovsdb_daemon::process;
use ovsdb_net::{Stream, connect_unix, errno_text};
use parking_lot::Mutex;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::component::{Component, first};
use super::log_file::{LogFile, Logged};

/// The time that a daemon has to answer all that it is asked for one page.
const POLL_TIME_MAX: Duration = Duration::from_secs(3);
/// The longest answer of a daemon that is taken, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// For so long, what daemons have said is told again.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Databases of one server that are asked for the state of their clusters.
const CLUSTERS_MAX: usize = 16;

/// The daemons, and what they said last.
pub(super) struct Daemons {
    all: Vec<Arc<Daemon>>,
    said: tokio::sync::Mutex<Option<(Instant, Arc<[Report]>)>>,
}

/// A daemon.
struct Daemon {
    component: Component,
    /// Whether it has ever been there.
    was_found: AtomicBool,
    /// Questions that were not answered.
    failures: AtomicU64,
    log: Mutex<LogFile>,
    /// A thread looks at its files.
    is_looking: AtomicBool,
    /// What was seen last of them.
    files: Mutex<Files>,
}

/// What lies beside a daemon.
#[derive(Clone, Debug, Default)]
struct Files {
    log: Option<Logged>,
    /// The file of the database and its size in bytes.
    database: Option<(PathBuf, u64)>,
}

/// What a daemon has said, and what lies beside it.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) component: Component,
    /// Whether anything is to be told of it.
    pub(super) is_told: bool,
    /// Whether it has answered everything that it was asked.
    pub(super) is_up: bool,
    /// Questions that were not answered, since the start.
    pub(super) failures: u64,
    pub(super) process: Option<Process>,
    pub(super) version: Option<Version>,
    pub(super) memory: Option<Memory>,
    pub(super) coverage: Option<Coverage>,
    pub(super) sync: Option<SyncStatus>,
    pub(super) clusters: Vec<ClusterStatus>,
    /// Where the server listens, as connection methods.
    pub(super) remotes: Vec<String>,
    pub(super) datapaths: Option<Datapaths>,
    pub(super) statistics: DatapathStatistics,
    pub(super) log: Option<Logged>,
    /// The file of the database and its size in bytes.
    pub(super) database_file: Option<(PathBuf, u64)>,
}

/// A process and who runs it.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) user: String,
    pub(super) group: String,
}

impl Report {
    /// That of a daemon that has said nothing.
    pub(super) fn new(component: Component) -> Report {
        Report {
            component,
            is_told: false,
            is_up: false,
            failures: 0,
            process: None,
            version: None,
            memory: None,
            coverage: None,
            sync: None,
            clusters: Vec::new(),
            remotes: Vec::new(),
            datapaths: None,
            statistics: DatapathStatistics::default(),
            log: None,
            database_file: None,
        }
    }
}

impl Daemons {
    pub(super) fn new(components: &[Component]) -> Daemons {
        let daemon = |component: &Component| {
            Arc::new(Daemon {
                component: component.clone(),
                was_found: AtomicBool::new(component.is_wanted),
                failures: AtomicU64::new(0),
                log: Mutex::default(),
                is_looking: AtomicBool::new(false),
                files: Mutex::default(),
            })
        };
        Daemons {
            all: components.iter().map(daemon).collect(),
            said: tokio::sync::Mutex::new(None),
        }
    }

    /// What all of them say, in their order. Whoever asks while others ask is told the same.
    pub(super) async fn ask(&self) -> Arc<[Report]> {
        let mut said = self.said.lock().await;
        if let Some((when, reports)) = &*said
            && when.elapsed() < POLL_INTERVAL
        {
            return reports.clone();
        }
        let mut asking = JoinSet::new();
        for (index, daemon) in self.all.iter().enumerate() {
            let daemon = daemon.clone();
            asking.spawn(async move { (index, daemon.report().await) });
        }
        let mut reports = asking.join_all().await;
        reports.sort_by_key(|(index, _)| *index);
        let reports: Arc<[Report]> = reports.into_iter().map(|(_, report)| report).collect();
        *said = Some((Instant::now(), reports.clone()));
        reports
    }
}

impl Daemon {
    async fn report(self: Arc<Daemon>) -> Report {
        let mut report = Report::new(self.component.clone());
        let asked = timeout(POLL_TIME_MAX, self.ask(&mut report)).await;
        if asked.is_err() {
            self.failed("it does not answer");
            report.is_up = false;
        }
        self.was_found.fetch_or(report.is_up, Ordering::Relaxed);
        report.is_told = self.was_found.load(Ordering::Relaxed);
        if report.is_told {
            let files = self.files(POLL_TIME_MAX, |daemon| Files {
                log: daemon.read_log(),
                database: daemon.database_file(),
            });
            let files = files.await;
            (report.log, report.database_file) = (files.log, files.database);
        }
        report.failures = self.failures.load(Ordering::Relaxed);
        report
    }

    /// What lies beside it; what was seen last if the disk does not tell within `longest`. A disk that hangs holds one thread.
    async fn files(
        self: &Arc<Self>,
        longest: Duration,
        look: impl FnOnce(&Daemon) -> Files + Send + 'static,
    ) -> Files {
        if !self.is_looking.swap(true, Ordering::Acquire) {
            let daemon = self.clone();
            let looked = off_the_thread(move || {
                let files = look(&daemon);
                *daemon.files.lock() = files;
                daemon.is_looking.store(false, Ordering::Release);
            });
            if timeout(longest, looked).await.is_err() {
                self.failed("its files cannot be read in time");
            }
        }
        self.files.lock().clone()
    }

    fn failed(&self, why: impl std::fmt::Display) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(target: "ovsdb_exporter", "{}: {why}", self.component.name);
    }

    /// The result of a question; `None`, and a failure, if there is none.
    fn take<T>(&self, answer: Result<T, CallError>) -> Option<T> {
        answer.inspect_err(|error| self.failed(error)).ok()
    }

    /// Asks the daemon all that it can answer.
    async fn ask(&self, report: &mut Report) {
        let path = match self.component.place.find() {
            Some(Ok(path)) => path,
            Some(Err(error)) => return self.failed(error),
            // What was there and is gone has failed. What never was, has not.
            None if self.was_found.load(Ordering::Relaxed) => {
                return self.failed("it is not there");
            }
            None => return,
        };
        let (mut control, process) = match connect(&path).await {
            Ok(connected) => connected,
            Err(why) => return self.failed(why),
        };
        report.process = process;
        let Some(commands) = self.take(control.list_commands().await) else {
            return;
        };
        let before = self.failures.load(Ordering::Relaxed);
        report.version = self.take(control.version().await);
        if commands.contains("memory/show") {
            report.memory = self.take(control.memory().await);
        }
        if commands.contains("coverage/show") {
            report.coverage = self.take(control.coverage().await);
        }
        if commands.contains("ovsdb-server/sync-status") {
            report.sync = self.take(control.sync_status().await);
        }
        if commands.contains("ovsdb-server/list-remotes") {
            let remotes = self.take(lines(&mut control, "ovsdb-server/list-remotes").await);
            report.remotes = remotes.unwrap_or_default();
        }
        if commands.contains("cluster/status") && commands.contains("ovsdb-server/list-dbs") {
            let databases = self.take(lines(&mut control, "ovsdb-server/list-dbs").await);
            let databases = databases.unwrap_or_default();
            let databases = databases.iter().filter(|name| !name.starts_with('_'));
            for database in databases.take(CLUSTERS_MAX) {
                match control.cluster_status(database).await {
                    Ok(status) => report.clusters.push(status),
                    // It is none of a cluster's.
                    Err(CallError::Refused { .. }) => {}
                    Err(error) => self.failed(error),
                }
            }
        }
        if commands.contains("dpif/show") {
            report.datapaths = self.take(control.dpif_show().await);
        }
        if commands.contains("dpctl/show") {
            match control.dpctl_show().await {
                Ok(statistics) => report.statistics = statistics,
                // There is no datapath.
                Err(CallError::Refused { .. }) => {}
                Err(error) => self.failed(error),
            }
        }
        report.is_up = self.failures.load(Ordering::Relaxed) == before;
    }

    fn database_file(&self) -> Option<(PathBuf, u64)> {
        let path = first(&self.component.database_files)?;
        let metadata = path.metadata().ok()?;
        Some((path.to_owned(), metadata.len()))
    }

    fn read_log(&self) -> Option<Logged> {
        let path = first(&self.component.log_files)?;
        let read = self.log.lock().read(path);
        read.inspect_err(|error| {
            tracing::debug!(target: "ovsdb_exporter", "{}: {}", path.display(), errno_text(error));
        })
        .ok()
    }
}

/// Does what may take long on a thread of its own: there is one for all pages, databases and daemons together. `None` if the
/// program is about to end.
async fn off_the_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}

/// A connection to a control socket, and whose that is.
async fn connect(path: &Path) -> Result<(Control, Option<Process>), String> {
    let options = Options::default()
        .answer_bytes_max(ANSWER_BYTES_MAX)
        .answer_time_max(None);
    let target = path.display().to_string();
    let failed = |error: std::io::Error| format!("{target}: {}", errno_text(&error));
    let stream = connect_unix(path).map_err(failed)?;
    let stream = UnixStream::from_std(stream).map_err(failed)?;
    // Who listens there is who has it, also behind the wall of a container.
    let process = match stream.peer_cred().ok() {
        Some(peer) => off_the_thread(move || {
            let pid = u32::try_from(peer.pid()?).ok()?;
            let (user, group) = process::names(peer.uid(), peer.gid());
            Some(Process { pid, user, group })
        })
        .await
        .flatten(),
        None => None,
    };
    let stream = stream.into_std().map_err(failed)?;
    let stream = Stream::from_unix(stream).map_err(failed)?;
    Ok((Control::over(stream, target.as_str(), &options), process))
}

/// The lines of an answer.
async fn lines(control: &mut Control, command: &str) -> Result<Vec<String>, CallError> {
    let text = control.text::<&str>(command, &[]).await?;
    Ok(text.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_disk_that_hangs_holds_one_thread_and_no_page() {
        let daemons = Daemons::new(&[Component::named("x", "/x.ctl")]);
        let daemon = &daemons.all[0];
        let found = |bytes| Files {
            log: None,
            database: Some((PathBuf::from("x"), bytes)),
        };
        let bytes = |files: Files| files.database.map(|(_, bytes)| bytes);
        assert_eq!(
            bytes(daemon.files(POLL_TIME_MAX, move |_| found(7)).await),
            Some(7)
        );
        let (go_on, hangs) = std::sync::mpsc::channel::<()>();
        let hanging = daemon.files(Duration::ZERO, move |_| {
            // Until nobody can send anything.
            let _ = hangs.recv();
            found(8)
        });
        assert_eq!(bytes(hanging.await), Some(7));
        assert_eq!(daemon.failures.load(Ordering::Relaxed), 1);
        let again = daemon
            .files(POLL_TIME_MAX, |_| panic!("one thread is enough"))
            .await;
        assert_eq!(bytes(again), Some(7));
        drop(go_on);
        while daemon.is_looking.load(Ordering::Acquire) {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            bytes(daemon.files(POLL_TIME_MAX, move |_| found(9)).await),
            Some(9)
        );
    }
}
