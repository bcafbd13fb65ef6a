//! The list of servers a client may name: `METHOD1,METHOD2,...` with an optional `cid:UUID` (ovsdb(7)).

use ovsdb_proto::uuid::Uuid;

/// Where a database may be found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Remotes {
    /// Connection methods, in the order in which they were given. They are not checked here.
    pub methods: Vec<String>,
    /// The cluster that the database must belong to, if one was named.
    pub cluster: Option<Uuid>,
}

impl Remotes {
    /// Splits `text` at each comma that is followed by something like a connection method: lower-case letters
    /// and a colon. Other commas belong to a method.
    pub fn parse(text: &str) -> Remotes {
        let mut methods: Vec<String> = Vec::new();
        let mut rest = trim(text);
        while !rest.is_empty() {
            let end = delimiter(rest);
            methods.push(rest[..end.unwrap_or(rest.len())].to_owned());
            rest = end.map_or("", |end| trim(&rest[end + 1..]));
        }
        let cluster_of = |method: &String| method.strip_prefix("cid:").and_then(Uuid::parse);
        let cluster = methods
            .iter()
            .position(|method| cluster_of(method).is_some());
        Remotes {
            cluster: cluster.and_then(|at| cluster_of(&methods.remove(at))),
            methods,
        }
    }
}

fn trim(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// Where the first method of `text` ends, if another one follows.
fn delimiter(text: &str) -> Option<usize> {
    text.match_indices(',').map(|(at, _)| at).find(|at| {
        let next = trim(&text[at + 1..]);
        let name = next.trim_start_matches(|c: char| c.is_ascii_lowercase());
        name.len() < next.len() && name.starts_with(':')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, methods: &[&str], cluster: Option<&str>) {
        let cluster = cluster.and_then(Uuid::parse);
        assert_eq!(
            Remotes::parse(text),
            Remotes {
                methods: methods.iter().map(|&m| m.into()).collect(),
                cluster
            }
        );
    }

    #[test]
    fn a_comma_separates_only_before_another_method() {
        check("", &[], None);
        check(" \t", &[], None);
        check("unix:/a", &["unix:/a"], None);
        check("unix:/a,b", &["unix:/a,b"], None);
        check("unix:/a,tcp:h:1", &["unix:/a", "tcp:h:1"], None);
        check("  tcp:h:1, \tssl:h:2,", &["tcp:h:1", "ssl:h:2,"], None);
        check("unix:/a,:x", &["unix:/a,:x"], None);
        check("unix:/a,TCP:x", &["unix:/a,TCP:x"], None);
        check(
            "tcp:[::1]:1,tcp:[::2]:1",
            &["tcp:[::1]:1", "tcp:[::2]:1"],
            None,
        );
    }

    #[test]
    fn the_first_well_formed_cluster_id_is_taken_out() {
        let id = "f6f2d3ce-05de-4a4b-9ab2-4dd9fd5ee6b9";
        check(&format!("tcp:h:1,cid:{id}"), &["tcp:h:1"], Some(id));
        check(&format!("cid:{id},tcp:h:1"), &["tcp:h:1"], Some(id));
        check("cid:nonsense,tcp:h:1", &["cid:nonsense", "tcp:h:1"], None);
    }
}
