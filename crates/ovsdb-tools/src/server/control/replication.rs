//! The control commands about an active server and its backup. This server is never a backup: it keeps what it is told,
//! answers what follows from being active, and refuses to become one.

use std::sync::Arc;

use super::{Adder, Control, Reply};

impl Control {
    pub(super) fn register_replication(add: &Adder<'_>) {
        add.command(
            "ovsdb-server/set-active-ovsdb-server",
            "",
            1,
            1,
            Control::set_active,
        );
        add.command(
            "ovsdb-server/get-active-ovsdb-server",
            "",
            0,
            0,
            Control::get_active,
        );
        add.command(
            "ovsdb-server/connect-active-ovsdb-server",
            "",
            0,
            0,
            Control::connect_active,
        );
        add.command(
            "ovsdb-server/disconnect-active-ovsdb-server",
            "",
            0,
            0,
            Control::disconnect_active,
        );
        add.command(
            "ovsdb-server/set-active-ovsdb-server-probe-interval",
            "",
            1,
            1,
            Control::set_probe_interval,
        );
        add.command(
            "ovsdb-server/set-relay-source-probe-interval",
            "",
            1,
            1,
            Control::set_probe_interval,
        );
        add.command(
            "ovsdb-server/set-sync-exclude-tables",
            "",
            0,
            1,
            Control::set_excluded,
        );
        add.command(
            "ovsdb-server/get-sync-exclude-tables",
            "",
            0,
            0,
            Control::get_excluded,
        );
        add.command("ovsdb-server/sync-status", "", 0, 0, Control::sync_status);
    }

    async fn set_active(self: Arc<Control>, mut args: Vec<String>) -> Reply {
        self.require_commands()?;
        let server = args.pop();
        self.reconfiguration
            .set_sync(|sync| sync.from = server)
            .await;
        Ok(String::new())
    }

    async fn get_active(self: Arc<Control>, _: Vec<String>) -> Reply {
        Ok(self.reconfiguration.sync().from.unwrap_or_default())
    }

    async fn connect_active(self: Arc<Control>, _: Vec<String>) -> Reply {
        self.require_commands()?;
        match self.reconfiguration.sync().from {
            // No error to the reference, and so not to those who call it.
            None => Ok(String::from(
                "Unable to connect: active server is not specified.\n",
            )),
            Some(_) => Err(String::from("replication is not supported by this server")),
        }
    }

    /// It never was connected.
    async fn disconnect_active(self: Arc<Control>, _: Vec<String>) -> Reply {
        self.require_commands()?;
        Ok(String::new())
    }

    /// There is nobody to probe.
    async fn set_probe_interval(self: Arc<Control>, args: Vec<String>) -> Reply {
        self.require_commands()?;
        match args[0].parse::<i32>() {
            Ok(_) => Ok(String::new()),
            Err(_) => Err(String::from(
                "Invalid probe interval, integer value expected",
            )),
        }
    }

    async fn set_excluded(self: Arc<Control>, mut args: Vec<String>) -> Reply {
        self.require_commands()?;
        let tables = args.pop();
        self.reconfiguration
            .set_sync(|sync| sync.exclude = tables)
            .await;
        Ok(String::new())
    }

    async fn get_excluded(self: Arc<Control>, _: Vec<String>) -> Reply {
        Ok(self.reconfiguration.sync().exclude.unwrap_or_default())
    }

    async fn sync_status(self: Arc<Control>, _: Vec<String>) -> Reply {
        let active = self.reconfiguration.active();
        if active.is_empty() {
            return Ok(String::from("state: active\n"));
        }
        let active = active.iter();
        Ok(active
            .map(|name| format!("database: {name}\nstate: active\n\n"))
            .collect())
    }
}
