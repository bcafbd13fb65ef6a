//! Many rows at once: what is entered or taken out together is what it would be one by one, and can be undone.

use std::sync::Arc;

use ovsdb_engine::{Context, Database, OutcomeOn, execute_on};
use ovsdb_proto::json;
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;
use proptest::prelude::*;

const SCHEMA: &str = r#"{"name":"D","tables":{
    "Root":{"isRoot":true,"indexes":[["name"],["zone","number"]],"columns":{
        "name":{"type":"string"},
        "zone":{"type":"integer"},
        "number":{"type":"integer"},
        "nodes":{"type":{"key":{"type":"uuid","refTable":"Node"},"min":0,"max":"unlimited"}},
        "friends":{"type":{"key":{"type":"uuid","refTable":"Node","refType":"weak"},"min":0,"max":"unlimited"}}}},
    "Node":{"indexes":[["number"]],"columns":{
        "number":{"type":"integer"},
        "nodes":{"type":{"key":{"type":"uuid","refTable":"Node"},"min":0,"max":"unlimited"}}}}}}"#;

fn empty() -> Database {
    let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).expect("JSON"));
    Database::new(Arc::new(schema.expect("a schema")))
}

/// Counts UUIDs up, in an order that is not theirs.
fn counter(from: u64) -> impl FnMut() -> Uuid {
    let mut count = from;
    move || {
        count += 1;
        let mixed = u128::from(count).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        Uuid::from_bytes(mixed.to_be_bytes())
    }
}

/// Runs operations, and gives back the database after them and what they answered.
fn run(
    database: Database,
    operations: &[String],
    fresh: &mut dyn FnMut() -> Uuid,
) -> (Database, String) {
    let text = format!("[{}]", operations.join(","));
    let json = json::parse(text.as_bytes()).expect("JSON");
    let transact = parse_transact(database.schema(), json.as_array().expect("array"), fresh);
    let (database, outcome) = execute_on(database, &transact, &mut Context::unrestricted(fresh));
    let results = match outcome {
        OutcomeOn::Done(done) => done.results,
        OutcomeOn::Failed(results) => results,
        OutcomeOn::Blocked { .. } => panic!("nobody waits"),
    };
    database.check_consistency().expect("consistent");
    let text = String::from_utf8(results.to_bytes()).expect("text");
    (database, text)
}

/// All rows in all their columns but `_version`.
fn contents(database: &Database) -> Vec<String> {
    let schema = database.schema();
    let of_table = |id| {
        let table = schema.table(id);
        let of_row = move |row: &Arc<ovsdb_engine::Row>| {
            let columns = table.column_ids_by_name().iter();
            let columns = columns.map(|&column| format!("{:?}", row.get(column)));
            format!(
                "{} {} {columns:?}",
                table.name,
                row.uuid(),
                columns = columns.collect::<Vec<_>>()
            )
        };
        database.table(id).iter().map(of_row).collect::<Vec<_>>()
    };
    database.table_ids().flat_map(of_table).collect()
}

/// The insertion of node number `number`, which refers to others and is named by its number.
fn node(number: usize, nodes: &[usize]) -> String {
    format!(
        r#"{{"op":"insert","table":"Node","uuid-name":"n{number}","row":{{"number":{number},"nodes":{}}}}}"#,
        names(nodes)
    )
}

fn root(name: &str, number: usize, nodes: &[usize], friends: &[usize]) -> String {
    format!(
        r#"{{"op":"insert","table":"Root","row":{{"name":"{name}","zone":{},"number":{number},"nodes":{},"friends":{}}}}}"#,
        number % 3,
        names(nodes),
        names(friends)
    )
}

fn names(nodes: &[usize]) -> String {
    let names = nodes
        .iter()
        .map(|node| format!(r#"["named-uuid","n{node}"]"#));
    format!(r#"["set",[{}]]"#, names.collect::<Vec<_>>().join(","))
}

/// Nodes, each with those that it refers to, and roots.
#[derive(Clone, Debug)]
struct Rows {
    nodes: Vec<Vec<usize>>,
    roots: Vec<(usize, Vec<usize>, Vec<usize>)>,
}

fn rows() -> impl Strategy<Value = Rows> {
    (1..150_usize).prop_flat_map(|count| {
        let some = || prop::collection::btree_set(0..count, 0..4);
        let some = move || some().prop_map(|some| some.into_iter().collect::<Vec<usize>>());
        let nodes = prop::collection::vec(some(), count);
        // Now and then two have the same key.
        let roots = prop::collection::vec((0..2000_usize, some(), some()), 1..60);
        (nodes, roots).prop_map(|(nodes, roots)| Rows { nodes, roots })
    })
}

impl Rows {
    fn operations(&self) -> Vec<String> {
        let nodes = self.nodes.iter().enumerate();
        let nodes = nodes.map(|(number, nodes)| node(number, nodes));
        let roots = self.roots.iter();
        let roots = roots.map(|(number, nodes, friends)| {
            root(&format!("root {number}"), *number, nodes, friends)
        });
        nodes.chain(roots).collect()
    }
}

/// An operation on all roots that meet some clauses.
#[derive(Clone, Debug)]
struct OnRoots {
    clauses: Vec<String>,
    /// The members of the operation but for its `table` and `where`.
    members: String,
}

impl OnRoots {
    fn operation(&self, more: Option<String>) -> String {
        let clauses: Vec<String> = self.clauses.iter().cloned().chain(more).collect();
        format!(
            r#"{{"table":"Root","where":[{}],{}}}"#,
            clauses.join(","),
            self.members
        )
    }

    fn is_select(&self) -> bool {
        self.members.contains("select")
    }
}

fn on_roots() -> impl Strategy<Value = OnRoots> {
    let number = || 0..200_i64;
    let members = prop_oneof![
        4 => (-200..200_i64).prop_map(|by| {
            format!(r#""op":"mutate","mutations":[["number","+=",{by}],["zone","-=",{}]]"#, by / 100)
        }),
        // Often two rows have the same values meanwhile, and sometimes in the end.
        1 => Just(r#""op":"mutate","mutations":[["number","/=",2]]"#.to_owned()),
        2 => (0..3).prop_map(|zone| format!(r#""op":"update","row":{{"zone":{zone}}}"#)),
        1 => Just(r#""op":"update","row":{"friends":["set",[]]}"#.to_owned()),
        1 => Just(r#""op":"delete""#.to_owned()),
        // Fails, unless no row is meant.
        1 => Just(r#""op":"mutate","mutations":[["number","/=",0]]"#.to_owned()),
        3 => Just(r#""op":"select","columns":["name","zone","number"]"#.to_owned()),
    ];
    let clause = prop_oneof![
        number().prop_map(|number| format!(r#"["number",">",{number}]"#)),
        number().prop_map(|number| format!(r#"["number","==",{number}]"#)),
        (0..3).prop_map(|zone| format!(r#"["zone","==",{zone}]"#)),
        number().prop_map(|number| format!(r#"["name","==","root {number}"]"#)),
    ];
    let clauses = prop_oneof![
        2 => Just(Vec::new()),
        3 => prop::collection::vec(clause, 1..3),
    ];
    (clauses, members).prop_map(|(clauses, members)| OnRoots { clauses, members })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn rows_changed_at_once_are_like_rows_changed_one_by_one(
        count in 30..90_usize, operations in prop::collection::vec(on_roots(), 1..12), by_use in any::<bool>()
    ) {
        let mut fresh = counter(0);
        let roots: Vec<String> = (0..count)
            .map(|number| root(&format!("root {number}"), 2 * number, &[], &[]))
            .collect();
        let (database, _) = run(empty(), &roots, &mut fresh);
        let id = database.schema().table_id("Root").expect("it is there");
        if by_use {
            let column = database.schema().table(id).column_id("number").expect("it is there");
            database.want_index(id, column);
            database.build_indexes();
        }
        let rows: Vec<Uuid> = database.table(id).iter().map(|row| row.uuid()).collect();
        let was = contents(&database);
        let at_once: Vec<String> = operations.iter().map(|on| on.operation(None)).collect();
        let one_by_one = operations.iter().flat_map(|on| {
            let of_row = |row: &Uuid| on.operation(Some(format!(r#"["_uuid","==",["uuid","{row}"]]"#)));
            match on.is_select() {
                true => vec![on.operation(None)],
                false => rows.iter().map(of_row).collect(),
            }
        });
        let one_by_one: Vec<String> = one_by_one.collect();
        let shared = database.clone();
        let (after, results) = run(database, &at_once, &mut fresh);
        let (expected, expected_results) = run(shared.clone(), &one_by_one, &mut fresh);
        prop_assert_eq!(results.contains("error"), expected_results.contains("error"));
        prop_assert_eq!(contents(&after), contents(&expected));
        prop_assert_eq!(contents(&shared), was.clone(), "a version that others hold has changed");
        shared.check_consistency().expect("consistent");
        let found = |results: &str| {
            let rows = results.split('{').filter(|part| part.contains("\"name\"")).map(String::from);
            rows.map(|row| row.trim_matches(|c| "{}[],".contains(c)).to_owned()).collect::<Vec<String>>()
        };
        prop_assert_eq!(found(&results), found(&expected_results));
        if results.contains("error") {
            prop_assert_eq!(contents(&after), was);
        }
    }

    #[test]
    fn rows_inserted_in_a_row_are_like_rows_with_something_in_between(
        first in rows(), second in rows()
    ) {
        let (mut together, mut apart) = (empty(), empty());
        let (mut fresh, mut fresh_apart) = (counter(0), counter(0));
        for rows in [first, second] {
            let operations = rows.operations();
            let comment = String::from(r#"{"op":"comment","comment":""}"#);
            let between: Vec<String> = operations
                .iter()
                .flat_map(|operation| [operation.clone(), comment.clone()])
                .collect();
            let (after, results) = run(together.clone(), &operations, &mut fresh);
            let (after_apart, results_apart) = run(apart.clone(), &between, &mut fresh_apart);
            // There are more of the empty results.
            prop_assert_eq!(results.replace("{},", ""), results_apart.replace("{},", "").replace(",{}", ""));
            prop_assert_eq!(contents(&after), contents(&after_apart));
            (together, apart) = (after, after_apart);
            // Without the roots nothing has a reason to be there.
            let all = [String::from(r#"{"op":"delete","table":"Root","where":[]}"#)];
            let (emptied, _) = run(together.clone(), &all, &mut fresh);
            let of_roots = contents(&emptied).into_iter().any(|row| row.starts_with("Root"));
            prop_assert!(!of_roots);
            run(apart.clone(), &all, &mut fresh_apart);
        }
    }

    #[test]
    fn what_fails_leaves_everything_as_it_was(rows in rows(), others in rows()) {
        let mut fresh = counter(0);
        let (before, _) = run(empty(), &rows.operations(), &mut fresh);
        let was = contents(&before);
        // All that there is goes and more comes, and then two rows have the same key.
        let mut operations = vec![String::from(r#"{"op":"delete","table":"Root","where":[]}"#)];
        operations.extend(others.operations());
        operations.extend([root("twice", 3000, &[], &[]), root("twice", 3001, &[], &[])]);
        // Nobody else holds it, so that it is changed in place.
        let (after, results) = run(before, &operations, &mut fresh);
        prop_assert!(results.contains("error"), "{}", results);
        prop_assert_eq!(contents(&after), was);
    }
}

#[test]
fn a_tree_goes_with_its_root_and_what_others_hold_stays() {
    const FAN: usize = 10;
    let mut fresh = counter(0);
    let mut operations = Vec::new();
    for member in 0..FAN {
        let leaves: Vec<usize> = (0..FAN).map(|leaf| FAN + member * FAN + leaf).collect();
        operations.extend(leaves.iter().map(|leaf| node(*leaf, &[])));
        operations.push(node(member, &leaves));
    }
    let members: Vec<usize> = (0..FAN).collect();
    operations.push(root("tree", 1, &members, &[]));
    operations.push(root("other", 2, &[3], &[4, FAN]));
    let (database, results) = run(empty(), &operations, &mut fresh);
    assert!(!results.contains("error"), "{results}");
    let nodes = |database: &Database| {
        let id = database.schema().table_id("Node").expect("it is there");
        database.table(id).len()
    };
    assert_eq!(nodes(&database), FAN + FAN * FAN);
    let delete =
        |name| format!(r#"{{"op":"delete","table":"Root","where":[["name","==","{name}"]]}}"#);
    let (database, _) = run(database, &[delete("tree")], &mut fresh);
    assert_eq!(nodes(&database), 1 + FAN);
    let select = r#"{"op":"select","table":"Root","where":[],"columns":["name","friends"]}"#;
    let (database, results) = run(database, &[select.to_owned()], &mut fresh);
    assert_eq!(
        results,
        r#"[{"rows":[{"friends":["set",[]],"name":"other"}]}]"#
    );
    let (database, _) = run(database, &[delete("other")], &mut fresh);
    assert_eq!(nodes(&database), 0);
}
