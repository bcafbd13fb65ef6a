//! Access control by role: may this client change these rows (ovsdb-server(7), 3.2 and 4.1.3)?
//!
//! The rules stand in the database itself, in the table `RBAC_Role` and the table of permissions that it refers to, and
//! are read as the transaction sees them, so that a change of the rules counts at once. Clients without a role, and
//! databases without the table, are never asked. Nothing here knows where roles and client ids come from.

use std::sync::Arc;

use ovsdb_proto::atom::{Atom, AtomType};
use ovsdb_proto::datum::Datum;
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::mutation::Mutation;
use ovsdb_proto::permission::{Action, denied};
use ovsdb_proto::schema::{ColumnId, TableId, TableSchema};
use ovsdb_proto::types::{Constraint, UNLIMITED};

use crate::database::{IndexKey, Row, Table};
use crate::draft::Draft;

/// The table that says what each role may do. Without it everybody may do everything.
const ROLES: &str = "RBAC_Role";

/// Under whose name a transaction runs.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// The role of the client. The empty role may do everything.
    pub role: &'a str,
    /// The name that the client has proved to bear. Without one it may change nothing under any role.
    pub client_id: Option<&'a str>,
    /// Told of rules that cannot be read, which look like refusals to the client.
    pub report: &'a dyn Fn(Unreadable),
}

/// What is wrong with the rules of access control.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// No row of `RBAC_Role` has this name.
    #[error("rbac: role \"{role}\" not found in rbac roles table")]
    Role {
        /// The role.
        role: String,
    },
    /// `RBAC_Role` has no column `permissions`.
    #[error("rbac: \"permissions\" column not present in rbac roles table")]
    Permissions,
    /// The table of permissions has no column `authorization` that holds any number of strings.
    #[error("rbac: error reading authorization column")]
    Authorization,
    /// The table of permissions has no column `update` that holds any number of strings.
    #[error("ovsdb_rbac_{operation}: could not read \"update\" column")]
    Update {
        /// The operation that was asked for.
        operation: &'static str,
    },
}

/// What an operation is about to do to rows.
#[derive(Clone, Copy)]
pub(crate) enum Deed<'a> {
    Insert,
    Update(&'a [(ColumnId, Datum)]),
    Mutate(&'a [Mutation]),
    Delete,
}

impl Deed<'_> {
    fn action<'a>(&self, table: &'a str) -> Action<'a> {
        match self {
            Deed::Insert => Action::Insert(table),
            Deed::Update(_) => Action::Update(table),
            Deed::Mutate(_) => Action::Mutate(table),
            Deed::Delete => Action::Delete(table),
        }
    }

    /// Whether every column that is changed is among `names`.
    fn is_within(&self, names: &Datum, table: &TableSchema) -> bool {
        let is_listed = |column: ColumnId| {
            let name = Atom::String(table.column(column).name.clone());
            names.contains_key(&name)
        };
        match self {
            Deed::Insert | Deed::Delete => true,
            Deed::Update(values) => values.iter().all(|(column, _)| is_listed(*column)),
            Deed::Mutate(mutations) => mutations.iter().all(|mutation| is_listed(mutation.column)),
        }
    }
}

impl Access<'_> {
    /// Whether the client may do this to `rows` of `table`: to each of them, or to none.
    ///
    /// # Errors
    /// The `permission error` for the operation's result.
    pub(crate) fn check(
        &self,
        draft: &Draft,
        table: TableId,
        deed: Deed<'_>,
        rows: &[Arc<Row>],
    ) -> Result<(), OvsdbError> {
        let schema = draft.schema();
        let Some(roles) = schema.table_id(ROLES).filter(|_| !self.role.is_empty()) else {
            return Ok(());
        };
        let table = schema.table(table);
        let is_allowed = self.client_id.is_some_and(|id| {
            self.permission(draft, roles, &table.name)
                .is_some_and(|permission| self.covers(&permission, id, table, deed, rows))
        });
        if is_allowed {
            Ok(())
        } else {
            let action = deed.action(&table.name);
            Err(denied(self.client_id, self.role, action))
        }
    }

    /// The row that says what the role may do to the table named `table`.
    fn permission<'d>(
        &self,
        draft: &'d Draft,
        roles: TableId,
        table: &str,
    ) -> Option<Permission<'d>> {
        let schema = draft.schema();
        let roles_schema = schema.table(roles);
        let Some(role) = find_role(roles_schema, draft.table(roles), self.role) else {
            (self.report)(Unreadable::Role {
                role: self.role.to_owned(),
            });
            return None;
        };
        let Some(column) = roles_schema.column_id("permissions") else {
            (self.report)(Unreadable::Permissions);
            return None;
        };
        let ty = &roles_schema.column(column).ty;
        let (AtomType::String, Some(value)) = (ty.key.kind, &ty.value) else {
            return None;
        };
        let Constraint::Uuid {
            ref_table_id: Some(permissions),
            ..
        } = value.constraint
        else {
            return None;
        };
        let uuid = role.get(column).get(&Atom::string(table))?.as_uuid()?;
        Some(Permission {
            schema: draft.schema().table(permissions),
            row: draft.row(&(permissions, uuid))?,
        })
    }

    fn covers(
        &self,
        permission: &Permission<'_>,
        id: &str,
        table: &TableSchema,
        deed: Deed<'_>,
        rows: &[Arc<Row>],
    ) -> bool {
        let names = match deed {
            Deed::Insert | Deed::Delete => None,
            Deed::Update(_) | Deed::Mutate(_) => match permission.strings("update") {
                Some(names) => Some(names),
                None => {
                    let operation = match deed {
                        Deed::Update(_) => "update",
                        _ => "mutate",
                    };
                    (self.report)(Unreadable::Update { operation });
                    return false;
                }
            },
        };
        // Where there is nothing to change, nothing is forbidden.
        if rows.is_empty() {
            return true;
        }
        let Some(entries) = permission.strings("authorization") else {
            (self.report)(Unreadable::Authorization);
            return false;
        };
        let owner = Owner::new(entries, table);
        let is_permitted = match names {
            Some(names) => deed.is_within(names, table),
            None => permission.insert_delete(),
        };
        is_permitted && rows.iter().all(|row| owner.is(id, row))
    }
}

/// The row of `roles` that has `role` as its name, or among its names.
fn find_role<'a>(schema: &TableSchema, roles: &'a Table, role: &str) -> Option<&'a Arc<Row>> {
    let column = schema.column_id("name")?;
    let name = Atom::string(role);
    let ty = &schema.column(column).ty;
    let index = schema
        .indexes
        .iter()
        .position(|columns| columns[..] == [column])
        .filter(|_| ty.max == 1 && ty.value.is_none());
    match index {
        Some(index) => {
            let key = IndexKey::from_iter([Datum::from_atom(name)]);
            let found = roles.index_matches(index, &key).next();
            found.and_then(|uuid| roles.get(&uuid))
        }
        None => roles.iter().find(|row| row.get(column).contains_key(&name)),
    }
}

/// What a role may do to one table.
struct Permission<'d> {
    schema: &'d TableSchema,
    row: &'d Row,
}

impl<'d> Permission<'d> {
    /// The value of a column that holds any number of strings.
    fn strings(&self, column: &str) -> Option<&'d Datum> {
        let column = column_of(self.schema, column, AtomType::String, UNLIMITED)?;
        Some(self.row.get(column))
    }

    fn insert_delete(&self) -> bool {
        let column = column_of(self.schema, "insert_delete", AtomType::Boolean, 1);
        let value = column.and_then(|column| self.row.get(column).first());
        matches!(value, Some(Atom::Boolean(true)))
    }
}

/// The column of this name, if it is a set of up to `max` atoms of this type.
fn column_of(schema: &TableSchema, name: &str, kind: AtomType, max: u32) -> Option<ColumnId> {
    let column = schema.column_id(name)?;
    let ty = &schema.column(column).ty;
    (ty.key.kind == kind && ty.value.is_none() && ty.max == max).then_some(column)
}

/// Where a row of a table says whose it is.
enum Owner {
    /// Nowhere: every row is everybody's.
    Anybody,
    /// In these columns, of which one must have the client's id: as its value, or as that of a key.
    Columns(Vec<(ColumnId, Option<Atom>)>),
}

impl Owner {
    /// Reads the entries of `authorization`: a column, or a column and a key of it with a colon between. What the table
    /// does not have in this form makes nobody the owner.
    fn new(entries: &Datum, table: &TableSchema) -> Owner {
        let mut columns = Vec::new();
        for entry in entries.keys() {
            let Atom::String(entry) = entry else { continue };
            if entry.is_empty() {
                return Owner::Anybody;
            }
            if entry.contains(':') {
                let mut parts = entry.split(':').filter(|part| !part.is_empty());
                if let (Some(name), Some(key)) = (parts.next(), parts.next())
                    && let Some(column) = map_of_strings(table, name)
                {
                    columns.push((column, Some(Atom::string(key))));
                }
            } else if let Some(column) = column_of(table, entry, AtomType::String, 1) {
                columns.push((column, None));
            }
        }
        Owner::Columns(columns)
    }

    fn is(&self, id: &str, row: &Row) -> bool {
        let Owner::Columns(columns) = self else {
            return true;
        };
        columns.iter().any(|(column, key)| {
            let datum = row.get(*column);
            let value = match key {
                None => datum.first(),
                Some(key) => datum.get(key),
            };
            matches!(value, Some(Atom::String(value)) if value == id)
        })
    }
}

/// The column of this name, if it maps any number of strings to strings.
fn map_of_strings(table: &TableSchema, name: &str) -> Option<ColumnId> {
    let column = table.column_id(name)?;
    let ty = &table.column(column).ty;
    let is_string = |kind| kind == AtomType::String;
    let is_map = is_string(ty.key.kind)
        && ty.max == UNLIMITED
        && ty.value.as_ref().is_some_and(|value| is_string(value.kind));
    is_map.then_some(column)
}
