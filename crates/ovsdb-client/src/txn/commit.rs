//! Transactions committed by way of a replica: sent, answered, and begun anew where others were quicker.
//!
//! What is decided here is only when to try again; what a transaction is and what a reply says stands beside.

use std::fmt::Debug;
use std::sync::Arc;

use ecow::EcoString;
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::reply::Malformed;
use tokio::time::{Duration, Instant, sleep, timeout_at};

use super::Txn;
use super::error::{Doubt, EditError, Failure, Refusal};
use super::guard::Guard;
use super::marker::{Marker, Turn, token_text};
use super::outcome::Committed;
use super::plan::{self, Naming, Plan};
use super::row::RowName;
use crate::chance;
use crate::replica::{Replica, SubmitError, Submitted, Trouble, Version, WaitError};

/// The shortest pause before a transaction is tried again, if nothing has changed meanwhile.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A transaction with a marker is sent again after so many answers that nobody can read. After the next one it is given up.
const MALFORMED_MAX: u32 = 5;

/// Why a transaction was not committed, or is not known to have been.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// It cannot be sent.
    #[error(transparent)]
    Invalid(#[from] EditError),
    /// It was answered, and did not happen. With a [`Marker`] it is certain that it will not happen later, either.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There was no connection to send it by. It did not happen.
    #[error("there is no connection for the transaction")]
    NotSent,
    /// It was sent, and nobody knows whether it happened. With a [`Marker`] it would be known, unless the server went on to
    /// answer nonsense, or no longer has the marker's row or lets it be written.
    #[error(transparent)]
    Unknown(#[from] Doubt),
    /// There was no reply before the deadline. It may have happened, or still happen.
    #[error("the transaction was not answered in time")]
    Deadline,
    /// It was not sent: the server refuses to be monitored, so that nobody knows what it would be made on.
    #[error("the server refuses to be monitored: {0}")]
    Unmonitored(Json),
    /// The replica has no contents, and will have none.
    #[error(transparent)]
    Failed(Trouble),
    /// The client is closed. If the transaction was under way then, nobody knows whether it happened.
    #[error("the client is closed")]
    Closed,
}

impl CommitError {
    /// Whether to read again and try again may help, and cannot do it twice.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            CommitError::Refused(Refusal::Conflict(_)) | CommitError::NotSent
        )
    }
}

/// Why [`Replica::update`] came to nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError<E> {
    /// The program gave it up.
    #[error(transparent)]
    Change(E),
    /// The transaction was not committed, or is not known to have been. After [`Policy::tries_max`] attempts this is why the
    /// last one failed.
    #[error(transparent)]
    Commit(CommitError),
}

/// How long [`Replica::update`] goes on.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// When it gives up; `None`: not for the time.
    pub deadline: Option<Instant>,
    /// How many transactions it sends at most.
    pub tries_max: u32,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            deadline: None,
            tries_max: u32::MAX,
        }
    }
}

impl Policy {
    /// Until the deadline.
    pub fn until(deadline: Instant) -> Policy {
        Policy {
            deadline: Some(deadline),
            ..Policy::default()
        }
    }
}

impl From<Failure> for CommitError {
    fn from(failure: Failure) -> CommitError {
        match failure {
            Failure::Refused(refusal) => CommitError::Refused(refusal),
            Failure::Unknown(doubt) => CommitError::Unknown(doubt),
        }
    }
}

impl From<WaitError> for CommitError {
    fn from(error: WaitError) -> CommitError {
        match error {
            WaitError::DeadlineExceeded => CommitError::Deadline,
            WaitError::Refused(error) => CommitError::Unmonitored(error),
            WaitError::Failed(trouble) => CommitError::Failed(trouble),
            WaitError::Closed => CommitError::Closed,
        }
    }
}

impl Replica {
    /// Begins a transaction on the newest contents; `None` before there are any.
    pub fn begin(&self) -> Option<Txn> {
        self.snapshot().map(begin_on)
    }

    /// Commits a transaction. When this returns, what it changed is in the contents, as far as it was chosen.
    ///
    /// A transaction that [waits for a lock](Txn::wait_for_lock) is sent when the lock is held and there is a connection. It is
    /// sent once, but for copies that the server refused for want of the lock, unless it has a [`Marker`]: then it is sent again until it is known what has become of it, and if it is
    /// refused, the server is made to refuse it for good. If the future is dropped, the server is asked to cancel the
    /// transaction, and nobody knows what becomes of it.
    ///
    /// # Errors
    /// [`CommitError`].
    pub async fn commit(
        &self,
        txn: &Txn,
        deadline: Option<Instant>,
    ) -> Result<Committed, CommitError> {
        let committed = async {
            let plan = txn.plan()?;
            match &txn.marker {
                _ if plan.is_unchanged() => Ok(plan.unchanged()),
                None => self.send_under_lock(txn, &plan, deadline).await,
                Some(marker) => self.commit_marked(txn, marker, plan, deadline).await,
            }
        };
        by(deadline, committed).await
    }

    /// Reads rows and changes them by `change`, until that has been committed on what was read: where others have changed
    /// meanwhile what [`Txn::verify`] names, it begins anew on the newest contents.
    ///
    /// A transaction of which nobody knows whether it happened is not tried again, unless it has a [`Marker`], by which it
    /// becomes known: not even if the server says that it canceled it, as it does with all that are under way when a database is
    /// converted.
    ///
    /// ```no_run
    /// use ovsdb_client::replica::Replica;
    /// use ovsdb_client::txn::{EditError, Policy};
    ///
    /// # async fn example(replica: &Replica) -> Result<(), Box<dyn std::error::Error>> {
    /// let (number, _) = replica
    ///     .update(Policy::default(), |txn| {
    ///         let row = txn.rows("Open_vSwitch")?.remove(0);
    ///         let number = txn.get::<i64>(&row, "next_cfg")? + 1;
    ///         txn.verify(&row, "next_cfg")?;
    ///         txn.set(&row, "next_cfg", number)?;
    ///         Ok::<_, EditError>(number)
    ///     })
    ///     .await?;
    /// println!("{number}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`UpdateError`].
    pub async fn update<R, E>(
        &self,
        policy: Policy,
        mut change: impl FnMut(&mut Txn) -> Result<R, E>,
    ) -> Result<(R, Committed), UpdateError<E>> {
        let mut tries = 0;
        let mut pause = PAUSE_MIN;
        loop {
            let base = self.live(policy.deadline).await;
            let base = base.map_err(|error| UpdateError::Commit(error.into()))?;
            let mut txn = begin_on(Arc::clone(&base));
            let result = change(&mut txn).map_err(UpdateError::Change)?;
            let error = match self.attempt(&mut txn, policy.deadline).await {
                Ok(Some(committed)) => return Ok((result, committed)),
                // It has waited for the lock, and others may have changed what it stands on.
                Ok(None) => continue,
                Err(error) => error,
            };
            tries += 1;
            let is_locked = matches!(error, CommitError::Refused(Refusal::NotLocked(_)));
            let waits = txn.guard.as_ref().is_some_and(Guard::waits);
            let is_early = policy
                .deadline
                .is_none_or(|deadline| Instant::now() < deadline);
            let goes_on = error.is_transient() || is_locked && waits && is_early;
            if !goes_on || tries >= policy.tries_max {
                return Err(UpdateError::Commit(error));
            }
            if is_locked && let Some(guard) = &mut txn.guard {
                let regained = guard.regained(jittered(pause), policy.deadline).await;
                regained.map_err(|refusal| UpdateError::Commit(refusal.into()))?;
                pause = (pause * 2).min(PAUSE_MAX);
                continue;
            }
            self.newer_than(&base, jittered(pause), policy.deadline)
                .await
                .map_err(UpdateError::Commit)?;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Makes a [`Marker`] of a key of a map: gives the key a token if it is not there.
    ///
    /// # Errors
    /// [`UpdateError`].
    pub async fn marker(
        &self,
        row: &RowName,
        column: impl Into<EcoString>,
        key: impl Into<EcoString>,
        policy: Policy,
    ) -> Result<Marker, UpdateError<EditError>> {
        let marker = Marker::new(row.clone(), column, key);
        let mut doubts = Doubts::default();
        loop {
            let made = self.update(policy, |txn| match marker.last(txn)? {
                Some(_) => Ok(()),
                None => {
                    let token = token_text(chance::uuid());
                    txn.insert_key(row, marker.column(), marker.key(), token)
                }
            });
            match made.await {
                // A key that is there keeps its token, so this may happen twice.
                Err(UpdateError::Commit(CommitError::Unknown(doubt))) => {
                    doubts.add(doubt).await.map_err(UpdateError::Commit)?;
                }
                Err(error) => return Err(error),
                Ok(_) => return Ok(marker),
            }
        }
    }

    /// One attempt of an [`update`](Replica::update). `None`: it has waited for the lock instead.
    async fn attempt(
        &self,
        txn: &mut Txn,
        deadline: Option<Instant>,
    ) -> Result<Option<Committed>, CommitError> {
        let plan = txn.plan()?;
        if plan.is_unchanged() {
            return Ok(Some(plan.unchanged()));
        }
        if let Some(guard) = txn.guard.as_mut().filter(|guard| !guard.is_open()) {
            guard.held(deadline).await?;
            return Ok(None);
        }
        let committed = async {
            match &txn.marker {
                None => self.send(&plan).await,
                Some(marker) => self.commit_marked(txn, marker, plan, deadline).await,
            }
        };
        by(deadline, committed).await.map(Some)
    }

    /// Sends a transaction when the lock is there for which it waits.
    async fn send_under_lock(
        &self,
        txn: &Txn,
        plan: &Plan,
        deadline: Option<Instant>,
    ) -> Result<Committed, CommitError> {
        let Some(mut guard) = txn.guard.clone().filter(Guard::waits) else {
            return self.send(plan).await;
        };
        let mut doubts = Doubts::default();
        loop {
            guard.held(deadline).await?;
            // The lock comes with a connection, and before the contents follow it.
            self.live(deadline).await?;
            match self.send(plan).await {
                Err(CommitError::Refused(Refusal::NotLocked(_))) => {
                    guard.regained(doubts.next_pause(), deadline).await?;
                }
                Err(CommitError::NotSent) => doubts.pause().await,
                result => return result,
            }
        }
    }

    async fn send(&self, plan: &Plan) -> Result<Committed, CommitError> {
        match self.submit(plan.params().clone()).await {
            Ok(submitted) => answered(plan, &submitted),
            Err(SubmitError::Refused(error)) => Ok(plan.outcome(Err(&error))?),
            Err(SubmitError::NotSent) => Err(CommitError::NotSent),
            Err(SubmitError::Unknown(why)) => Err(Doubt::Lost(why).into()),
            Err(SubmitError::Closed) => Err(CommitError::Closed),
        }
    }

    /// The same for a transaction that may be sent as often as it takes.
    async fn commit_marked(
        &self,
        txn: &Txn,
        marker: &Marker,
        plan: Plan,
        deadline: Option<Instant>,
    ) -> Result<Committed, CommitError> {
        if let Some(guard) = &mut txn.guard.clone() {
            guard.held(deadline).await?;
        }
        // Whether one transaction has happened cannot be told any more when another one has.
        let mut turn = marker.turn().lock().await;
        self.send_until_known(txn, marker, &mut turn, plan, deadline)
            .await
    }

    async fn send_until_known(
        &self,
        txn: &Txn,
        marker: &Marker,
        turn: &mut Turn,
        mut plan: Plan,
        deadline: Option<Instant>,
    ) -> Result<Committed, CommitError> {
        let mut doubts = Doubts::default();
        let mut guard = txn.guard.clone();
        let mut naming = turn.naming(txn.base());
        let mut is_trial = false;
        if naming == Naming::Names {
            plan = plan::plan_as(txn, naming)?;
        }
        loop {
            let waits = guard.as_mut().filter(|guard| guard.waits());
            match (self.send(&plan).await, waits) {
                (Err(CommitError::Unknown(doubt)), _) => doubts.add(doubt).await?,
                // This time. It may have been carried out before.
                (Err(CommitError::NotSent), waits) if waits.is_some() || doubts.last.is_some() => {
                    doubts.pause().await;
                }
                // Whichever copy comes first after the lock, it is the same transaction.
                (Err(CommitError::Refused(Refusal::NotLocked(_))), Some(guard)) => {
                    let pause = doubts.next_pause();
                    let regained = guard.regained(pause, deadline).await;
                    regained.map_err(|refusal| doubts.or(refusal))?;
                }
                // It writes the same token, so that one of the two is carried out at most.
                (Err(CommitError::Refused(refusal)), _)
                    if naming == Naming::Uuids && plan.may_be_for_uuids(&refusal) =>
                {
                    naming = Naming::Names;
                    plan = plan::plan_as(txn, naming)?;
                    is_trial = true;
                }
                (Err(CommitError::Refused(refusal)), _) => {
                    return self
                        .rule_out(txn, marker, &plan, refusal, doubts, deadline)
                        .await;
                }
                (result, _) => {
                    if is_trial && result.is_ok() {
                        turn.learn(txn.base());
                    }
                    return result;
                }
            }
            self.live_again().await?;
        }
    }

    /// Sees to it that a transaction that was refused does not happen later, and finds out whether it has happened.
    ///
    /// That one copy of it was refused does not say that of all: another one may still be on its way by a connection that has
    /// ended here, or within a cluster whose servers pass it on or try it again by themselves, and may fare better.
    async fn rule_out(
        &self,
        txn: &Txn,
        marker: &Marker,
        plan: &Plan,
        refusal: Refusal,
        mut doubts: Doubts,
        deadline: Option<Instant>,
    ) -> Result<Committed, CommitError> {
        let ruling_out = plan::ruling_out(txn, marker, chance::uuid())?;
        let mut guard = txn.guard.clone();
        loop {
            let waits = guard.as_mut().filter(|guard| guard.waits());
            match self.send(&ruling_out).await {
                Ok(found) if found.repeated => {
                    let mut committed = plan.repeated();
                    committed.generation = found.generation;
                    return Ok(committed);
                }
                // There is another token, be it by what was sent just now or before.
                Ok(_) | Err(CommitError::Refused(Refusal::Conflict(_))) => {
                    return Err(refusal.into());
                }
                Err(CommitError::Unknown(doubt)) => doubts.add(doubt).await?,
                Err(CommitError::NotSent) => doubts.pause().await,
                Err(CommitError::Refused(other)) => match (other, waits) {
                    (Refusal::NotLocked(_), Some(guard)) => {
                        let regained = guard.regained(doubts.next_pause(), deadline).await;
                        regained.map_err(|_| doubts.or(refusal.clone()))?;
                    }
                    _ => return Err(doubts.or(refusal)),
                },
                Err(error) => return Err(error),
            }
            self.live_again().await?;
        }
    }

    /// Waits until there are newer contents, or for a while: what stands in the way may not be among what was chosen.
    async fn newer_than(
        &self,
        base: &Version,
        pause: Duration,
        deadline: Option<Instant>,
    ) -> Result<(), CommitError> {
        let is_newer = |version: &Arc<Version>| version.generation() > base.generation();
        tokio::select! {
            newer = self.wait_for(deadline, |version| is_newer(version).then_some(())) => {
                newer.map_err(CommitError::from)
            }
            () = sleep(pause) => Ok(()),
        }
    }
}

/// Why it is not known what has become of a transaction that is sent again for that.
#[derive(Debug, Default)]
struct Doubts {
    last: Option<Doubt>,
    n_malformed: u32,
    pause: Duration,
}

impl Doubts {
    /// One more. Waits for a while, unless what is waited for next is a connection; fails where it leads to nothing.
    async fn add(&mut self, doubt: Doubt) -> Result<(), CommitError> {
        let is_lost = matches!(doubt, Doubt::Lost(_));
        if let Doubt::Malformed(_) = doubt {
            self.n_malformed += 1;
            if self.n_malformed > MALFORMED_MAX {
                return Err(doubt.into());
            }
        }
        self.last = Some(doubt);
        if !is_lost {
            self.pause().await;
        }
        Ok(())
    }

    async fn pause(&mut self) {
        sleep(self.next_pause()).await;
    }

    fn next_pause(&mut self) -> Duration {
        self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
        jittered(self.pause)
    }

    /// What is to be said of a transaction that was refused at last.
    fn or(&self, refusal: Refusal) -> CommitError {
        match &self.last {
            Some(doubt) => doubt.clone().into(),
            None => refusal.into(),
        }
    }
}

/// Does what must be done by the deadline, if there is one.
async fn by<T>(
    deadline: Option<Instant>,
    work: impl Future<Output = Result<T, CommitError>>,
) -> Result<T, CommitError> {
    match deadline {
        None => work.await,
        Some(deadline) => timeout_at(deadline, work)
            .await
            .unwrap_or(Err(CommitError::Deadline)),
    }
}

fn answered(plan: &Plan, submitted: &Submitted) -> Result<Committed, CommitError> {
    let result = json::parse(&submitted.result).map_err(|error| {
        Doubt::Malformed(Malformed {
            expected: "JSON",
            found: error.to_string(),
        })
    })?;
    let mut committed = plan.outcome(Ok(&result))?;
    committed.generation = Some(submitted.generation);
    Ok(committed)
}

fn begin_on(version: Arc<Version>) -> Txn {
    Txn::on(version, chance::uuid())
}

/// A pause of half to one and a half of `pause`, so that those who stood in each other's way do not meet again.
fn jittered(pause: Duration) -> Duration {
    let random = chance::number() % 1000;
    pause / 2 + pause * (random as u32) / 1000
}

#[cfg(test)]
mod tests;
