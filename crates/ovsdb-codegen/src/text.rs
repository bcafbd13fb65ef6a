//! The text of what is planned.

use crate::plan::{Base, Column, Database, Demand, Enum, Kind, Table};

/// How wide a line may be.
const LINE_WIDTH: usize = 100;

/// How wide calls behind one another may be in one line.
const CHAIN_WIDTH: usize = 60;

/// How wide the arguments of a call may be in one line.
const CALL_WIDTH: usize = 60;

/// How wide an array may be in one line.
const ARRAY_WIDTH: usize = 60;

/// How wide the fields of a struct may be in one line.
const STRUCT_WIDTH: usize = 18;

/// How wide the elements of an array may be for several to be in one line of many.
const SHORT_ELEMENT_WIDTH: usize = 10;

/// Where a type is written: beside the structs, or in the module of a table.
#[derive(Clone, Copy)]
enum Place<'a> {
    Outside { module: &'a str },
    Inside,
}

/// The whole text.
pub(crate) fn write(database: &Database) -> String {
    let mut out = Text::default();
    out.line(
        0,
        "// Written by ovsdb-codegen: changes are lost when it is written again.",
    );
    out.empty();
    let (mut body, mut structures) = (Text::default(), Text::default());
    for table in &database.tables {
        structure(&mut structures, table);
        structure(&mut body, table);
        module(&mut body, table);
    }
    out.imports(0, &structures.0);
    out.doc(0, "The name of the database.");
    out.line(
        0,
        &format!("pub const DATABASE: &str = {:?};", database.name),
    );
    out.empty();
    out.doc(0, "The version of the schema; empty if it has none.");
    out.line(
        0,
        &format!("pub const SCHEMA_VERSION: &str = {:?};", database.version),
    );
    out.empty();
    out.doc(0, "The checksum of the schema; empty if it has none.");
    out.line(
        0,
        &format!("pub const SCHEMA_CKSUM: &str = {:?};", database.cksum),
    );
    out.empty();
    out.doc(0, "All that the types here have, for a replica.");
    out.line(0, "pub fn selection() -> ::ovsdb::schema::Selection {");
    out.line(1, "let mut selection = ::ovsdb::schema::Selection::new();");
    for table in &database.tables {
        let name = &table.type_name;
        let call = format!("selection = <{name} as ::ovsdb::typed::Model>::select(selection);");
        out.line(1, &call);
    }
    out.line(1, "selection");
    out.line(0, "}");
    out.empty();
    out.doc(0, "Whether all types here fit what a replica has.");
    out.doc(0, "");
    out.doc(0, "# Errors");
    out.doc(0, "A column holds something else.");
    out.line(
        0,
        "pub fn fits(version: &::ovsdb::replica::Version) -> Result<(), ::ovsdb::typed::BindError> {",
    );
    for table in &database.tables {
        out.line(1, &format!("version.table::<{}>()?;", table.type_name));
    }
    out.line(1, "Ok(())");
    out.line(0, "}");
    out.empty();
    let doc = "Whether a replica has all tables and columns of the types here, for programs that cannot do without one.";
    out.doc(0, doc);
    out.doc(0, "");
    out.doc(0, "# Errors");
    out.doc(
        0,
        "A table or a column is missing, or a column holds something else.",
    );
    out.line(
        0,
        "pub fn fits_in_full(version: &::ovsdb::replica::Version) -> Result<(), ::ovsdb::typed::BindError> {",
    );
    for table in &database.tables {
        let call = format!("version.table_in_full::<{}>()?;", table.type_name);
        out.line(1, &call);
    }
    out.line(1, "Ok(())");
    out.line(0, "}");
    out.empty();
    out.0 + body.0.trim_end() + "\n"
}

/// Lines with indentation.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, depth: usize, text: &str) {
        for _ in 0..depth {
            self.0.push_str("    ");
        }
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn empty(&mut self) {
        self.0.push('\n');
    }

    fn doc(&mut self, depth: usize, text: &str) {
        self.line(depth, format!("/// {text}").trim_end());
    }

    /// `HEAD ROOT.CALL.CALL;`, in as many lines as rustfmt would have.
    fn chain(&mut self, depth: usize, head: &str, root: &str, calls: &[String]) {
        let chain = format!("{root}{}", calls.concat());
        let fits = |depth: usize, text: &str| 4 * depth + text.len() <= LINE_WIDTH;
        let is_short = calls.is_empty() || chain.len() <= CHAIN_WIDTH;
        let is_one = calls.len() <= 1;
        let one = format!("{head} {chain};");
        if is_short && fits(depth, &one) {
            return self.line(depth, &one);
        }
        if (is_short || is_one) && fits(depth + 1, &format!("{chain};")) {
            self.line(depth, head);
            return self.line(depth + 1, &format!("{chain};"));
        }
        let first = format!("{head} {root}");
        let depth_of_calls = if fits(depth, &first) {
            self.line(depth, &first);
            depth + 1
        } else {
            self.line(depth, head);
            self.line(depth + 1, root);
            depth + 2
        };
        for (nth, call) in calls.iter().enumerate() {
            let end = if nth + 1 == calls.len() { ";" } else { "" };
            self.line(depth_of_calls, &format!("{call}{end}"));
        }
    }

    /// `HEAD &[ELEMENT, ELEMENT];`, in as many lines as rustfmt would have.
    fn array(&mut self, depth: usize, head: &str, elements: &[String]) {
        let inside = elements.join(", ");
        let one = format!("{head} &[{inside}];");
        if inside.len() <= ARRAY_WIDTH && 4 * depth + one.len() <= LINE_WIDTH {
            return self.line(depth, &one);
        }
        if inside.len() <= ARRAY_WIDTH {
            self.line(depth, head);
            return self.line(depth + 1, &format!("&[{inside}];"));
        }
        self.line(depth, &format!("{head} &["));
        let are_short = elements
            .iter()
            .all(|element| element.starts_with('"') && element.len() <= SHORT_ELEMENT_WIDTH);
        let mut line = String::new();
        for element in elements {
            let width = 4 * (depth + 1) + line.len() + 1 + element.len() + 1;
            if !line.is_empty() && (!are_short || width > LINE_WIDTH) {
                self.line(depth + 1, &line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(element);
            line.push(',');
        }
        self.line(depth + 1, &line);
        self.line(depth, "];");
    }

    /// The imports that a text needs: those whose names occur in it.
    fn imports(&mut self, depth: usize, text: &str) {
        let uses = |name: &&&str| mentions(text, name);
        let groups: [(&str, &[&str]); 3] = [
            ("ovsdb", &["Uuid"]),
            ("ovsdb::typed", &["Check", "Column", "Real", "Ref"]),
            ("std::collections", &["BTreeMap", "BTreeSet"]),
        ];
        let mut any = false;
        for (path, names) in groups {
            let names: Vec<&str> = names.iter().filter(uses).copied().collect();
            match names.as_slice() {
                [] => continue,
                [name] => self.line(depth, &format!("use ::{path}::{name};")),
                names => self.line(depth, &format!("use ::{path}::{{{}}};", names.join(", "))),
            }
            any = true;
        }
        if any {
            self.empty();
        }
    }
}

/// Whether a name occurs in a text, outside of comments and literals.
fn mentions(text: &str, name: &str) -> bool {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = code.flat_map(|line| line.split('"').step_by(2));
    let mut words =
        code.flat_map(|code| code.split(|c: char| !c.is_alphanumeric() && !"_:".contains(c)));
    words.any(|word| {
        word.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    })
}

fn structure(out: &mut Text, table: &Table) {
    out.doc(0, &format!("Table `{}`.", table.name));
    let mut notes = Vec::new();
    if !table.is_root {
        notes.push("Its rows stay as long as something refers to them.".to_owned());
    }
    if let Some(rows) = table.max_rows {
        notes.push(match rows {
            1 => "It has at most one row.".to_owned(),
            rows => format!("It has at most {rows} rows."),
        });
    }
    if !notes.is_empty() {
        out.doc(0, "");
        out.doc(0, &notes.join(" "));
    }
    out.line(0, "#[derive(Clone, Debug, Default, PartialEq)]");
    out.line(0, &format!("pub struct {} {{", table.type_name));
    for column in &table.columns {
        let place = Place::Outside {
            module: &table.module,
        };
        out.doc(1, &description(column));
        out.line(
            1,
            &format!("pub {}: {},", column.field, column_type(column, place)),
        );
    }
    out.line(0, "}");
    out.empty();
}

fn module(out: &mut Text, table: &Table) {
    out.doc(0, &format!("Columns and values of table `{}`.", table.name));
    out.line(0, &format!("pub mod {} {{", table.module));
    let mut body = Text::default();
    for (at, column) in table.columns.iter().enumerate() {
        constant(&mut body, table, at, column);
    }
    if !table.indexes.is_empty() {
        body.doc(1, "Columns by which no two rows are alike.");
        let index = |index: &Vec<String>| {
            let columns: Vec<String> = index.iter().map(|name| format!("{name:?}")).collect();
            format!("&[{}]", columns.join(", "))
        };
        let indexes: Vec<String> = table.indexes.iter().map(index).collect();
        body.array(1, "pub const INDEXES: &[&[&str]] =", &indexes);
        body.empty();
    }
    for base in table.columns.iter().flat_map(bases) {
        if let Kind::Enum(words) = &base.kind {
            enumeration(&mut body, words);
        }
    }
    model(&mut body, table);
    out.imports(1, &body.0);
    out.0.push_str(&body.0);
    out.line(0, "}");
    out.empty();
}

fn bases(column: &Column) -> impl Iterator<Item = &Base> {
    std::iter::once(&column.key).chain(&column.value)
}

fn constant(out: &mut Text, table: &Table, at: usize, column: &Column) {
    let mut calls = Vec::new();
    let mut demand = |name: &str, base: &Base| {
        if let Some(check) = check(base) {
            calls.push(format!(".{name}({check})"));
        }
    };
    demand("keys", &column.key);
    if let Some(value) = &column.value {
        demand("values", value);
    }
    let is_single = column.value.is_none() && column.max == Some(1);
    if !is_single && (column.min > 0 || column.max.is_some()) {
        let max = column
            .max
            .map_or_else(|| "u32::MAX".to_owned(), |max| max.to_string());
        calls.push(format!(".count({}, {max})", column.min));
    }
    out.doc(1, &description(column));
    let types = [
        format!("super::{}", table.type_name),
        column_type(column, Place::Inside),
    ];
    let name = &column.constant;
    let mut head = format!("pub const {name}: Column<{}> =", types.join(", "));
    if 4 + head.len() > LINE_WIDTH {
        out.line(1, &format!("pub const {name}: Column<"));
        for ty in types {
            out.line(2, &format!("{ty},"));
        }
        head = "> =".to_owned();
    }
    let new = format!("Column::new({:?}, {at})", column.name);
    out.chain(1, &head, &new, &calls);
    out.empty();
}

fn enumeration(out: &mut Text, words: &Enum) {
    let Enum {
        type_name,
        variants,
    } = words;
    out.doc(1, "One of these words.");
    out.line(
        1,
        "#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]",
    );
    out.line(1, &format!("pub enum {type_name} {{"));
    for (word, variant) in variants {
        out.doc(2, &format!("`{word}`"));
        out.line(2, &format!("{variant},"));
    }
    out.doc(2, "A word that the schema does not have.");
    out.line(2, "Other(String),");
    out.line(1, "}");
    out.empty();
    out.line(1, &format!("impl {type_name} {{"));
    out.doc(2, "The words of the schema.");
    let literals: Vec<String> = variants
        .iter()
        .map(|(word, _)| format!("{word:?}"))
        .collect();
    let head = "pub const WORDS: &'static [&'static str] =";
    out.array(2, head, &literals);
    out.line(1, "}");
    out.empty();
    out.line(1, &format!("impl ::ovsdb::typed::Word for {type_name} {{"));
    out.line(2, "fn from_word(word: &str) -> Self {");
    out.line(3, "match word {");
    for (word, variant) in variants {
        out.line(4, &format!("{word:?} => Self::{variant},"));
    }
    out.line(4, "other => Self::Other(other.to_owned()),");
    out.line(3, "}");
    out.line(2, "}");
    out.empty();
    out.line(2, "fn word(&self) -> &str {");
    out.line(3, "match self {");
    for (word, variant) in variants {
        out.line(4, &format!("Self::{variant} => {word:?},"));
    }
    out.line(4, "Self::Other(other) => other,");
    out.line(3, "}");
    out.line(2, "}");
    out.line(1, "}");
    out.empty();
    out.line(1, &format!("impl Default for {type_name} {{"));
    out.doc(
        2,
        "What a row has that was given none of the words: no word.",
    );
    out.line(2, "fn default() -> Self {");
    out.line(3, "Self::Other(String::new())");
    out.line(2, "}");
    out.line(1, "}");
    out.empty();
}

fn model(out: &mut Text, table: &Table) {
    out.line(
        1,
        &format!(
            "impl ::ovsdb::typed::Model for super::{} {{",
            table.type_name
        ),
    );
    out.line(2, &format!("const TABLE: &'static str = {:?};", table.name));
    out.empty();
    let infos: Vec<String> = table
        .columns
        .iter()
        .map(|column| format!("{}.info()", column.constant))
        .collect();
    let head = "const COLUMNS: &'static [::ovsdb::typed::ColumnInfo] =";
    out.array(2, head, &infos);
    out.empty();
    out.line(
        2,
        "fn read(row: &::ovsdb::typed::RowView<'_, Self>) -> Self {",
    );
    let reads: Vec<String> = table
        .columns
        .iter()
        .map(
            |Column {
                 field, constant, ..
             }| format!("{field}: row.read({constant})"),
        )
        .collect();
    match reads.as_slice() {
        [read] if read.len() <= STRUCT_WIDTH => out.line(3, &format!("Self {{ {read} }}")),
        reads => {
            out.line(3, "Self {");
            for read in reads {
                out.line(4, &format!("{read},"));
            }
            out.line(3, "}");
        }
    }
    out.line(2, "}");
    out.empty();
    let all_mutable = table.columns.iter().all(|column| column.mutable);
    out.line(2, "fn write(");
    out.line(3, "&self,");
    out.line(3, "row: ::ovsdb::typed::Ref<Self>,");
    out.line(
        3,
        if all_mutable {
            "_is_new: bool,"
        } else {
            "is_new: bool,"
        },
    );
    out.line(3, "txn: &mut ::ovsdb::txn::Txn,");
    out.line(2, ") -> Result<(), ::ovsdb::txn::EditError> {");
    for column in &table.columns {
        let Column {
            field, constant, ..
        } = column;
        let depth = if column.mutable { 3 } else { 4 };
        if !column.mutable {
            out.line(3, "if is_new {");
        }
        let arguments = ["row".to_owned(), constant.clone(), format!("&self.{field}")];
        let inside = arguments.join(", ");
        if inside.len() <= CALL_WIDTH {
            out.line(depth, &format!("txn.fill({inside})?;"));
        } else {
            out.line(depth, "txn.fill(");
            for argument in arguments {
                out.line(depth + 1, &format!("{argument},"));
            }
            out.line(depth, ")?;");
        }
        if !column.mutable {
            out.line(3, "}");
        }
    }
    out.line(3, "Ok(())");
    out.line(2, "}");
    out.line(1, "}");
}

/// The Rust type of a column.
fn column_type(column: &Column, place: Place<'_>) -> String {
    let is_single = column.max == Some(1);
    match &column.value {
        Some(value) => format!(
            "BTreeMap<{}, {}>",
            base_type(&column.key, place, true),
            base_type(value, place, false)
        ),
        None if is_single && column.min == 1 => base_type(&column.key, place, false),
        None if is_single => format!("Option<{}>", base_type(&column.key, place, false)),
        None => format!("BTreeSet<{}>", base_type(&column.key, place, true)),
    }
}

fn base_type(base: &Base, place: Place<'_>, is_ordered: bool) -> String {
    match (&base.kind, place) {
        (Kind::Integer, _) => "i64".to_owned(),
        (Kind::Real, _) if is_ordered => "Real".to_owned(),
        (Kind::Real, _) => "f64".to_owned(),
        (Kind::Boolean, _) => "bool".to_owned(),
        (Kind::String, _) => "String".to_owned(),
        (Kind::Uuid, _) => "Uuid".to_owned(),
        (Kind::Ref { type_name, .. }, Place::Outside { .. }) => format!("Ref<{type_name}>"),
        (Kind::Ref { type_name, .. }, Place::Inside) => format!("Ref<super::{type_name}>"),
        (Kind::Enum(words), Place::Outside { module }) => format!("{module}::{}", words.type_name),
        (Kind::Enum(words), Place::Inside) => words.type_name.clone(),
    }
}

fn check(base: &Base) -> Option<String> {
    Some(match (&base.demand, &base.kind) {
        (Demand::Words, Kind::Enum(words)) => format!("Check::Words({}::WORDS)", words.type_name),
        (Demand::Integer { min, max }, _) => {
            format!("Check::integer({}, {})", integer(*min), integer(*max))
        }
        (Demand::Real { min, max }, _) => {
            format!("Check::real({}, {})", real(*min), real(*max))
        }
        (Demand::Length { min, max }, _) => match *max {
            u32::MAX => format!("Check::length({min}, u32::MAX)"),
            max => format!("Check::length({min}, {max})"),
        },
        (Demand::Integers(numbers), _) => format!("Check::Integers(&{numbers:?})"),
        (Demand::Nothing | Demand::Words, _) => return None,
    })
}

fn integer(value: i64) -> String {
    match value {
        i64::MIN => "i64::MIN".to_owned(),
        i64::MAX => "i64::MAX".to_owned(),
        value => value.to_string(),
    }
}

fn real(value: f64) -> String {
    match value {
        f64::MIN => "f64::MIN".to_owned(),
        f64::MAX => "f64::MAX".to_owned(),
        value => format!("{value:?}"),
    }
}

/// A column in words.
fn description(column: &Column) -> String {
    let is_enum = matches!(column.key.kind, Kind::Enum(_));
    let is_single = column.max == Some(1);
    let count = match (column.min, column.max) {
        (1, Some(1)) if is_enum => "one of".to_owned(),
        (1, Some(1)) => "one".to_owned(),
        (_, Some(1)) if is_enum => "at most one of".to_owned(),
        (_, Some(1)) => "at most one".to_owned(),
        (0, None) => "any number of".to_owned(),
        (min, None) => format!("at least {min}"),
        (0, Some(max)) => format!("at most {max}"),
        (min, Some(max)) => format!("{min} to {max}"),
    };
    let key = in_words(&column.key, !is_single);
    let mut text = format!("`{}`: {count} {key}", column.name);
    if let Some(value) = &column.value {
        let article = match value.kind {
            Kind::Enum(_) => "one of",
            Kind::Integer => "an",
            _ => "a",
        };
        let value = in_words(value, false);
        text.push_str(&format!(", each with {article} {value}"));
    }
    if !column.mutable {
        text.push_str("; only new rows can be given it");
    }
    if !column.persistent {
        text.push_str("; not kept in the file");
    }
    text.push('.');
    text
}

/// A base type in words, of one value or of several.
fn in_words(base: &Base, several: bool) -> String {
    let noun = |one: &str, many: &str| if several { many } else { one }.to_owned();
    let mut text = match &base.kind {
        Kind::Integer => noun("integer", "integers"),
        Kind::Real => noun("real number", "real numbers"),
        Kind::Boolean => noun("Boolean", "Booleans"),
        Kind::String => noun("string", "strings"),
        Kind::Uuid => noun("UUID", "UUIDs"),
        Kind::Ref { table, is_weak, .. } => {
            let weak = if *is_weak { "weak " } else { "" };
            let noun = noun("reference to a row", "references to rows");
            format!("{weak}{noun} of `{table}`")
        }
        Kind::Enum(words) => {
            let words = words.variants.iter().map(|(word, _)| format!("`{word}`"));
            words.collect::<Vec<_>>().join(", ")
        }
    };
    match &base.demand {
        Demand::Integer { min, max: i64::MAX } => text.push_str(&format!(" of at least {min}")),
        Demand::Integer { min: i64::MIN, max } => text.push_str(&format!(" of at most {max}")),
        Demand::Integer { min, max } => text.push_str(&format!(" from {min} to {max}")),
        Demand::Real { min, max: f64::MAX } => text.push_str(&format!(" of at least {min:?}")),
        Demand::Real { min: f64::MIN, max } => text.push_str(&format!(" of at most {max:?}")),
        Demand::Real { min, max } => text.push_str(&format!(" from {min:?} to {max:?}")),
        Demand::Length { min, max: u32::MAX } => {
            text.push_str(&format!(" of {min} or more characters"));
        }
        Demand::Length { min, max } => text.push_str(&format!(" of {min} to {max} characters")),
        Demand::Integers(numbers) => {
            let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
            text.push_str(&format!(" ({})", numbers.join(", ")));
        }
        Demand::Nothing | Demand::Words => {}
    }
    text
}
