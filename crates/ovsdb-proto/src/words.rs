//! Fixed words of the protocol that are no data: the methods of RFC 7047, section 4, and of Open vSwitch.

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A method of a request or notification.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Method {
            $($(#[$doc])* $name,)*
        }

        impl Method {
            /// Every method.
            pub const ALL: &'static [Method] = &[$(Method::$name,)*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Method::$name => $text,)*
                }
            }

            /// The method with this word.
            pub fn from_text(text: &str) -> Option<Method> {
                match text {
                    $($text => Some(Method::$name),)*
                    _ => None,
                }
            }
        }
    };
}

/// The `error` of a reply to a request for a method that is not served.
pub const UNKNOWN_METHOD: &str = "unknown method";

methods! {
    /// RFC 7047, section 4.1.1.
    ListDbs = "list_dbs",
    /// RFC 7047, section 4.1.2.
    GetSchema = "get_schema",
    /// RFC 7047, section 4.1.3.
    Transact = "transact",
    /// RFC 7047, section 4.1.4.
    Cancel = "cancel",
    /// RFC 7047, section 4.1.5.
    Monitor = "monitor",
    /// RFC 7047, section 4.1.6.
    Update = "update",
    /// RFC 7047, section 4.1.7.
    MonitorCancel = "monitor_cancel",
    /// RFC 7047, section 4.1.8.
    Lock = "lock",
    /// RFC 7047, section 4.1.8.
    Steal = "steal",
    /// RFC 7047, section 4.1.8.
    Unlock = "unlock",
    /// RFC 7047, section 4.1.9.
    Locked = "locked",
    /// RFC 7047, section 4.1.10.
    Stolen = "stolen",
    /// RFC 7047, section 4.1.11.
    Echo = "echo",
    /// ovsdb-server(7): a monitor with conditions.
    MonitorCond = "monitor_cond",
    /// What an older manual calls `monitor_cond`.
    Monitor2 = "monitor2",
    /// ovsdb-server(7): a monitor with conditions that can resume.
    MonitorCondSince = "monitor_cond_since",
    /// ovsdb-server(7): new conditions for a monitor.
    MonitorCondChange = "monitor_cond_change",
    /// ovsdb-server(7): what a `monitor_cond` gets.
    Update2 = "update2",
    /// ovsdb-server(7): what a `monitor_cond_since` gets.
    Update3 = "update3",
    /// ovsdb-server(7): the server ended a monitor.
    MonitorCanceled = "monitor_canceled",
    /// ovsdb-server(7): the server's identity.
    GetServerId = "get_server_id",
    /// ovsdb-server(7): the client bears databases that come and go.
    SetDbChangeAware = "set_db_change_aware",
    /// ovsdb-server(7): gives a database a new schema.
    Convert = "convert",
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_by_its_word() {
        for &method in Method::ALL {
            assert_eq!(Method::from_text(method.as_str()), Some(method));
        }
        assert_eq!(Method::from_text("List_dbs"), None);
    }
}
