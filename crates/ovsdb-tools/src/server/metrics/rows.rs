//! What stands in the rows of databases that are served, for [`rows`](crate::metrics::rows).

use std::sync::{Arc, Weak};

use ovsdb_engine::{Database, Row};
use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, Schema, TableId};
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::database::Served;
use ovsdb_server::server::Server;

use crate::metrics::metric::Writing;
use crate::metrics::rows::{
    Cells, Contents, NORTHBOUND, OPEN_VSWITCH, RowFigures, SOUTHBOUND, Told,
};

/// A database that is served, as long as it is.
pub(super) struct Identity(Weak<Served>);

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        Weak::ptr_eq(&self.0, &other.0)
    }
}

impl Cells for Row {
    fn uuid(&self) -> Uuid {
        Row::uuid(self)
    }

    fn get(&self, column: ColumnId) -> &Datum {
        Row::get(self, column)
    }
}

impl Contents for Database {
    fn schema(&self) -> &Schema {
        Database::schema(self)
    }

    fn len(&self, table: TableId) -> usize {
        self.table(table).len()
    }

    fn rows(&self, table: TableId) -> Box<dyn Iterator<Item = &dyn Cells> + '_> {
        let rows = self.table(table).iter();
        Box::new(rows.map(|row| &**row as &dyn Cells))
    }
}

/// Goes on with what the databases of `server` that dashboards know have in their rows.
pub(super) fn write(
    figures: &RowFigures<Identity>,
    server: &Server,
    system_id: &str,
    writing: &mut Writing,
) {
    let names = [NORTHBOUND, SOUTHBOUND, OPEN_VSWITCH];
    let served: Vec<Arc<Served>> = names
        .iter()
        .filter_map(|name| server.database(name))
        .collect();
    let versions: Vec<_> = served.iter().map(|served| served.version()).collect();
    let numbers = served.iter().zip(&versions);
    let of = Told {
        system_id: system_id.to_owned(),
        versions: numbers
            .map(|(served, version)| (Identity(Arc::downgrade(served)), version.number))
            .collect(),
    };
    let databases = served.iter().zip(&versions);
    let databases =
        databases.map(|(served, version)| (served.name(), &version.database as &dyn Contents));
    figures.write(of, databases.collect(), writing);
}
