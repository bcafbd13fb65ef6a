//! Answers to `cluster/status`: recorded ones, generated ones, and what is wrong with others.

use proptest::option;
use proptest::prelude::*;

use super::super::tests::{letters, recorded};
use super::*;

fn membership(value: &Membership) -> &str {
    match value {
        Membership::Member => "cluster member",
        Membership::Disconnected => "disconnected from the cluster (election timeout)",
        Membership::Joining => "joining cluster",
        Membership::Leaving => "leaving cluster",
        Membership::Left => "left cluster",
        Membership::Failed => "failed",
        Membership::Other(text) => text,
    }
}

fn who(value: &Who) -> &str {
    match value {
        Who::Itself => "self",
        Who::Unknown => "unknown",
        Who::Server(name) => name,
    }
}

fn moving(value: &Moving) -> String {
    let Moving {
        nickname,
        id,
        address,
        phase,
    } = value;
    format!("{nickname} ({id} at {address}) ({phase})\n")
}

fn optional<T: std::fmt::Display>(before: &str, value: Option<T>, after: &str) -> String {
    value.map_or_else(String::new, |value| format!("{before}{value}{after}"))
}

fn member(value: &Member) -> String {
    format!(
        "    {} ({} at {}){}{}{}{}{}{}\n",
        value.nickname,
        value.id,
        value.address,
        if value.is_self { " (self)" } else { "" },
        optional(" (", value.phase.as_ref(), ")"),
        optional(" (voted for ", value.voted_for.as_ref(), ")"),
        optional(" next_index=", value.next_index, ""),
        optional(" match_index=", value.match_index, ""),
        optional(" last msg ", value.last_message_ms_ago, " ms ago"),
    )
}

fn connection(value: &PeerConnection) -> String {
    let arrow = match value.direction {
        Direction::Incoming => "<-",
        Direction::Outgoing => "->",
    };
    match value.is_connected {
        true => format!(" {arrow}{}", value.peer),
        false => format!(" ({arrow}{})", value.peer),
    }
}

/// The status as a server tells it.
fn text_of(status: &ClusterStatus) -> String {
    let long = |id: &Uuid| format!("{} ({id})", &id.to_string()[..4]);
    let mut text = format!(
        "{}\nName: {}\nCluster ID: {}\nServer ID: {}\nAddress: {}\nStatus: {}\n",
        status.nickname,
        status.database,
        status
            .cluster_id
            .as_ref()
            .map_or_else(|| "not yet known".to_owned(), long),
        long(&status.server_id),
        status.address,
        membership(&status.membership),
    );
    if status.membership == Membership::Joining {
        let remotes = status.joining_through.iter().map(|to| format!(" {to}"));
        text += &format!("Remotes for joining:{}\n", remotes.collect::<String>());
    }
    for server in &status.adding {
        text += &format!("Adding server {}", moving(server));
    }
    text += &optional("Removing server ", status.removing.as_ref().map(moving), "");
    let role = match &status.role {
        Role::Leader => "leader",
        Role::Candidate => "candidate",
        Role::Follower => "follower",
        Role::Other(word) => word,
    };
    text += &format!(
        "Role: {role}\nTerm: {}\nLeader: {}\nVote: {}\n\n",
        status.term,
        who(&status.leader),
        who(&status.vote)
    );
    if let Some(election) = &status.last_election {
        text += &format!(
            "Last Election started {} ms ago, reason: {}\n",
            election.started_ms_ago, election.reason
        );
    }
    text += &optional(
        "Last Election won: ",
        status.last_election_won_ms_ago,
        " ms ago\n",
    );
    text += &format!(
        "Election timer: {}{}\nLog: [{}, {}]\nEntries not yet committed: {}\nEntries not yet applied: {}\n",
        status.election_timer_ms,
        optional(" (changing to ", status.election_timer_next_ms, ")"),
        status.log_start,
        status.log_end,
        status.not_committed,
        status.not_applied,
    );
    let connections: String = status.connections.iter().map(connection).collect();
    text += &format!("Connections:{connections}\n");
    text += &optional("Disconnections: ", status.disconnections, "\n");
    let servers: String = status.servers.iter().map(member).collect();
    text + "Servers:\n" + &servers
}

#[test]
fn recorded_answers_are_read_without_loss() {
    for (name, text) in recorded("cluster-status") {
        let status = ClusterStatus::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(text_of(&status), text, "{name}");
        assert_eq!(status.other, [""; 0], "{name}");
    }
}

/// The recorded answer of this name in each version.
fn of_each_version(name: &str) -> Vec<(String, ClusterStatus)> {
    let suffix = format!("/{name}.txt");
    let all = recorded("cluster-status").into_iter();
    let found: Vec<_> = all
        .filter(|(path, _)| path.ends_with(&suffix))
        .map(|(path, text)| (path, ClusterStatus::parse(&text).expect("a status")))
        .collect();
    assert!(found.len() >= 2, "{name}: {found:?}");
    found
}

#[test]
fn a_leader_knows_how_far_the_others_are() {
    for (path, status) in of_each_version("leader") {
        assert_eq!(status.role, Role::Leader, "{path}");
        assert_eq!((&status.leader, &status.vote), (&Who::Itself, &Who::Itself));
        assert_eq!(status.membership, Membership::Member, "{path}");
        assert_eq!(status.servers.len(), 3, "{path}");
        for server in &status.servers {
            assert_eq!(server.is_self, server.nickname == status.nickname);
            assert_eq!(server.match_index, Some(status.log_end - 1), "{path}");
        }
        assert!(status.connections.iter().all(|peer| peer.is_connected));
        assert_eq!(status.connections.len(), 4, "{path}");
    }
}

#[test]
fn a_candidate_knows_the_votes_and_has_lost_the_others() {
    for (path, status) in of_each_version("candidate") {
        assert_eq!(status.role, Role::Candidate, "{path}");
        assert_eq!(status.leader, Who::Unknown, "{path}");
        let votes = status.servers.iter().map(|server| &server.voted_for);
        let votes: Vec<&String> = votes.flatten().collect();
        assert_eq!(votes, [&status.nickname], "{path}");
        assert!(status.connections.iter().any(|peer| !peer.is_connected));
    }
}

#[test]
fn a_server_that_joins_does_not_know_the_cluster() {
    for (path, status) in of_each_version("joining") {
        assert_eq!(status.membership, Membership::Joining, "{path}");
        assert_eq!(status.cluster_id, None, "{path}");
        assert_eq!(status.joining_through.len(), 2, "{path}");
        assert_eq!(status.servers, [], "{path}");
    }
}

#[test]
fn a_leader_tells_whom_it_removes_and_what_it_changes() {
    for (path, status) in of_each_version("removing") {
        let removing = status.removing.expect("a server leaves");
        assert_eq!(removing.phase, "removing", "{path}");
        assert_eq!(status.servers.len(), 2, "{path}");
    }
    for (path, status) in of_each_version("changing-timer") {
        assert_eq!(status.election_timer_ms, 2000, "{path}");
        assert_eq!(status.election_timer_next_ms, Some(4000), "{path}");
    }
}

#[test]
fn lines_and_words_that_no_version_has_are_kept() {
    let (_, text) = recorded("cluster-status").swap_remove(0);
    let changed = text
        .replace("\n\n", "\nMood: sunny\nTerm: many\n\n")
        .replace(" (self)", " (self) mood=sunny")
        + "    no server\n";
    let status = ClusterStatus::parse(&changed).expect("a status");
    assert_eq!(status.other, ["Mood: sunny", "Term: many", "    no server"]);
    let myself = status.servers.iter().find(|server| server.is_self);
    assert_eq!(myself.expect("itself").other, ["mood=sunny"]);
}

#[test]
fn what_every_version_tells_must_be_there() {
    let (_, text) = recorded("cluster-status").swap_remove(0);
    for line in [
        "Name: ",
        "Cluster ID: ",
        "Server ID: ",
        "Address: ",
        "Status: ",
        "Role: ",
        "Term: ",
        "Leader: ",
        "Vote: ",
        "Election timer: ",
        "Log: ",
        "Entries not yet committed: ",
        "Entries not yet applied: ",
    ] {
        assert!(text.contains(line), "{line}");
        let without: Vec<&str> = text.lines().filter(|it| !it.starts_with(line)).collect();
        assert!(ClusterStatus::parse(&without.join("\n")).is_err(), "{line}");
    }
    assert!(ClusterStatus::parse("").is_err());
}

fn name() -> impl Strategy<Value = String> {
    "[0-9a-f]{4,6}"
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("ssl:[::1]:6644".to_owned()),
        Just("tcp:192.0.2.1:6644".to_owned()),
        "unix:/[a-z]{1,5} [a-z]{1,5}"
    ]
}

prop_compose! {
    fn members()(
        nickname in name(), id in name(), address in address(), is_self: bool,
        phase in option::of(Just("adding: catchup".to_owned())),
        voted_for in option::of(name()),
        next_index: Option<u64>, match_index: Option<u64>, last_message_ms_ago: Option<u64>,
    ) -> Member {
        Member {
            nickname, id, address, is_self, phase, voted_for, next_index, match_index, last_message_ms_ago,
            other: Vec::new(),
        }
    }
}

prop_compose! {
    fn movings()(nickname in name(), id in name(), address in address()) -> Moving {
        Moving { nickname, id, address, phase: "adding: caught up".to_owned() }
    }
}

fn whos() -> impl Strategy<Value = Who> {
    prop_oneof![
        Just(Who::Itself),
        Just(Who::Unknown),
        name().prop_map(Who::Server)
    ]
}

prop_compose! {
    fn connections()(peer in name(), incoming: bool, is_connected: bool) -> PeerConnection {
        let direction = if incoming { Direction::Incoming } else { Direction::Outgoing };
        PeerConnection { peer, direction, is_connected }
    }
}

prop_compose! {
    fn first_halves()(
        nickname in name(), database in letters(), ids: (u128, Option<u128>), address in address(),
        membership in prop_oneof![
            Just(Membership::Member), Just(Membership::Disconnected), Just(Membership::Left),
            Just(Membership::Leaving), Just(Membership::Failed), Just(Membership::Joining),
        ],
        remotes in prop::collection::vec("tcp:[a-z]{1,5}:1", 0..3),
        adding in prop::collection::vec(movings(), 0..3), removing in option::of(movings()),
        role in prop_oneof![Just(Role::Leader), Just(Role::Candidate), Just(Role::Follower)],
        whos in (whos(), whos()),
    ) -> ClusterStatus {
        let joining_through = if membership == Membership::Joining { remotes } else { Vec::new() };
        let id = |bits: u128| Uuid::from_bytes(bits.to_be_bytes());
        ClusterStatus {
            nickname, database, cluster_id: ids.1.map(id), server_id: id(ids.0), address, membership,
            joining_through, adding, removing, role, term: 0, leader: whos.0, vote: whos.1,
            last_election: None, last_election_won_ms_ago: None, election_timer_ms: 0,
            election_timer_next_ms: None, log_start: 0, log_end: 0, not_committed: 0, not_applied: 0,
            connections: Vec::new(), disconnections: None, servers: Vec::new(), other: Vec::new(),
        }
    }
}

prop_compose! {
    fn statuses()(
        first in first_halves(), numbers: [u64; 6], term: u64,
        optional: (Option<u64>, Option<u64>, Option<u64>, Option<u64>),
        connections in prop::collection::vec(connections(), 0..4),
        servers in prop::collection::vec(members(), 0..4),
    ) -> ClusterStatus {
        let [log_start, log_end, not_committed, not_applied, election_timer_ms, _] = numbers;
        ClusterStatus {
            term, log_start, log_end, not_committed, not_applied, election_timer_ms,
            election_timer_next_ms: optional.0,
            last_election: optional.1.map(|started_ms_ago| Election {
                started_ms_ago, reason: "timeout".to_owned(),
            }),
            last_election_won_ms_ago: optional.2,
            disconnections: optional.3,
            connections, servers,
            ..first
        }
    }
}

proptest! {
    #[test]
    fn what_a_server_tells_is_read(status in statuses()) {
        prop_assert_eq!(ClusterStatus::parse(&text_of(&status)), Ok(status));
    }
}
