//! From a struct to the text of its model.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, Data, DeriveInput, Error, Field, Fields, Ident, LitStr, Result, Type};

/// What a field is.
enum Role {
    /// The row's name.
    Uuid,
    /// A column.
    Column {
        name: LitStr,
        constant: Ident,
        written: Written,
    },
}

/// When a column is written.
enum Written {
    Always,
    ToNewRows,
    Never,
}

/// A field, understood.
struct Part<'a> {
    ident: &'a Ident,
    ty: &'a Type,
    role: Role,
}

/// What the attributes of a field say.
#[derive(Default)]
struct Marks {
    column: Option<LitStr>,
    uuid: bool,
    immutable: bool,
    read_only: bool,
}

/// The implementation of `Model` for a struct, with a constant for each column.
///
/// # Errors
/// It is no struct with named fields and a table, or an attribute is wrong.
pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "the rows of a table are structs",
        ));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(
            &input.ident,
            "columns are fields with names",
        ));
    };
    if !input.generics.params.is_empty() {
        let message = "the struct of a table has no parameters";
        return Err(Error::new_spanned(&input.generics, message));
    }
    let table = table(input)?;
    let parts: Vec<Part<'_>> = fields.named.iter().map(part).collect::<Result<_>>()?;
    let (mut constants, mut infos, mut reads, mut writes) = (vec![], vec![], vec![], vec![]);
    for Part { ident, ty, role } in &parts {
        let Role::Column {
            name,
            constant,
            written,
        } = role
        else {
            reads.push(quote! { #ident: ::core::convert::From::from(row.id()) });
            continue;
        };
        let at = infos.len();
        let doc = format!("Column `{}`.", name.value());
        // A type that no column has is told where the field names it.
        let at_type = Span::call_site().located_at(ty.span());
        constants.push(quote_spanned! {at_type=>
            #[doc = #doc]
            pub const #constant: ::ovsdb::typed::Column<Self, #ty> = ::ovsdb::typed::Column::new(#name, #at);
        });
        infos.push(quote_spanned! {at_type=> Self::#constant.info() });
        reads.push(quote_spanned! {at_type=> #ident: row.read(Self::#constant) });
        let fill = quote_spanned! {at_type=> txn.fill(row, Self::#constant, &self.#ident)?; };
        match written {
            Written::Always => writes.push(fill),
            Written::ToNewRows => writes.push(quote! { if is_new { #fill } }),
            Written::Never => {}
        }
    }
    let name = &input.ident;
    Ok(quote! {
        #[allow(dead_code, unreachable_pub, reason = "a program uses what columns it wants")]
        impl #name {
            #(#constants)*
        }

        impl ::ovsdb::typed::Model for #name {
            const TABLE: &'static str = #table;

            const COLUMNS: &'static [::ovsdb::typed::ColumnInfo] = &[#(#infos),*];

            fn read(row: &::ovsdb::typed::RowView<'_, Self>) -> Self {
                Self { #(#reads),* }
            }

            #[allow(unused_variables, reason = "there may be no columns of the kind")]
            fn write(
                &self,
                row: ::ovsdb::typed::Ref<Self>,
                is_new: bool,
                txn: &mut ::ovsdb::txn::Txn,
            ) -> ::core::result::Result<(), ::ovsdb::txn::EditError> {
                #(#writes)*
                ::core::result::Result::Ok(())
            }
        }
    })
}

fn ours(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("ovsdb"))
}

/// The table's name.
fn table(input: &DeriveInput) -> Result<LitStr> {
    let mut table = None;
    for attribute in ours(&input.attrs) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("table") {
                return Err(meta.error("a struct has `table = \"NAME\"` and nothing else"));
            }
            table = Some(id(meta.value()?.parse()?)?);
            Ok(())
        })?;
    }
    let message = "`#[ovsdb(table = \"NAME\")]` says whose rows these are";
    table.ok_or_else(|| Error::new_spanned(&input.ident, message))
}

/// A name that a table or column may have (RFC 7047, section 3.1).
fn id(name: LitStr) -> Result<LitStr> {
    let text = name.value();
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match begins && goes_on {
        true => Ok(name),
        false => Err(Error::new(
            name.span(),
            "this is no name of a table or column",
        )),
    }
}

fn part(field: &Field) -> Result<Part<'_>> {
    let Some(ident) = &field.ident else {
        return Err(Error::new_spanned(field, "columns are fields with names"));
    };
    let mut marks = Marks::default();
    for attribute in ours(&field.attrs) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("column") {
                marks.column = Some(id(meta.value()?.parse()?)?);
            } else if meta.path.is_ident("uuid") {
                marks.uuid = true;
            } else if meta.path.is_ident("immutable") {
                marks.immutable = true;
            } else if meta.path.is_ident("read_only") {
                marks.read_only = true;
            } else {
                return Err(meta.error("a field has `column`, `uuid`, `immutable` or `read_only`"));
            }
            Ok(())
        })?;
    }
    let Marks {
        column,
        uuid,
        immutable,
        read_only,
    } = marks;
    let of_column = column.is_some() || immutable || read_only;
    let role = match (uuid, of_column) {
        (true, true) => {
            return Err(Error::new_spanned(ident, "the row's name is no column"));
        }
        (true, false) => Role::Uuid,
        (false, _) => {
            let name = ident.unraw().to_string();
            Role::Column {
                constant: format_ident!("{}", name.to_uppercase(), span = ident.span()),
                name: column.unwrap_or_else(|| LitStr::new(&name, ident.span())),
                written: match (immutable, read_only) {
                    (_, true) => Written::Never,
                    (true, false) => Written::ToNewRows,
                    (false, false) => Written::Always,
                },
            }
        }
    };
    Ok(Part {
        ident,
        ty: &field.ty,
        role,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expect: &str) {
        let input = syn::parse_str(input).expect("Rust");
        match derive(&input) {
            Ok(written) => panic!("{written}"),
            Err(error) => assert_eq!(error.to_string(), expect),
        }
    }

    #[test]
    fn what_cannot_be_a_model_is_refused() {
        let table = r#"#[ovsdb(table = "T")]"#;
        check("enum E { A }", "the rows of a table are structs");
        check("struct S(i64);", "columns are fields with names");
        check(
            "struct S { a: i64 }",
            "`#[ovsdb(table = \"NAME\")]` says whose rows these are",
        );
        check(
            &format!("{table} struct S<T> {{ a: T }}"),
            "the struct of a table has no parameters",
        );
        check(
            r#"#[ovsdb(name = "T")] struct S { a: i64 }"#,
            "a struct has `table = \"NAME\"` and nothing else",
        );
        check(
            r#"#[ovsdb(table = "no name")] struct S { a: i64 }"#,
            "this is no name of a table or column",
        );
        check(
            &format!("{table} struct S {{ #[ovsdb(colum = \"a\")] a: i64 }}"),
            "a field has `column`, `uuid`, `immutable` or `read_only`",
        );
        check(
            &format!("{table} struct S {{ #[ovsdb(uuid, read_only)] a: i64 }}"),
            "the row's name is no column",
        );
    }

    #[test]
    fn other_attributes_are_left_alone() {
        let input = r#"#[derive(Debug)] #[ovsdb(table = "T")] struct S { /** A. */ #[serde(skip)] r#type: i64 }"#;
        let written = derive(&syn::parse_str(input).expect("Rust"))
            .expect("a model")
            .to_string();
        assert!(written.contains("TYPE"), "{written}");
        assert!(written.contains(r#"new ("type" , 0usize)"#), "{written}");
    }
}
