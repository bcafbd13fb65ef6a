//! The derive macro of `ovsdb::typed::Model`, for structs that a program writes itself and that take what columns it wants.
//!
//! It knows no crate of ours: it writes paths into `::ovsdb`.

mod model;

use proc_macro::TokenStream;

/// Makes a struct the model of a table: its fields are columns, and each column is a constant of the struct, in capitals.
///
/// ```text
/// #[derive(ovsdb::Model)]
/// #[ovsdb(table = "Bridge")]
/// struct Bridge {
///     #[ovsdb(uuid)]
///     id: Ref<Bridge>,
///     name: String,
///     #[ovsdb(column = "other_config")]
///     config: BTreeMap<String, String>,
///     #[ovsdb(read_only)]
///     status: BTreeMap<String, String>,
/// }
/// ```
///
/// A field is the column of its name, unless `column` names another. `uuid` is a field for the row's name, a `Ref` of the
/// struct or a `Uuid`; it is not written. `read_only` is for what the server writes, and `immutable` for what only new rows
/// are given. What types fields may have, `ovsdb::typed` says.
#[proc_macro_derive(Model, attributes(ovsdb))]
pub fn model(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    let written = model::derive(&input).unwrap_or_else(|error| error.to_compile_error());
    written.into()
}
