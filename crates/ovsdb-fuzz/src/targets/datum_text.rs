//! A value in the notation of command lines is written in it, and what is read from that is written the same.

use ovsdb_proto::symbols::Symbols;
use ovsdb_proto::text;

use super::datum::column_type;
use crate::world;

/// See the module's documentation. The first byte names a column.
pub fn run(input: &[u8]) {
    let Some((&column, text)) = input.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    // An argument of a command has none.
    if text.contains('\0') {
        return;
    }
    let ty = column_type(&world::database(), column);
    let mut fresh = world::fresh(3);
    let Ok(value) = text::datum_from_string(&ty, text, &mut Symbols::new(&mut fresh)) else {
        return;
    };
    let written = text::datum_to_string(&value, &ty);
    let again = text::datum_from_string(&ty, &written, &mut Symbols::none());
    // The text, not the value: real numbers are written with fifteen digits.
    let again = again.map(|value| text::datum_to_string(&value, &ty));
    assert_eq!(again.as_ref(), Ok(&written));
}
