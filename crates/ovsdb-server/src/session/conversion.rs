//! The method `convert` (ovsdb-server(7), section 4.1.19): what it checks before the writer converts.

use ovsdb_proto::error::{ErrorTag, OvsdbError};
use ovsdb_proto::json::Json;
use ovsdb_proto::permission::{Action, denied};
use ovsdb_proto::schema::Schema;
use ovsdb_proto::words::Method;

use crate::database::Served;
use crate::mailbox::Answer;

use super::requests::{empty, refusal};
use super::{Session, in_place};

impl Session {
    /// Has a database converted. The answer comes when it is on the disk, or has failed.
    pub(super) fn convert(&mut self, params: &[Json], id: Json) {
        let database = match self.database(Method::Convert, params) {
            Ok(database) => database,
            Err(error) => return self.refuse(&id, &error),
        };
        if let Some(error) = self.duplicate_id(Method::Convert, params, &id) {
            return self.refuse(&id, &error);
        }
        let bytes = self.last_message_bytes;
        let schema = in_place(bytes, || self.new_schema(&database, params));
        let schema = schema.and_then(|schema| match database.gate() {
            Some(gate) => self.pass_conversion(gate, &schema).map(|()| schema),
            None => Ok(schema),
        });
        let schema = match schema {
            Ok(schema) => schema,
            Err(error) => return self.refuse(&id, &refusal(error)),
        };
        let token = self.transactions.open(id, Some(database.clone()), bytes);
        self.is_converting = true;
        let mailbox = self.mailbox.clone();
        let converts = self.server.convert(&database, schema, mailbox, token);
        if converts.is_err()
            && let Some(open) = self.transactions.close(token)
        {
            self.answer(&open.id, &Answer::Converted(Err(canceled())));
        }
    }

    /// Tells what has come of a conversion.
    pub(super) fn answer_conversion(&mut self, id: &Json, result: &Result<(), OvsdbError>) {
        self.is_converting = false;
        match result {
            Ok(()) => self.reply(id, |out| empty().write_to(out)),
            Err(error) => self.refuse(id, &refusal(error.clone())),
        }
    }

    /// The schema that a client wants a database to have, if it may want it.
    fn new_schema(&self, database: &Served, params: &[Json]) -> Result<Schema, OvsdbError> {
        let (name, access) = (database.name(), self.access_to(database));
        if let Some(role) = &access.role {
            let client = access.client_id.as_deref();
            return Err(denied(client, role, Action::Convert(name)));
        }
        if access.read_only {
            let details = format!("conversion is not allowed for read-only database {name}");
            return Err(OvsdbError::new(ErrorTag::NotAllowed, details));
        }
        let [_, schema] = params else {
            let params = Json::Array(params.to_vec());
            return Err(OvsdbError::syntax(&params, "array expected"));
        };
        let schema = Schema::from_json(schema)?;
        if schema.name != name {
            let details = format!(
                "new schema name ({}) does not match database name ({name})",
                schema.name
            );
            return Err(OvsdbError::new(ErrorTag::InvalidParameters, details));
        }
        Ok(schema)
    }
}

/// Why nothing came of a conversion of a database that is no longer served.
pub(crate) fn canceled() -> OvsdbError {
    let details = "database conversion canceled because the database is being removed";
    OvsdbError::new(ErrorTag::Canceled, details)
}
