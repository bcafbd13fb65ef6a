//! The control commands that choose the tables whose changes are logged.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{Adder, Control, Reply};

impl Control {
    pub(super) fn register_tlog(add: &Adder<'_>) {
        add.command(
            "ovsdb-server/tlog-set",
            "DB:TABLE on|off",
            2,
            2,
            Control::set_logged,
        );
        add.command("ovsdb-server/tlog-list", "", 0, 0, Control::list_logged);
    }

    async fn set_logged(self: Arc<Control>, args: Vec<String>) -> Reply {
        let on = if args[1].eq_ignore_ascii_case("on") {
            true
        } else if args[1].eq_ignore_ascii_case("off") {
            false
        } else {
            return Err(String::from("invalid command argument"));
        };
        let mut parts = args[0].split(':').filter(|part| !part.is_empty());
        let (Some(database), Some(table), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(String::from("invalid DB:TABLE argument"));
        };
        let Some(database) = self.server.database(database) else {
            return Err(String::from("no such database"));
        };
        if database.set_transaction_log(table, on) {
            Ok(String::new())
        } else {
            Err(String::from("no such table"))
        }
    }

    async fn list_logged(self: Arc<Control>, _: Vec<String>) -> Reply {
        let mut text = String::from(
            "database        table                       logging\n\
             --------        -----                       -------\n",
        );
        for database in self.server.databases() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{:16} ", database.name());
            let tables = database.schema().tables.iter();
            let mut names: Vec<&str> = tables.map(|table| &*table.name).collect();
            names.sort_unstable();
            for name in names {
                let state = match database.is_in_transaction_log(name) {
                    true => "ON",
                    false => "OFF",
                };
                let _ = writeln!(text, "{:16}{name:27} {state}", "");
            }
        }
        Ok(text)
    }
}
