//! `cluster/status`: how one server of a cluster sees it.

use std::str::FromStr;

use ovsdb_proto::uuid::Uuid;

use super::error::AnswerError;
use super::lines::{enclosed, lines, number, words};

/// How one server of a cluster sees it.
///
/// Names of servers are short here: the first four digits of a server id, or more where four are not enough.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ClusterStatus {
    /// The short name of this server.
    pub nickname: String,
    /// The database.
    pub database: String,
    /// The cluster's id; `None` while this server does not know it yet.
    pub cluster_id: Option<Uuid>,
    /// The id of this server.
    pub server_id: Uuid,
    /// Where the others of the cluster reach this server.
    pub address: String,
    /// How this server stands to the cluster.
    pub membership: Membership,
    /// Whom a server that is joining asks.
    pub joining_through: Vec<String>,
    /// Servers that this one, the leader, is adding.
    pub adding: Vec<Moving>,
    /// The server that this one, the leader, is removing.
    pub removing: Option<Moving>,
    /// The part that this server plays.
    pub role: Role,
    /// The term that this server knows of.
    pub term: u64,
    /// The leader of the term.
    pub leader: Who,
    /// Whom this server has voted for in the term.
    pub vote: Who,
    /// The last election that this server started (Open vSwitch 2.15 and later).
    pub last_election: Option<Election>,
    /// Milliseconds since this server won an election, if it is the leader (Open vSwitch 2.15 and later).
    pub last_election_won_ms_ago: Option<u64>,
    /// Milliseconds of silence of the leader after which an election begins.
    pub election_timer_ms: u64,
    /// What [`ClusterStatus::election_timer_ms`] is about to become.
    pub election_timer_next_ms: Option<u64>,
    /// The index of the first entry in the log of this server.
    pub log_start: u64,
    /// The index of the entry that comes next.
    pub log_end: u64,
    /// Entries that a majority does not have yet, as far as this server knows.
    pub not_committed: u64,
    /// Entries that are not in this server's database yet.
    pub not_applied: u64,
    /// Connections between this server and others.
    pub connections: Vec<PeerConnection>,
    /// How often a connection has broken (Open vSwitch 2.15 and later).
    pub disconnections: Option<u64>,
    /// The servers of the cluster, this one too.
    pub servers: Vec<Member>,
    /// Lines that are none of these.
    pub other: Vec<String>,
}

/// How a server stands to its cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Membership {
    /// It is one of the cluster.
    Member,
    /// It is one of the cluster, and no election has found a leader for a while.
    Disconnected,
    /// It wants to be one.
    Joining,
    /// It is on its way out.
    Leaving,
    /// It is none of the cluster any more.
    Left,
    /// It cannot go on.
    Failed,
    /// Other words.
    Other(String),
}

/// A server on its way into a cluster, or out of it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Moving {
    /// Its short name.
    pub nickname: String,
    /// The first four digits of its id.
    pub id: String,
    /// Its address.
    pub address: String,
    /// How far it is, in the server's words.
    pub phase: String,
}

/// The part that a server plays in a cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Role {
    /// It decides what comes into the log.
    Leader,
    /// It wants to be the leader.
    Candidate,
    /// It follows the leader.
    Follower,
    /// Another word.
    Other(String),
}

/// A server, seen from another.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Who {
    /// The server that tells.
    Itself,
    /// None, or none that it knows.
    Unknown,
    /// The server with this short name.
    Server(String),
}

/// An election.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Election {
    /// Milliseconds since it was started.
    pub started_ms_ago: u64,
    /// Why, in the server's words: `timeout` or `leadership_transfer`.
    pub reason: String,
}

/// Who made a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// The other server.
    Incoming,
    /// The server that tells.
    Outgoing,
}

/// A connection with another server of a cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PeerConnection {
    /// The other server's short name; `0000` if it is not known yet.
    pub peer: String,
    /// Who made it.
    pub direction: Direction,
    /// Whether it stands.
    pub is_connected: bool,
}

/// A server of a cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Member {
    /// Its short name.
    pub nickname: String,
    /// The first four digits of its id.
    pub id: String,
    /// Its address.
    pub address: String,
    /// Whether it is the server that tells.
    pub is_self: bool,
    /// How far it is on its way out, or in, in the server's words.
    pub phase: Option<String>,
    /// Whom it has voted for; a candidate knows.
    pub voted_for: Option<String>,
    /// The index of the entry that it is sent next; the leader knows.
    pub next_index: Option<u64>,
    /// The index of the last entry that it is known to have; the leader knows.
    pub match_index: Option<u64>,
    /// Milliseconds since something came from it (Open vSwitch 2.15 and later).
    pub last_message_ms_ago: Option<u64>,
    /// Further words.
    pub other: Vec<String>,
}

/// A value that each version tells, until it has been seen.
struct Needed<T> {
    value: Option<T>,
    missing: &'static str,
}

impl<T> Needed<T> {
    const fn new(missing: &'static str) -> Self {
        Self {
            value: None,
            missing,
        }
    }

    /// Takes the value, if it is one.
    fn set(&mut self, value: Option<T>) -> Option<()> {
        self.value = Some(value?);
        Some(())
    }

    fn get(self) -> Result<T, AnswerError> {
        let missing = self.missing;
        self.value.ok_or(AnswerError {
            command: "cluster/status",
            missing,
        })
    }
}

/// What has been read so far.
struct Reading {
    database: Needed<String>,
    cluster_id: Needed<Option<Uuid>>,
    server_id: Needed<Uuid>,
    address: Needed<String>,
    membership: Needed<Membership>,
    role: Needed<Role>,
    term: Needed<u64>,
    leader: Needed<Who>,
    vote: Needed<Who>,
    election_timer_ms: Needed<u64>,
    log: Needed<(u64, u64)>,
    not_committed: Needed<u64>,
    not_applied: Needed<u64>,
    joining_through: Vec<String>,
    adding: Vec<Moving>,
    removing: Option<Moving>,
    last_election: Option<Election>,
    last_election_won_ms_ago: Option<u64>,
    election_timer_next_ms: Option<u64>,
    connections: Vec<PeerConnection>,
    disconnections: Option<u64>,
}

impl ClusterStatus {
    /// Reads the answer to `cluster/status`.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub fn parse(text: &str) -> Result<Self, AnswerError> {
        let mut reading = Reading::new();
        let mut nickname = Needed::new("the server's short name");
        let mut servers = Vec::new();
        let mut other = Vec::new();
        let mut in_servers = false;
        for (number, line) in lines(text).enumerate() {
            if number == 0 && !line.contains(' ') {
                nickname.value = Some(line.to_owned());
                continue;
            }
            let server = in_servers
                .then(|| line.strip_prefix("    ").and_then(Member::parse))
                .flatten();
            if let Some(server) = server {
                servers.push(server);
            } else if line == "Servers:" {
                in_servers = true;
            } else if reading.line(line).is_none() {
                other.push(line.to_owned());
            }
        }
        let (log_start, log_end) = reading.log.get()?;
        Ok(Self {
            nickname: nickname.get()?,
            database: reading.database.get()?,
            cluster_id: reading.cluster_id.get()?,
            server_id: reading.server_id.get()?,
            address: reading.address.get()?,
            membership: reading.membership.get()?,
            joining_through: reading.joining_through,
            adding: reading.adding,
            removing: reading.removing,
            role: reading.role.get()?,
            term: reading.term.get()?,
            leader: reading.leader.get()?,
            vote: reading.vote.get()?,
            last_election: reading.last_election,
            last_election_won_ms_ago: reading.last_election_won_ms_ago,
            election_timer_ms: reading.election_timer_ms.get()?,
            election_timer_next_ms: reading.election_timer_next_ms,
            log_start,
            log_end,
            not_committed: reading.not_committed.get()?,
            not_applied: reading.not_applied.get()?,
            connections: reading.connections,
            disconnections: reading.disconnections,
            servers,
            other,
        })
    }
}

impl Reading {
    fn new() -> Self {
        Self {
            database: Needed::new("which database it is about"),
            cluster_id: Needed::new("the cluster's id"),
            server_id: Needed::new("the server's id"),
            address: Needed::new("the server's address"),
            membership: Needed::new("how the server stands to the cluster"),
            role: Needed::new("the server's role"),
            term: Needed::new("the term"),
            leader: Needed::new("the leader"),
            vote: Needed::new("the server's vote"),
            election_timer_ms: Needed::new("the election timer"),
            log: Needed::new("the bounds of the log"),
            not_committed: Needed::new("how many entries are not committed"),
            not_applied: Needed::new("how many entries are not applied"),
            joining_through: Vec::new(),
            adding: Vec::new(),
            removing: None,
            last_election: None,
            last_election_won_ms_ago: None,
            election_timer_next_ms: None,
            connections: Vec::new(),
            disconnections: None,
        }
    }

    /// Takes one line; `None` if it says nothing that is known.
    fn line(&mut self, line: &str) -> Option<()> {
        if let Some(rest) = line.strip_prefix("Adding server ") {
            self.adding.push(Moving::parse(rest)?);
            return Some(());
        }
        if let Some(rest) = line.strip_prefix("Removing server ") {
            self.removing = Some(Moving::parse(rest)?);
            return Some(());
        }
        if let Some(rest) = line.strip_prefix("Last Election started ") {
            let (ms, reason) = rest.split_once(" ms ago, reason: ")?;
            self.last_election = Some(Election {
                started_ms_ago: number(ms)?,
                reason: reason.to_owned(),
            });
            return Some(());
        }
        let (name, value) = line.split_once(':')?;
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "Name" => self.database.set(Some(value.to_owned())),
            "Cluster ID" if value == "not yet known" => self.cluster_id.set(Some(None)),
            "Cluster ID" => self.cluster_id.set(long_id(value).map(Some)),
            "Server ID" => self.server_id.set(long_id(value)),
            "Address" => self.address.set(Some(value.to_owned())),
            "Status" => self.membership.set(Some(Membership::parse(value))),
            "Remotes for joining" => {
                self.joining_through = words(value).map(str::to_owned).collect();
                Some(())
            }
            "Role" => self.role.set(Some(Role::parse(value))),
            "Term" => self.term.set(number(value)),
            "Leader" => self.leader.set(Some(Who::parse(value))),
            "Vote" => self.vote.set(Some(Who::parse(value))),
            "Last Election won" => {
                let ms = number(value.strip_suffix(" ms ago")?)?;
                self.last_election_won_ms_ago = Some(ms);
                Some(())
            }
            "Election timer" => {
                let (now, next) = match value.split_once(" (changing to ") {
                    None => (value, None),
                    Some((now, next)) => (now, Some(number(next.strip_suffix(')')?)?)),
                };
                self.election_timer_ms.set(number(now))?;
                self.election_timer_next_ms = next;
                Some(())
            }
            "Log" => {
                let bounds = value.strip_prefix('[')?.strip_suffix(']')?;
                let (start, end) = bounds.split_once(", ")?;
                self.log.set(Some((number(start)?, number(end)?)))
            }
            "Entries not yet committed" => self.not_committed.set(number(value)),
            "Entries not yet applied" => self.not_applied.set(number(value)),
            "Connections" => {
                let connections: Option<Vec<_>> = words(value).map(PeerConnection::parse).collect();
                self.connections = connections?;
                Some(())
            }
            "Disconnections" => {
                self.disconnections = Some(number(value)?);
                Some(())
            }
            _ => None,
        }
    }
}

/// An id as `c0de (c0de....)`.
fn long_id(text: &str) -> Option<Uuid> {
    let (_short, long) = text.strip_suffix(')')?.split_once(" (")?;
    Uuid::from_str(long).ok()
}

/// A server as `NICKNAME (ID at ADDRESS)`, and what follows.
fn server(text: &str) -> Option<(&str, &str, &str, &str)> {
    let (nickname, rest) = text.split_once(' ')?;
    let (inside, rest) = enclosed(rest, "(", ")")?;
    let (id, address) = inside.split_once(" at ")?;
    Some((nickname, id, address, rest))
}

impl Membership {
    fn parse(text: &str) -> Self {
        match text {
            "cluster member" => Self::Member,
            "disconnected from the cluster (election timeout)" => Self::Disconnected,
            "joining cluster" => Self::Joining,
            "leaving cluster" => Self::Leaving,
            "left cluster" => Self::Left,
            "failed" => Self::Failed,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl Role {
    fn parse(text: &str) -> Self {
        match text {
            "leader" => Self::Leader,
            "candidate" => Self::Candidate,
            "follower" => Self::Follower,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl Who {
    fn parse(text: &str) -> Self {
        match text {
            "self" => Self::Itself,
            "unknown" => Self::Unknown,
            other => Self::Server(other.to_owned()),
        }
    }
}

impl PeerConnection {
    fn parse(word: &str) -> Option<Self> {
        let inside = word
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'));
        let arrow = inside.unwrap_or(word);
        let (direction, peer) = match arrow.strip_prefix("->") {
            Some(peer) => (Direction::Outgoing, peer),
            None => (Direction::Incoming, arrow.strip_prefix("<-")?),
        };
        Some(Self {
            peer: peer.to_owned(),
            direction,
            is_connected: inside.is_none(),
        })
    }
}

impl Moving {
    fn parse(text: &str) -> Option<Self> {
        let (nickname, id, address, rest) = server(text)?;
        let (phase, "") = enclosed(rest, " (", ")")? else {
            return None;
        };
        Some(Self {
            nickname: nickname.to_owned(),
            id: id.to_owned(),
            address: address.to_owned(),
            phase: phase.to_owned(),
        })
    }
}

impl Member {
    fn parse(text: &str) -> Option<Self> {
        let (nickname, id, address, mut rest) = server(text)?;
        let mut out = Self {
            nickname: nickname.to_owned(),
            id: id.to_owned(),
            address: address.to_owned(),
            is_self: false,
            phase: None,
            voted_for: None,
            next_index: None,
            match_index: None,
            last_message_ms_ago: None,
            other: Vec::new(),
        };
        while let Some((words, more)) = enclosed(rest, " (", ")") {
            match words.strip_prefix("voted for ") {
                Some(who) => out.voted_for = Some(who.to_owned()),
                None if words == "self" => out.is_self = true,
                None => out.phase = Some(words.to_owned()),
            }
            rest = more;
        }
        if let Some((before, ms)) = rest.split_once(" last msg ")
            && let Some(ms) = ms.strip_suffix(" ms ago").and_then(number)
        {
            out.last_message_ms_ago = Some(ms);
            rest = before;
        }
        for word in words(rest) {
            let value = |name| word.strip_prefix(name).and_then(number);
            if let Some(index) = value("next_index=") {
                out.next_index = Some(index);
            } else if let Some(index) = value("match_index=") {
                out.match_index = Some(index);
            } else {
                out.other.push(word.to_owned());
            }
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests;
