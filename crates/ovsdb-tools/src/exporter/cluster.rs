//! Metrics of clusters, as servers see them (`cluster/status`), under the names of two kinds of dashboards.

use ovsdb_client::control::{ClusterStatus, Direction, Member, Membership, Role, Who};
use ovsdb_daemon::metrics::Samples;

use super::daemons::Report;
use super::table;
use crate::metrics::metric::{Metric, OVN, Writing};
use crate::metrics::rows::{NORTHBOUND, SOUTHBOUND};

/// A server of a cluster that tells of it.
struct Seen<'a> {
    component: &'a str,
    status: &'a ClusterStatus,
    /// The whole ids as text; that of the cluster is empty while the server does not know it.
    server: String,
    cluster: String,
}

/// How many digits of an id stand for it where ids are short.
const SHORT: usize = 4;

impl Seen<'_> {
    fn short_cluster(&self) -> &str {
        self.cluster.get(..SHORT).unwrap_or_default()
    }

    /// The servers of the cluster but the one that tells.
    fn peers(&self) -> impl Iterator<Item = &Member> {
        self.status.servers.iter().filter(|member| !member.is_self)
    }

    /// Connections of this direction: those that stand, and those that do not.
    fn connections(&self, direction: Direction) -> (usize, usize) {
        let all = self.status.connections.iter();
        let all = all.filter(|it| it.direction == direction);
        let total = all.clone().count();
        let standing = all.filter(|it| it.is_connected).count();
        (standing, total - standing)
    }

    fn is_connected(&self, peer: &Member, direction: Direction) -> bool {
        let mut all = self.status.connections.iter();
        all.any(|it| it.direction == direction && it.is_connected && it.peer == peer.nickname)
    }
}

/// The word for a role.
fn role(role: &Role) -> &str {
    match role {
        Role::Leader => "leader",
        Role::Candidate => "candidate",
        Role::Follower => "follower",
        Role::Other(word) => word,
        _ => "",
    }
}

/// The words for a membership.
fn membership(membership: &Membership) -> &str {
    match membership {
        Membership::Member => "cluster member",
        Membership::Disconnected => "disconnected from the cluster (election timeout)",
        Membership::Joining => "joining cluster",
        Membership::Leaving => "leaving cluster",
        Membership::Left => "left cluster",
        Membership::Failed => "failed",
        Membership::Other(words) => words,
        _ => "",
    }
}

/// The word for somebody, seen from a server.
fn who(who: &Who) -> &str {
    match who {
        Who::Itself => "self",
        Who::Unknown => "unknown",
        Who::Server(nickname) => nickname,
        _ => "",
    }
}

type Add<'a> = &'a dyn Fn(&mut Samples<'_>, &Seen<'_>, &[(&str, &str)]);

/// Goes on with what servers of OVN's databases say of their clusters.
pub(super) fn write(reports: &[Report], system_id: &str, writing: &mut Writing) {
    let reports = reports
        .iter()
        .filter(|it| it.is_told && it.component.prefix == OVN);
    let servers = reports.filter(|report| report.component.database.is_some());
    let servers: Vec<&Report> = servers.collect();
    if servers.is_empty() {
        return;
    }
    writing.named(OVN, &table::CLUSTER_ENABLED, |samples| {
        for report in &servers {
            let labels = [
                ("system_id", system_id),
                ("component", &report.component.name),
            ];
            samples.add(&labels, !report.clusters.is_empty());
        }
    });
    let seen = servers.iter().flat_map(|report| {
        let statuses = report.clusters.iter();
        statuses.map(|status| Seen {
            component: &report.component.name,
            status,
            server: status.server_id.to_string(),
            cluster: status
                .cluster_id
                .map(|id| id.to_string())
                .unwrap_or_default(),
        })
    });
    let seen: Vec<Seen<'_>> = seen.collect();
    if !seen.is_empty() {
        write_by_component(&seen, system_id, writing);
        write_by_database(&seen, writing);
    }
}

fn write_by_component(seen: &[Seen<'_>], system_id: &str, writing: &mut Writing) {
    let id = ("system_id", system_id);
    let mut each = |metric: &Metric, add: Add<'_>| {
        writing.named(OVN, metric, |samples| {
            for server in seen {
                let labels = [
                    id,
                    ("component", server.component),
                    ("server_id", &server.status.nickname),
                    ("cluster_id", server.short_cluster()),
                ];
                add(samples, server, &labels);
            }
        });
    };
    each(&table::CLUSTER_ROLE, &|samples, server, labels| {
        let value = match server.status.role {
            Role::Leader => 3_u64,
            Role::Candidate => 2,
            Role::Follower => 1,
            _ => 0,
        };
        let labels = [
            labels[0],
            labels[1],
            labels[2],
            ("server_uuid", &server.server),
            labels[3],
            ("cluster_uuid", &server.cluster),
        ];
        samples.add(&labels, value);
    });
    type Figure = fn(&Seen<'_>) -> Option<u64>;
    let figures: [(&Metric, Figure); 12] = [
        (&table::CLUSTER_STATUS, |it| {
            Some(u64::from(it.status.membership == Membership::Member))
        }),
        (&table::CLUSTER_TERM, |it| Some(it.status.term)),
        (&table::CLUSTER_LEADER_SELF, |it| {
            Some(u64::from(it.status.leader == Who::Itself))
        }),
        (&table::CLUSTER_VOTE_SELF, |it| {
            Some(u64::from(it.status.vote == Who::Itself))
        }),
        (&table::CLUSTER_PEERS, |it| Some(it.peers().count() as u64)),
        (&table::CLUSTER_UNCOMMITTED, |it| {
            Some(it.status.not_committed)
        }),
        (&table::CLUSTER_PENDING, |it| Some(it.status.not_applied)),
        (&table::CLUSTER_NEXT, |it| {
            own_index(it, |own| own.next_index)
        }),
        (&table::CLUSTER_MATCH, |it| {
            own_index(it, |own| own.match_index)
        }),
        (&table::CLUSTER_LOG_LOW, |it| Some(it.status.log_start)),
        (&table::CLUSTER_LOG_HIGH, |it| Some(it.status.log_end)),
        (&table::CLUSTER_INBOUND, |it| {
            Some(it.connections(Direction::Incoming).0 as u64)
        }),
    ];
    for (metric, figure) in figures {
        each(metric, &|samples, server, labels| {
            if let Some(value) = figure(server) {
                samples.add(labels, value);
            }
        });
    }
    each(&table::CLUSTER_OUTBOUND, &|samples, server, labels| {
        samples.add(labels, server.connections(Direction::Outgoing).0);
    });
    write_peers(&mut each);
    writing.named(OVN, &table::CLUSTER_GROUP, |samples| {
        let of = |database: &str| {
            let server = seen.iter().find(|it| it.status.database == database);
            server.map_or("", Seen::short_cluster)
        };
        let (north, south) = (of(NORTHBOUND), of(SOUTHBOUND));
        if !north.is_empty() && !south.is_empty() {
            samples.add(&[id, ("cluster_group", &format!("{north}{south}"))], true);
        }
    });
}

/// A figure that a server knows of itself.
fn own_index(seen: &Seen<'_>, figure: fn(&Member) -> Option<u64>) -> Option<u64> {
    let own = seen.status.servers.iter().find(|member| member.is_self);
    own.and_then(figure)
}

fn write_peers(each: &mut impl FnMut(&Metric, Add<'_>)) {
    type Index = fn(&Member) -> Option<u64>;
    let indexes: [(&Metric, Index); 2] = [
        (&table::CLUSTER_PEER_NEXT, |peer| peer.next_index),
        (&table::CLUSTER_PEER_MATCH, |peer| peer.match_index),
    ];
    for (metric, index) in indexes {
        each(metric, &|samples, server, labels| {
            for peer in server.peers() {
                if let Some(value) = index(peer) {
                    let labels = [labels, &[("peer_id", peer.nickname.as_str())]].concat();
                    samples.add(&labels, value);
                }
            }
        });
    }
    let directions = [
        (&table::CLUSTER_PEER_INBOUND, Direction::Incoming),
        (&table::CLUSTER_PEER_OUTBOUND, Direction::Outgoing),
    ];
    for (metric, direction) in directions {
        each(metric, &|samples, server, labels| {
            let connected = server
                .peers()
                .filter(|it| server.is_connected(it, direction));
            for peer in connected {
                let of_peer = [
                    ("peer_id", peer.nickname.as_str()),
                    ("peer_address", peer.address.as_str()),
                ];
                samples.add(&[labels, &of_peer].concat(), true);
            }
        });
    }
}

/// What dashboards that know databases, and no components, find.
fn write_by_database(seen: &[Seen<'_>], writing: &mut Writing) {
    // One server may be behind two components.
    let is_first = |(nth, server): &(usize, &Seen<'_>)| {
        let is_same = |other: &Seen<'_>| {
            other.server == server.server && other.status.database == server.status.database
        };
        !seen[..*nth].iter().any(is_same)
    };
    let seen: Vec<&Seen<'_>> = seen
        .iter()
        .enumerate()
        .filter(is_first)
        .map(|it| it.1)
        .collect();
    let mut each = |metric: &Metric, add: Add<'_>| {
        writing.metric(metric, |samples| {
            for &server in &seen {
                let labels = [
                    ("db_name", server.status.database.as_str()),
                    ("cluster_id", &server.cluster),
                    ("server_id", &server.server),
                ];
                add(samples, server, &labels);
            }
        });
    };
    each(&table::DB_CLUSTER, &|samples, _, labels| {
        samples.add(&labels[..2], true);
    });
    each(&table::DB_SERVER, &|samples, _, labels| {
        samples.add(labels, true);
    });
    type Word = for<'a> fn(&'a ClusterStatus) -> &'a str;
    let words: [(&Metric, &str, Word); 3] = [
        (&table::DB_STATUS, "server_status", |it| {
            membership(&it.membership)
        }),
        (&table::DB_ROLE, "server_role", |it| role(&it.role)),
        (&table::DB_VOTE, "server_vote", |it| who(&it.vote)),
    ];
    for (metric, label, word) in words {
        each(metric, &|samples, server, labels| {
            samples.add(&[labels, &[(label, word(server.status))]].concat(), true);
        });
    }
    type Figure = fn(&Seen<'_>) -> u64;
    let figures: [(&Metric, Figure); 10] = [
        (&table::DB_TERM, |it| it.status.term),
        (&table::DB_ELECTION_TIMER, |it| it.status.election_timer_ms),
        (&table::DB_LOG_START, |it| it.status.log_start),
        (&table::DB_LOG_NEXT, |it| it.status.log_end),
        (&table::DB_NOT_COMMITTED, |it| it.status.not_committed),
        (&table::DB_NOT_APPLIED, |it| it.status.not_applied),
        (&table::DB_INBOUND, |it| {
            it.connections(Direction::Incoming).0 as u64
        }),
        (&table::DB_OUTBOUND, |it| {
            it.connections(Direction::Outgoing).0 as u64
        }),
        (&table::DB_INBOUND_ERROR, |it| {
            it.connections(Direction::Incoming).1 as u64
        }),
        (&table::DB_OUTBOUND_ERROR, |it| {
            it.connections(Direction::Outgoing).1 as u64
        }),
    ];
    for (metric, figure) in figures {
        each(metric, &|samples, server, labels| {
            samples.add(labels, figure(server));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::component::Component;
    use super::*;

    const LEADER: &str = "\
afd1
Name: OVN_Northbound
Cluster ID: 438e (438ea17d-ec54-4623-b320-06ba4def7149)
Server ID: afd1 (afd1e221-d0f0-4618-a1f6-8cf630bf0857)
Address: tcp:127.0.0.1:17101
Status: cluster member
Role: leader
Term: 3
Leader: self
Vote: self

Election timer: 4000
Log: [2, 9]
Entries not yet committed: 1
Entries not yet applied: 0
Connections: <-5c1d ->5c1d (->77aa)
Disconnections: 2
Servers:
    afd1 (afd1 at tcp:127.0.0.1:17101) (self) next_index=2 match_index=8
    5c1d (5c1d at tcp:127.0.0.1:17102) next_index=9 match_index=7 last msg 9 ms ago
    77aa (77aa at tcp:127.0.0.1:17103) next_index=4 match_index=3
";

    #[test]
    fn a_leader_tells_of_itself_and_of_the_others() {
        let component = Component::named("ovsdb-server-northbound", "/nb.ctl");
        let mut report = Report::new(component);
        report.is_told = true;
        report.clusters = vec![ClusterStatus::parse(LEADER).expect("a status")];
        let mut writing = Writing::default();
        write(std::slice::from_ref(&report), "me", &mut writing);
        let text = writing.text.finish();
        let of = "system_id=\"me\",component=\"ovsdb-server-northbound\",server_id=\"afd1\",cluster_id=\"438e\"";
        let ids = "db_name=\"OVN_Northbound\",cluster_id=\"438ea17d-ec54-4623-b320-06ba4def7149\",\
                   server_id=\"afd1e221-d0f0-4618-a1f6-8cf630bf0857\"";
        for line in [
            "cluster_term{OF} 3",
            "cluster_peer_count{OF} 2",
            "cluster_next_index{OF} 2",
            "cluster_match_index{OF} 8",
            "cluster_log_low_index{OF} 2",
            "cluster_log_high_index{OF} 9",
            "cluster_uncommitted_entry_count{OF} 1",
            "cluster_inbound_peer_conn_total{OF} 1",
            "cluster_outbound_peer_conn_total{OF} 1",
            "cluster_peer_next_index{OF,peer_id=\"77aa\"} 4",
            "cluster_peer_match_index{OF,peer_id=\"5c1d\"} 7",
            "cluster_inbound_peer_connected{OF,peer_id=\"5c1d\",peer_address=\"tcp:127.0.0.1:17102\"} 1",
            "db_cluster_election_timer{IDS} 4000",
            "db_cluster_log_index_next{IDS} 9",
            "db_cluster_outbound_connections_error_total{IDS} 1",
            "db_cluster_inbound_connections_error_total{IDS} 0",
            "db_cluster_server_role{IDS,server_role=\"leader\"} 1",
        ] {
            let line = line.replace("OF", of).replace("IDS", ids);
            assert!(text.contains(&format!("\novn_{line}\n")), "{line}: {text}");
        }
        // One server behind two components is one server of a cluster.
        let other = Report {
            component: Component::named("ovsdb-server-southbound", "/sb.ctl"),
            ..report.clone()
        };
        let mut writing = Writing::default();
        write(&[report, other], "me", &mut writing);
        let twice = writing.text.finish();
        for (name, times) in [("ovn_cluster_term{", 2), ("ovn_db_cluster_term{", 1)] {
            assert_eq!(
                twice.matches(&format!("\n{name}")).count(),
                times,
                "{twice}"
            );
        }
        let peers = text.matches("\novn_cluster_outbound_peer_connected{");
        assert_eq!(peers.count(), 1, "{text}");
        assert!(!text.contains("ovn_cluster_group{"), "{text}");
    }
}
