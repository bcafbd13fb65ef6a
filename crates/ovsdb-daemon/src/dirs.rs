//! The folders of Open vSwitch, from the environment or as Debian's packages have them.
//!
//! Only looks names up; creates nothing.

use std::ffi::OsString;
use std::path::PathBuf;

pub use ovsdb_net::{absolute, rundir};

fn folder(variable: &str, default: &str) -> PathBuf {
    choose(std::env::var_os(variable), default)
}

fn choose(value: Option<OsString>, default: &str) -> PathBuf {
    value
        .filter(|value| !value.is_empty())
        .map_or_else(|| PathBuf::from(default), PathBuf::from)
}

/// Log files: `OVS_LOGDIR`.
#[must_use]
pub fn logdir() -> PathBuf {
    folder("OVS_LOGDIR", "/var/log/openvswitch")
}

/// System configuration: `OVS_SYSCONFDIR`.
#[must_use]
pub fn sysconfdir() -> PathBuf {
    folder("OVS_SYSCONFDIR", "/etc")
}

/// Files that come with the packages, such as schemas: `OVS_PKGDATADIR`.
#[must_use]
pub fn pkgdatadir() -> PathBuf {
    folder("OVS_PKGDATADIR", "/usr/share/openvswitch")
}

/// Database files: `OVS_DBDIR`, else `openvswitch` below `OVS_SYSCONFDIR`, else `/etc/openvswitch`.
#[must_use]
pub fn dbdir() -> PathBuf {
    choose_dbdir(
        std::env::var_os("OVS_DBDIR"),
        std::env::var_os("OVS_SYSCONFDIR"),
    )
}

fn choose_dbdir(dbdir: Option<OsString>, sysconfdir: Option<OsString>) -> PathBuf {
    match (dbdir.filter(|value| !value.is_empty()), sysconfdir) {
        (Some(dbdir), _) => PathBuf::from(dbdir),
        (None, Some(sysconfdir)) => PathBuf::from(sysconfdir).join("openvswitch"),
        (None, None) => PathBuf::from("/etc/openvswitch"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_folder_follows_the_configuration_folder() {
        let cases = [
            (Some("/db"), Some("/conf"), "/db"),
            (Some(""), Some("/conf"), "/conf/openvswitch"),
            (None, Some("/conf"), "/conf/openvswitch"),
            (None, None, "/etc/openvswitch"),
        ];
        for (dbdir, sysconfdir, expect) in cases {
            assert_eq!(
                choose_dbdir(dbdir.map(OsString::from), sysconfdir.map(OsString::from)),
                PathBuf::from(expect),
                "{dbdir:?} {sysconfdir:?}"
            );
        }
    }

    #[test]
    fn empty_variables_count_as_unset() {
        assert_eq!(choose(Some(OsString::new()), "/d"), PathBuf::from("/d"));
        assert_eq!(choose(Some("/x".into()), "/d"), PathBuf::from("/x"));
        assert_eq!(choose(None, "/d"), PathBuf::from("/d"));
    }
}
