//! Every queue, buffer and count of the server that could grow, with its limit and what happens there.
//!
//! The values are defaults for any host; nothing outside this module spells a limit as a number.

use std::time::Duration;

/// Those limits that a server can be given other values for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// See [`SESSIONS_MAX`].
    pub sessions_max: usize,
    /// See [`MESSAGE_BYTES_MAX`].
    pub message_bytes_max: usize,
    /// See [`REQUESTS_BYTES_MAX`].
    pub requests_bytes_max: usize,
    /// See [`BACKLOG_BYTES_MAX`].
    pub backlog_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            sessions_max: SESSIONS_MAX,
            message_bytes_max: MESSAGE_BYTES_MAX,
            requests_bytes_max: REQUESTS_BYTES_MAX,
            backlog_bytes_max: BACKLOG_BYTES_MAX,
        }
    }
}

/// Clients connected at the same time. Another one's connection is accepted and closed, with a warning in the log.
/// Connections that the server makes itself count, but are not refused.
pub const SESSIONS_MAX: usize = 16_384;

/// Largest JSON-RPC message accepted from a client, in bytes. A client that sends a larger one is
/// disconnected. Room for a whole database in one transaction.
pub const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// How long a client may take to show who it is, where it must (TLS). It is disconnected then.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// Clients that are showing who they are at the same time. For another one, the one that has been at it longest is
/// disconnected.
pub const HANDSHAKES_MAX: usize = 1024;

/// Messages larger than this, in bytes, are parsed and answered where they do not hold up other sessions.
pub const MESSAGE_BYTES_SMALL: usize = 256 << 10;

/// What the requests of all clients may hold together while they arrive, wait or are worked on, in bytes of their text.
/// Beyond it the client that holds most is disconnected. What a client holds counts in steps of 256 KiB.
pub const REQUESTS_BYTES_MAX: usize = 2 << 30;

/// A guess at how many bytes a row takes in a message.
pub const ROW_BYTES: usize = 256;

/// Requests of one session handled in a row before others get their turn.
pub const REQUESTS_IN_A_ROW_MAX: usize = 64;

/// How long a session that is about to do much stays in the lane, unless it is so again: threads for such sessions, so that
/// others do not wait behind them.
pub const LANE_STAY: Duration = Duration::from_millis(100);

/// Messages larger than this, in bytes, are parsed in the lane.
pub const LANE_MESSAGE_BYTES: usize = 64 << 10;

/// A session that has to tell more monitors than this of something goes to the lane for that, unless more than this differ
/// of which each is found by what it wants.
pub const LANE_MONITORS: usize = 64;

/// Other sessions in the lane go on while a piece of work larger than this, in bytes, is done there. It waits until there are
/// fewer of them than the lane has threads.
pub const LANE_PIECE_BYTES: usize = 1 << 20;

/// How long a thread stays awake for the next request of a client that has been answered: somewhat longer than it takes to
/// put a thread to sleep and to wake it. It does so for one client at a time.
pub const AWAKE: Duration = Duration::from_micros(50);

/// Of a client that was waited for in vain again and again, at most two to the power of this many requests are not waited
/// for before it is tried once more.
pub const AWAKE_SKIPS_BITS: u32 = 10;

/// How many bytes a session asks its socket for at once.
pub const READ_BYTES: usize = 64 << 10;

/// From this size on, in bytes, the buffer of a message gets all the room that a message may take, if the system has so many
/// addresses and does not limit them: it need not move again, and takes no more memory than it uses.
pub const RECEIVE_WHOLE_BYTES: usize = 8 << 20;

/// How many times its size the buffer of a large message gets when there is no room left in it: addresses, not memory.
pub const RECEIVE_GROWTH: usize = 8;

/// By how many bytes it grows at most at a time, unless twice its size is more.
pub const RECEIVE_GROWTH_BYTES_MAX: usize = 64 << 20;

/// Unsent bytes beyond which a session is not read from any further, so that a client that does not take its
/// replies cannot cause more of them. One message may exceed it: it is a threshold, not a cap.
pub const OUTBOX_BYTES_MAX: usize = 1 << 20;

/// Unsent bytes beyond which nothing can be added for a client. One who is owed more, for instance because thousands of
/// its monitors are to be told of the same large change, is disconnected. One message may exceed it.
pub const BACKLOG_BYTES_MAX: usize = 2 << 30;

/// Size up to which small messages share one buffer of the outbox, in bytes.
pub const OUTBOX_CHUNK_BYTES: usize = 32 << 10;

/// Shared texts of up to so many bytes are copied behind what is queued already, so that many small ones are sent together.
pub const OUTBOX_GATHERED_BYTES: usize = 4 << 10;

/// Transactions of one session that the writers work on at the same time. Further ones wait their turn in the session.
pub const SESSION_IN_FLIGHT_MAX: usize = 256;

/// Size of the requests of those transactions, likewise. One request may exceed it.
pub const SESSION_IN_FLIGHT_BYTES_MAX: usize = 64 << 20;

/// Messages of one session that wait in it for the transactions before them. Beyond it the session is not read from.
pub const HELD_MESSAGES_MAX: usize = 256;

/// Size of those messages, likewise. One may exceed it.
pub const HELD_BYTES_MAX: usize = 1 << 20;

/// How long an `echo` request waits for the transactions before it. Whoever asks in order to know whether the server is
/// there is answered then, whatever the server is doing for him.
pub const ECHO_PATIENCE: Duration = Duration::from_millis(500);

/// Transactions of one session held back by `wait` operations. One more fails with `resources exhausted`.
pub const SESSION_PARKED_MAX: usize = 10_000;

/// Size of the requests of those transactions, likewise.
pub const SESSION_PARKED_BYTES_MAX: usize = 256 << 20;

/// Monitors of one session. One more is refused with `resources exhausted`.
pub const SESSION_MONITORS_MAX: usize = 1_000;

/// Calls of one session to the service of a program, those that have stepped aside not included. Transactions beyond them
/// wait.
pub const SESSION_CALLS_MAX: usize = 16;

/// What the service of a program has for one session and the session has not taken yet, in bytes. Beyond it the service waits.
pub const SESSION_NOTICES_BYTES_MAX: usize = 1 << 20;

/// How many bytes a message of a service counts for at least.
pub const NOTICE_BYTES_MIN: usize = 256;

/// Locks that one session holds or waits for. One more is refused with `resources exhausted`.
pub const SESSION_LOCKS_MAX: usize = 10_000;

/// Letters (replies, lock notifications) that wait for a session that cannot send. Replies are bounded by the
/// two limits above; a client that lets lock notifications pile up beyond this is disconnected.
pub const MAILBOX_LETTERS_MAX: usize = 2 * SESSION_PARKED_MAX;

/// How long a session whose peer has closed its sending side may take to deliver the replies that are due.
pub const LINGER: Duration = Duration::from_secs(5);

/// Transactions that wait for one database's writer, over all sessions. Sessions beyond it wait for room, and
/// are not read from meanwhile.
pub const WRITER_QUEUE_MAX: usize = 4096;

/// How often it is looked whether a transaction that runs on the thread that received it is held up. After two looks
/// others are woken.
pub const LOOKOUT_INTERVAL: Duration = Duration::from_millis(5);

/// After how many looks without such a transaction nobody looks until there is one again.
pub const LOOKOUT_IDLE_MAX: u32 = 200;

/// Largest request, in bytes, whose transaction may run on the thread that received it.
pub const TRANSACT_BYTES_INLINE: usize = 16 << 10;

/// Most rows that such a transaction may have to look at.
pub const TRANSACT_ROWS_INLINE: usize = 1024;

/// Rows of a commit up to which its record is made in one piece; that of more is hashed by a thread of its own meanwhile.
pub const RECORD_ROWS_WHOLE: usize = 1024;

/// Transactions that are executed before their records are written to the file together, published and answered.
pub const BATCH_TRANSACTIONS_MAX: usize = 128;

/// Size of the requests of those transactions, in bytes. One request may exceed it.
pub const BATCH_BYTES_MAX: usize = 256 << 10;

/// How many rows those transactions may have to look at together. One may exceed it.
pub const BATCH_ROWS_MAX: usize = 4 * TRANSACT_ROWS_INLINE;

/// How many rows transactions held back by `wait` may have to look at together when they are tried again after a batch. One
/// may exceed it, and each counts as one row at least. Those beyond it are tried after the next batch.
pub const WAKE_ROWS_MAX: usize = TRANSACT_ROWS_INLINE / 16;

/// How many such batches there may be before a writer looks after what else it has to do.
pub const BATCHES_MAX: usize = 16;

/// How many batches a session's thread works on before it leaves the rest to the writer's own thread.
pub const BATCHES_INLINE_MAX: usize = 4;

/// The longest that a sync may last time have taken for a transaction's thread to wait for the next one itself.
pub const SYNC_INLINE_MAX: Duration = Duration::from_millis(1);

/// Transactions executed ahead of the journal's answer. Beyond it the writer takes no new ones until some
/// answer comes.
pub const WRITER_AHEAD_MAX: usize = 4096;

/// Texts of at most [`MESSAGE_BYTES_SMALL`] bytes that are kept of what clients that came back had missed, for others that
/// have missed the same.
pub const BEGINNINGS_KEPT_MAX: usize = 4;

/// Bytes of a piece of initial contents, of which many pieces are made and sent one after the other. Its last row may
/// exceed it. What a client that stops in the middle holds is two of them, and their files if there are any.
pub const CONTENTS_PIECE_BYTES: usize = 256 << 10;

/// Rows that are looked at for one piece.
pub const CONTENTS_PIECE_ROWS: usize = 8192;

/// Bytes of pieces that are kept, once made, for other clients that have not come to them. Beyond it those made first are
/// forgotten, and made again for whoever is so slow.
pub const CONTENTS_KEPT_BYTES: usize = 32 << 20;

/// To so many clients or more pieces are sent from files in memory, which count among those that are kept. To make a file
/// costs as much as to send the bytes themselves to about ten.
pub const CONTENTS_FILE_READERS: usize = 16;

/// Largest piece of which there is a file, in bytes: only one that ends with a large row is larger.
pub const CONTENTS_FILE_BYTES_MAX: usize = 2 * CONTENTS_PIECE_BYTES;

/// Such files that there are at a time, each of which needs a descriptor. Beyond it pieces are sent without, and so they are
/// if few descriptors are left.
pub const CONTENTS_FILES_MAX: usize = 128;

/// Buffers of pieces that are kept to be used again while the same contents are sent.
pub const CONTENTS_SPARE_MAX: usize = 8;

/// Sessions whose clients a teller tells what is new before requests that have arrived get their turn.
pub const TELLS_IN_A_ROW: usize = 16;

/// How long a teller goes on at most before requests get their turn, if they have taken as long before.
pub const TELLING_MAX: Duration = Duration::from_millis(1);

/// Different texts that a teller keeps to tell others the same.
pub const JOINED_MAX: usize = 8;

/// Commits that the feed of a session that cannot send keeps apart before it merges them into one change set; like those
/// below, over all monitors of the feed, of which each gets an equal share. Monitors that want the same thing count as one
/// unless it is about messages. Feeds share
/// the commits, of which these are among the latest; the list of each takes some 32 bytes a commit.
pub const FEED_COMMITS_MAX: usize = 512;

/// Changed rows that a feed of a session that cannot send keeps apart, unless they are of the only commit that it has. With
/// more it merges at once, so that rows that change all together, again and again, cost no more than others.
pub const FEED_CHANGES_APART_MAX: usize = 512;

/// Once a session that cannot send has merged more changes than there are rows, and the share of them that it has not been
/// told of is at least one in this many, it keeps the version that it has come to instead of merging.
pub const FEED_KEPT_SHARE: usize = 4;

/// The most different monitors of a feed for which it is kept in advance what they had been told when their session could not send
/// any more.
pub const FEED_BASES_MAX: usize = 16;

/// Different monitors of a feed of which each is found by what it wants. Of those beyond it that have to look at every change
/// of a table only the tables are known: a commit is noted once for all of them, and whoever tells them looks whom it
/// concerns. Of very many commits the version before the first one is kept instead.
pub const FEED_GROUPS_APART: usize = 32;

/// Commits of which a session that can send tells one by one, in words that it shares with others. With more it merges them,
/// on its own time. It has them if tellers come late.
pub const FEED_COMMITS_TOLD_MAX: usize = 2048;

/// Changed rows of those commits, likewise, unless they are of one commit.
pub const FEED_CHANGES_TOLD_MAX: usize = 4096;

/// Messages of commits told one by one that cost as much as it does to look at a changed row and put it into words.
pub const FEED_COMMITS_PER_ROW: usize = 4;

/// Commits that a feed keeps apart for a session that does not come to telling or merging them; with more, whoever commits
/// merges them. The list takes 128 KiB at most, until the session has come to it.
pub const FEED_COMMITS_LATE_MAX: usize = 4096;

/// Changed rows of those commits, likewise, unless they are of one commit.
pub const FEED_CHANGES_LATE_MAX: usize = 128 << 10;

/// Memory for the commits of the recent past of one database, in bytes. A client that was away for longer gets all of
/// what it monitors anew.
pub const HISTORY_BYTES_MAX: usize = 64 << 20;

/// The same for a small database: this much, and [`HISTORY_BYTES_PER_ROW`] for each of its rows. A small database
/// is sent anew as quickly as the past of it.
pub const HISTORY_BYTES_BASE: usize = 1 << 20;

/// See [`HISTORY_BYTES_BASE`].
pub const HISTORY_BYTES_PER_ROW: usize = 1 << 10;

/// How far back from the end of a file commits are kept when it is read, in bytes of the file. What is older is not
/// worth the time that it would add to the start of a server.
pub const HISTORY_FILE_BYTES_MAX: u64 = 16 << 20;

/// How often a compaction begins anew because records were taken back while it ran.
pub const COMPACTION_ATTEMPTS_MAX: u32 = 3;

/// How often a compaction copies what was written meanwhile before it leaves the rest to the writer.
pub const COMPACTION_ROUNDS_MAX: u32 = 16;

/// A rest so small that copying it does not hold up the writer, in bytes.
pub const COMPACTION_REST_BYTES: u64 = 64 << 10;

/// Time between attempts to write a file anew after a sync of it has failed.
pub const HEAL_INTERVAL: Duration = Duration::from_secs(60);

/// Databases served by one process. One more is refused.
pub const DATABASES_MAX: usize = 1024;

/// Remotes that one process listens on or connects to.
pub const REMOTES_MAX: usize = 1024;

/// How long whoever adds a listener with a host name waits for the name to be looked up. After that it is opened as soon as
/// that has come to an end.
pub const RESOLVING: Duration = Duration::from_secs(1);

/// How long accepting pauses after it failed, for instance because the process has no file descriptor left.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How long a TCP session may be silent before the server probes it, and again before it gives it up.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// How often the status columns of configured remotes are refreshed.
pub const STATUS_INTERVAL: Duration = Duration::from_millis(2500);
