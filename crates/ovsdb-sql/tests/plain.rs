//! Answers beside those of a plain computation: random rows, random joins and conditions.
//!
//! The computation looks at every combination of rows, and knows nothing of indexes, plans and SQLite.

use std::sync::Arc;

use ovsdb_proto::atom::Atom;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::json;
use ovsdb_proto::schema::{ColumnId, Schema, TableId};
use ovsdb_proto::uuid::Uuid;
use ovsdb_sql::{Catalog, Contents, Query, Rows, Value};
use proptest::prelude::*;

/// `L` is what elements of `T.refs` are.
const SCHEMA: &str = r#"{"name": "Random", "tables": {
    "T": {"columns": {
        "i": {"type": {"key": "integer", "min": 0, "max": 1}},
        "s": {"type": "string"},
        "r": {"type": {"key": "real", "min": 0, "max": 1}},
        "b": {"type": "boolean"},
        "u": {"type": {"key": {"type": "uuid", "refTable": "T", "refType": "weak"}, "min": 0, "max": 1}},
        "refs": {"type": {"key": {"type": "uuid", "refTable": "T", "refType": "weak"}, "min": 0, "max": "unlimited"}}}}}}"#;

/// The columns that conditions are about, those that compare with each other behind each other.
const NUMBERS: &[&str] = &["i", "r", "b"];
const TEXTS: &[&str] = &["s"];
const UUIDS: &[&str] = &["_uuid", "u"];

#[derive(Clone, Debug)]
struct Row {
    i: Option<i64>,
    s: u8,
    r: Option<i8>,
    b: bool,
    u: Option<u8>,
    refs: Vec<u8>,
}

/// A value as the plain computation has it.
#[derive(Clone, Debug, PartialEq)]
enum Plain {
    Null,
    Number(f64),
    Text(String),
}

fn uuid(n: u8) -> Uuid {
    Uuid::parse(&format!("00000000-0000-4000-8000-0000000000{n:02x}")).expect("it is one")
}

fn text(n: u8) -> String {
    // Some look like numbers.
    ["", "a", "A", "1", "01", "1.0"][usize::from(n % 6)].to_owned()
}

impl Row {
    fn value(&self, n: usize, column: &str) -> Plain {
        let optional = |value: Option<f64>| value.map_or(Plain::Null, Plain::Number);
        match column {
            "_uuid" => Plain::Text(uuid(n as u8).to_string()),
            "i" => optional(self.i.map(|i| i as f64)),
            "s" => Plain::Text(text(self.s)),
            "r" => optional(self.r.map(|r| f64::from(r) / 2.0)),
            "b" => Plain::Number(f64::from(u8::from(self.b))),
            "u" => self
                .u
                .map_or(Plain::Null, |u| Plain::Text(uuid(u).to_string())),
            other => panic!("{other} is no column"),
        }
    }

    fn datums(&self, n: usize, schema: &Schema) -> Vec<Datum> {
        let (_, table) = schema.table_by_name("T").expect("it is there");
        let mut row = table.defaults().to_vec();
        let mut set = |name: &str, atoms: Vec<Atom>| {
            let place = table.column_id(name).expect("it is there").index();
            row[place] = Datum::from_atoms(atoms);
        };
        set("_uuid", vec![Atom::Uuid(uuid(n as u8))]);
        set("i", self.i.map(Atom::Integer).into_iter().collect());
        set("s", vec![Atom::string(text(self.s))]);
        let real = self.r.map(|r| Atom::Real(f64::from(r) / 2.0));
        set("r", real.into_iter().collect());
        set("b", vec![Atom::Boolean(self.b)]);
        let reference = self.u.map(|u| Atom::Uuid(uuid(u)));
        set("u", reference.into_iter().collect());
        let refs = self.refs.iter().map(|&n| Atom::Uuid(uuid(n)));
        set("refs", refs.collect());
        row
    }
}

struct Fixed(Vec<Vec<Datum>>);

impl Rows for Fixed {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn row(&self, n: usize) -> &[Datum] {
        &self.0[n]
    }

    fn column(&self, column: ColumnId) -> Option<ColumnId> {
        Some(column)
    }
}

/// A condition on the tables `t0`, `t1`, ... of a statement.
#[derive(Clone, Debug)]
enum Condition {
    /// Columns of two tables are equal.
    Equal(usize, &'static str, usize, &'static str),
    /// A column is this number or text, as SQL writes it.
    Is(usize, &'static str, Plain),
    /// The first refers to the second by an element of `refs`.
    Refers(usize, usize),
    /// A column is null.
    IsNull(usize, &'static str),
}

impl Condition {
    fn sql(&self) -> String {
        match self {
            Condition::Equal(a, x, b, y) => format!("t{a}.{x} = t{b}.{y}"),
            Condition::Is(a, x, value) => format!("t{a}.{x} = {}", literal(value)),
            Condition::Refers(a, b) => format!(
                "EXISTS (SELECT 1 FROM T__refs e WHERE e._uuid = t{a}._uuid AND e.value = t{b}._uuid)"
            ),
            Condition::IsNull(a, x) => format!("t{a}.{x} IS NULL"),
        }
    }

    /// `chosen` has the number of the row of each table; `None` is the row of nulls of an outer join.
    fn holds(&self, rows: &[Row], chosen: &[Option<usize>]) -> bool {
        let value =
            |table: usize, column| chosen[table].map_or(Plain::Null, |n| rows[n].value(n, column));
        match self {
            Condition::Equal(a, x, b, y) => equal(&value(*a, x), &value(*b, y)),
            Condition::Is(a, x, constant) => equal(&value(*a, x), constant),
            Condition::Refers(a, b) => match (chosen[*a], chosen[*b]) {
                (Some(a), Some(b)) => rows[a].refs.contains(&(b as u8)),
                _ => false,
            },
            Condition::IsNull(a, x) => value(*a, x) == Plain::Null,
        }
    }
}

fn equal(a: &Plain, b: &Plain) -> bool {
    *a != Plain::Null && a == b
}

fn literal(value: &Plain) -> String {
    match value {
        Plain::Null => "NULL".to_owned(),
        Plain::Number(number) => number.to_string(),
        Plain::Text(text) => format!("'{text}'"),
    }
}

/// Tables are joined in a row; the last one, if `outer`, by a left join with its own condition.
#[derive(Clone, Debug)]
struct Statement {
    tables: usize,
    conditions: Vec<Condition>,
    outer: Option<Condition>,
}

impl Statement {
    fn sql(&self) -> String {
        let n = self.tables;
        let inner = if self.outer.is_some() { n - 1 } else { n };
        let names: Vec<String> = (0..n).map(|t| format!("t{t}._uuid")).collect();
        let tables: Vec<String> = (0..inner).map(|t| format!("T t{t}")).collect();
        let mut sql = format!("SELECT {} FROM {}", names.join(", "), tables.join(" JOIN "));
        if let Some(on) = &self.outer {
            sql += &format!(" LEFT JOIN T t{inner} ON {}", on.sql());
        }
        let conditions: Vec<String> = self.conditions.iter().map(Condition::sql).collect();
        if !conditions.is_empty() {
            sql += &format!(" WHERE {}", conditions.join(" AND "));
        }
        sql
    }

    fn answer(&self, rows: &[Row]) -> Vec<Vec<String>> {
        let inner = if self.outer.is_some() {
            self.tables - 1
        } else {
            self.tables
        };
        let mut combinations: Vec<Vec<Option<usize>>> = vec![Vec::new()];
        for _ in 0..inner {
            combinations = combinations
                .iter()
                .flat_map(|chosen| {
                    (0..rows.len()).map(move |n| [chosen.as_slice(), &[Some(n)]].concat())
                })
                .collect();
        }
        if let Some(on) = &self.outer {
            combinations = combinations
                .iter()
                .flat_map(|chosen| {
                    let all = (0..rows.len()).map(|n| [chosen.as_slice(), &[Some(n)]].concat());
                    let found: Vec<_> = all.filter(|chosen| on.holds(rows, chosen)).collect();
                    if found.is_empty() {
                        vec![[chosen.as_slice(), &[None]].concat()]
                    } else {
                        found
                    }
                })
                .collect();
        }
        let holds = |chosen: &&Vec<Option<usize>>| {
            let mut conditions = self.conditions.iter();
            conditions.all(|condition| condition.holds(rows, chosen))
        };
        let named = combinations.iter().filter(holds).map(|chosen| {
            let names = chosen
                .iter()
                .map(|n| n.map_or_else(|| "NULL".to_owned(), |n| uuid(n as u8).to_string()));
            names.collect()
        });
        named.collect()
    }
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        prop::option::of(0..3i64),
        0..6u8,
        prop::option::of(-2..4i8),
        any::<bool>(),
        prop::option::of(0..9u8),
        prop::collection::vec(0..9u8, 0..4),
    );
    let row = row.prop_map(|(i, s, r, b, u, refs)| Row {
        i,
        s,
        r,
        b,
        u,
        refs,
    });
    prop::collection::vec(row, 0..9)
}

fn condition(tables: usize) -> impl Strategy<Value = Condition> {
    let table = move || 0..tables;
    let group = prop::sample::select(vec![NUMBERS, TEXTS, UUIDS]);
    let two = group.prop_flat_map(|group| {
        let column = prop::sample::select(group.to_vec());
        (column.clone(), column)
    });
    let equal = (table(), table(), two).prop_map(|(a, b, (x, y))| Condition::Equal(a, x, b, y));
    let number = (table(), prop::sample::select(NUMBERS.to_vec()), -2..6i8)
        .prop_map(|(a, x, n)| Condition::Is(a, x, Plain::Number(f64::from(n) / 2.0)));
    let word = (table(), 0..6u8).prop_map(|(a, n)| Condition::Is(a, "s", Plain::Text(text(n))));
    let own = (table(), prop::sample::select(UUIDS.to_vec()), 0..9u8)
        .prop_map(|(a, x, n)| Condition::Is(a, x, Plain::Text(uuid(n).to_string())));
    let refers = (table(), table()).prop_map(|(a, b)| Condition::Refers(a, b));
    let null = (table(), prop::sample::select(vec!["i", "r", "u"]))
        .prop_map(|(a, x)| Condition::IsNull(a, x));
    prop_oneof![4 => equal, 1 => number, 1 => word, 1 => own, 2 => refers, 1 => null]
}

fn statement() -> impl Strategy<Value = Statement> {
    (1..4usize).prop_flat_map(|tables| {
        let conditions = prop::collection::vec(condition(tables), 0..4);
        let outer = if tables > 1 {
            prop::option::of(condition(tables)).boxed()
        } else {
            Just(None).boxed()
        };
        (conditions, outer).prop_map(move |(conditions, outer)| Statement {
            tables,
            conditions,
            outer,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn answers_are_those_of_a_plain_computation(rows in rows(), statement in statement()) {
        let json = json::parse(SCHEMA.as_bytes()).expect("it is JSON");
        let schema = Arc::new(Schema::from_json(&json).expect("it is a schema"));
        let catalog = Catalog::new(Arc::clone(&schema));
        let sql = statement.sql();
        let query = Query::new(&catalog, &sql).expect("it is sound");
        let datums = rows.iter().enumerate().map(|(n, row)| row.datums(n, &schema));
        let table: (TableId, Arc<dyn Rows>) = (
            schema.table_id("T").expect("it is there"),
            Arc::new(Fixed(datums.collect())),
        );
        let answer = query.answer(&Contents::new([table])).expect("it has an answer");
        let found = answer.rows.iter().map(|row| {
            let names = row.iter().map(|value| match value {
                Value::Text(text) => text.clone(),
                _ => "NULL".to_owned(),
            });
            names.collect::<Vec<_>>()
        });
        let mut found: Vec<Vec<String>> = found.collect();
        let mut expected = statement.answer(&rows);
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected, "{}", sql);
    }
}
