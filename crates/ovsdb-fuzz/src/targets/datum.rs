//! A value that a column takes fits it, is written, read again and the same, and differences lead to it.

use ovsdb_proto::datum::Datum;
use ovsdb_proto::symbols::Symbols;
use ovsdb_proto::types::ColumnType;

use crate::world;

/// See the module's documentation. The first byte names a column; the rest is an array of values for it.
pub fn run(input: &[u8]) {
    let Some((&column, text)) = input.split_first() else {
        return;
    };
    let Some(values) = world::array(text) else {
        return;
    };
    let database = world::database();
    let ty = column_type(&database, column);
    let mut before = Datum::default_for(&ty);
    for json in &values {
        let mut fresh = world::fresh(2);
        let Ok(value) = Datum::from_json(json, &ty, &mut Symbols::new(&mut fresh)) else {
            continue;
        };
        assert!(value.fits(&ty), "{json}");
        let text = value.to_json(&ty);
        assert_eq!(
            Datum::from_json(&text, &ty, &mut Symbols::none())
                .ok()
                .as_ref(),
            Some(&value)
        );
        let mut written = Vec::new();
        value.write_json(&ty, &mut written);
        assert_eq!(written, text.to_bytes(), "both ways of writing agree");
        let difference = Datum::diff(&before, &value, &ty);
        let read = Datum::diff_from_json(&difference.to_json(&ty), &ty);
        assert_eq!(read.as_ref().ok(), Some(&difference));
        assert_eq!(
            before.apply_diff(&difference, &ty).ok().as_ref(),
            Some(&value)
        );
        before = value;
    }
}

/// One of the columns of the schema, by any number.
pub(super) fn column_type(database: &ovsdb_engine::Database, number: u8) -> ColumnType {
    let schema = database.schema();
    let tables = schema.table_ids().map(|id| schema.table(id));
    let types: Vec<_> = tables
        .flat_map(|table| table.own_columns().map(|column| &column.ty))
        .collect();
    types[usize::from(number) % types.len()].clone()
}
