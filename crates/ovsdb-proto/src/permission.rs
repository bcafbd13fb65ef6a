//! What a client is told when access control by role refuses it something (ovsdb-server(7), 4.1.3).
//!
//! Only the words; who may do what is not decided here.

use std::fmt;

use crate::error::{ErrorTag, OvsdbError};

/// What a client wanted to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action<'a> {
    /// Put a row into the table of this name.
    Insert(&'a str),
    /// `update` rows of the table of this name.
    Update(&'a str),
    /// `mutate` rows of the table of this name.
    Mutate(&'a str),
    /// Remove rows from the table of this name.
    Delete(&'a str),
    /// Give the database of this name another schema.
    Convert(&'a str),
}

/// Refuses `action` to a client with a role, and with an id if it has one.
///
/// The result is a `permission error`, whatever the action.
pub fn denied(client_id: Option<&str>, role: &str, action: Action<'_>) -> OvsdbError {
    // What the reference prints for a client without an id.
    let id = client_id.unwrap_or("(null)");
    let details = format!("RBAC rules for client \"{id}\" role \"{role}\" prohibit {action}");
    OvsdbError::new(ErrorTag::PermissionError, details)
}

impl fmt::Display for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Insert(table) => write!(f, "row insertion into table \"{table}\"."),
            Action::Update(table) => write!(f, "modification of table \"{table}\"."),
            Action::Mutate(table) => write!(f, "mutate operation on table \"{table}\"."),
            Action::Delete(table) => write!(f, "row deletion from table \"{table}\"."),
            Action::Convert(database) => write!(
                f,
                "\"convert\" of database {database} (only the root role may convert databases)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(client_id: Option<&str>, action: Action<'_>, details: &str) {
        let error = denied(client_id, "ovn-controller", action);
        assert_eq!(error.tag, ErrorTag::PermissionError);
        assert_eq!(error.details.as_deref(), Some(details));
        assert_eq!(error.syntax, None);
    }

    #[test]
    fn each_refusal_names_client_role_and_deed() {
        let client = r#"RBAC rules for client "hv1" role "ovn-controller" prohibit"#;
        for (action, deed) in [
            (Action::Insert("T"), "row insertion into table \"T\"."),
            (Action::Update("T"), "modification of table \"T\"."),
            (Action::Mutate("T"), "mutate operation on table \"T\"."),
            (Action::Delete("T"), "row deletion from table \"T\"."),
            (
                Action::Convert("D"),
                "\"convert\" of database D (only the root role may convert databases)",
            ),
        ] {
            check(Some("hv1"), action, &format!("{client} {deed}"));
        }
    }

    #[test]
    fn a_client_without_an_id_is_called_null() {
        check(
            None,
            Action::Insert("T"),
            r#"RBAC rules for client "(null)" role "ovn-controller" prohibit row insertion into table "T"."#,
        );
    }
}
