//! A schema in SQL's terms: which relations there are, what their columns hold, and what of the database they stand for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use ovsdb_proto::atom::AtomType;
use ovsdb_proto::schema::{ColumnId, ColumnSchema, Schema, TableId, TableSchema};
use ovsdb_proto::types::ColumnType;

/// The tables and columns of a schema, as statements name them.
#[derive(Debug)]
pub struct Catalog {
    schema: Arc<Schema>,
    pub(crate) relations: Vec<Relation>,
    /// By their names in lower case.
    by_name: HashMap<String, usize>,
}

/// What is a table for SQL.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) table: TableId,
    /// The column of sets or maps whose elements are the rows; `None`: the rows are the table's.
    pub(crate) elements_of: Option<ColumnId>,
    pub(crate) columns: Vec<Column>,
}

/// A column of a [`Relation`].
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) source: Source,
    pub(crate) kind: Kind,
    /// What it holds, in OVSDB's terms.
    pub(crate) ty: ColumnType,
}

/// Where the value of a column comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A column of the table's row.
    Column(ColumnId),
    /// The element itself, or the key of a pair.
    Key,
    /// The value of a pair.
    Value,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
    Real,
    Boolean,
    Text,
    Uuid,
    /// A set or map, as JSON.
    Json,
}

impl Kind {
    fn of(ty: &ColumnType) -> Kind {
        if ty.value.is_some() || ty.max > 1 {
            return Kind::Json;
        }
        match ty.key.kind {
            AtomType::Integer => Kind::Integer,
            AtomType::Real => Kind::Real,
            AtomType::Boolean => Kind::Boolean,
            AtomType::String => Kind::Text,
            AtomType::Uuid => Kind::Uuid,
        }
    }

    /// The type by which SQLite decides how to compare (its "affinity").
    fn declared(self) -> &'static str {
        match self {
            Kind::Integer => "INTEGER",
            Kind::Real => "REAL",
            Kind::Boolean => "BOOLEAN",
            Kind::Text | Kind::Uuid | Kind::Json => "TEXT",
        }
    }
}

/// What a statement reads: columns by table. A table without columns is read for its number of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads(BTreeMap<TableId, BTreeSet<ColumnId>>);

impl Reads {
    /// The tables, each with its columns besides `_uuid`.
    pub fn iter(&self) -> impl Iterator<Item = (TableId, impl Iterator<Item = ColumnId>)> {
        self.0.iter().map(|(&table, columns)| {
            let own = columns.iter().copied();
            (table, own.filter(|&column| column != ColumnId::UUID))
        })
    }

    pub(crate) fn add(&mut self, table: TableId, columns: impl IntoIterator<Item = ColumnId>) {
        self.0.entry(table).or_default().extend(columns);
    }
}

impl Catalog {
    /// A schema in SQL's terms.
    pub fn new(schema: Arc<Schema>) -> Arc<Catalog> {
        let mut tables: Vec<TableId> = schema.table_ids().collect();
        tables.sort_by(|&a, &b| {
            let name = |id| schema.table(id).name.as_bytes();
            name(a).cmp(name(b))
        });
        let mut taken = Names::default();
        let mut relations = Vec::new();
        for &id in &tables {
            relations.push(table(id, schema.table(id), &mut taken));
        }
        for &id in &tables {
            let table = schema.table(id);
            let own = table.column_ids_by_name().iter();
            let several = own.filter(|&&column| Kind::of(&table.column(column).ty) == Kind::Json);
            for &column in several {
                relations.push(elements(id, table, column, &mut taken));
            }
        }
        let by_name = relations.iter().enumerate();
        let by_name = by_name.map(|(at, relation)| (relation.name.to_ascii_lowercase(), at));
        let by_name = by_name.collect();
        Arc::new(Catalog {
            schema,
            relations,
            by_name,
        })
    }

    /// The schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The names of the tables that a statement can read, those of elements last.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.relations.iter().map(|relation| relation.name.as_str())
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Relation> {
        let at = self.by_name.get(&name.to_ascii_lowercase())?;
        Some(&self.relations[*at])
    }
}

impl Relation {
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The columns of the table that have to be there for `column` to be read, or for the rows to be counted.
    pub(crate) fn needs(&self, column: Option<&Column>) -> impl Iterator<Item = ColumnId> {
        let own = column.and_then(|column| match column.source {
            Source::Column(id) => Some(id),
            Source::Key | Source::Value => None,
        });
        own.into_iter().chain(self.elements_of)
    }

    /// The statement by which SQLite learns what the columns are.
    pub(crate) fn declaration(&self) -> String {
        let mut text = String::from("CREATE TABLE x(");
        for (at, column) in self.columns.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let hidden = match column.source {
                Source::Column(ColumnId::VERSION) => " HIDDEN",
                _ => "",
            };
            // Names of columns are made of letters, digits and underscores (RFC 7047, section 3.1).
            write!(
                text,
                "{comma}\"{}\" {}{hidden}",
                column.name,
                column.kind.declared()
            )
            .expect("strings take all that is written");
        }
        text.push(')');
        text
    }
}

fn table(id: TableId, table: &TableSchema, taken: &mut Names) -> Relation {
    let mut names = Names::default();
    let own = table.column_ids_by_name().iter().copied();
    let ids = [ColumnId::UUID, ColumnId::VERSION].into_iter().chain(own);
    let columns = ids.map(|id| {
        let column = table.column(id);
        column_of(names.take(&column.name), id, column)
    });
    Relation {
        name: taken.take(&table.name),
        table: id,
        elements_of: None,
        columns: columns.collect(),
    }
}

fn elements(id: TableId, table: &TableSchema, column: ColumnId, taken: &mut Names) -> Relation {
    let schema = table.column(column);
    let one = |name: &str, source, base: &ovsdb_proto::types::BaseType| {
        let ty = ColumnType {
            key: base.clone(),
            value: None,
            min: 1,
            max: 1,
        };
        Column {
            name: name.to_owned(),
            source,
            kind: Kind::of(&ty),
            ty,
        }
    };
    let mut columns = vec![column_of(
        "_uuid".to_owned(),
        ColumnId::UUID,
        table.column(ColumnId::UUID),
    )];
    match &schema.ty.value {
        None => columns.push(one("value", Source::Key, &schema.ty.key)),
        Some(value) => {
            columns.push(one("key", Source::Key, &schema.ty.key));
            columns.push(one("value", Source::Value, value));
        }
    }
    Relation {
        name: taken.take(&format!("{}__{}", table.name, schema.name)),
        table: id,
        elements_of: Some(column),
        columns,
    }
}

fn column_of(name: String, id: ColumnId, column: &ColumnSchema) -> Column {
    Column {
        name,
        source: Source::Column(id),
        kind: Kind::of(&column.ty),
        ty: column.ty.clone(),
    }
}

/// Names that are taken, in lower case: for SQL those that differ in case are the same.
#[derive(Debug, Default)]
struct Names(BTreeSet<String>);

impl Names {
    /// `name`, or what stands for it if it is taken.
    fn take(&mut self, name: &str) -> String {
        let mut free = name.to_owned();
        let mut number = 2;
        while !self.0.insert(free.to_ascii_lowercase()) {
            free = format!("{name}_{number}");
            number += 1;
        }
        free
    }
}
