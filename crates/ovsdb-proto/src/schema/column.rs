//! One column of a table (RFC 7047, section 3.2, `<column-schema>`).

use ecow::EcoString;

use crate::error::OvsdbError;
use crate::json::{Json, Object};
use crate::parser::{Kinds, Members};
use crate::types::{BaseType, ColumnType};

/// A `<column-schema>` and the column's name.
#[derive(Clone, Debug)]
pub struct ColumnSchema {
    /// The column's name, an `<id>`.
    pub name: EcoString,
    /// What the column holds.
    pub ty: ColumnType,
    /// False if the column keeps the value that it was inserted with.
    pub mutable: bool,
    /// False for an ephemeral column, which is not written to the file.
    pub persistent: bool,
}

impl ColumnSchema {
    /// Parses the schema of the column `name`.
    ///
    /// # Errors
    /// A `syntax error`.
    pub fn from_json(json: &Json, name: &str) -> Result<ColumnSchema, OvsdbError> {
        let mut members = Members::new(json, format!("schema for column {name}"));
        let mutable = members.optional_bool("mutable");
        let ephemeral = members.optional_bool("ephemeral");
        let ty = members.required("type", Kinds::STRING.or(Kinds::OBJECT));
        members.finish()?;
        let ty = match ty {
            Some(ty) => ColumnType::from_json(ty)?,
            // Unreachable: `finish` reports what is missing.
            None => return Err(OvsdbError::syntax(json, "ovsdb type expected")),
        };
        // A weak reference changes when its target goes away, whatever the schema says.
        let mutable = mutable.unwrap_or(true) || ty.bases().any(BaseType::is_weak_ref);
        Ok(ColumnSchema {
            name: name.into(),
            ty,
            mutable,
            persistent: !ephemeral.unwrap_or(false),
        })
    }

    /// The schema as JSON.
    pub fn to_json(&self) -> Json {
        let mut object = Object::new();
        if !self.mutable {
            object.insert("mutable", Json::Bool(false));
        }
        if !self.persistent {
            object.insert("ephemeral", Json::Bool(true));
        }
        object.insert("type", self.ty.to_json());
        Json::Object(object)
    }
}
