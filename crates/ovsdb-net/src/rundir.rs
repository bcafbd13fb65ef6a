//! The folder of sockets and pidfiles, and names relative to it.
//!
//! Only looks names up; creates nothing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where sockets and pidfiles are when `OVS_RUNDIR` is not set, as in Debian's packages.
pub const DEFAULT_RUNDIR: &str = "/var/run/openvswitch";

/// The folder of sockets and pidfiles: `OVS_RUNDIR`, or [`DEFAULT_RUNDIR`] where that is unset or empty.
#[must_use]
pub fn rundir() -> PathBuf {
    from_environment(std::env::var_os("OVS_RUNDIR"))
}

fn from_environment(value: Option<OsString>) -> PathBuf {
    value
        .filter(|v| !v.is_empty())
        .map_or_else(|| PathBuf::from(DEFAULT_RUNDIR), PathBuf::from)
}

/// `name` itself if it is absolute, else `name` inside `folder`.
#[must_use]
pub fn absolute(folder: &Path, name: &Path) -> PathBuf {
    folder.join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_rundir_counts_as_unset() {
        let cases = [
            (None, DEFAULT_RUNDIR),
            (Some(""), DEFAULT_RUNDIR),
            (Some("/run/x"), "/run/x"),
        ];
        for (value, expect) in cases {
            assert_eq!(
                from_environment(value.map(OsString::from)),
                Path::new(expect),
                "{value:?}"
            );
        }
    }

    #[test]
    fn absolute_names_stay() {
        let folder = Path::new("/run/ovs");
        assert_eq!(
            absolute(folder, Path::new("db.sock")),
            Path::new("/run/ovs/db.sock")
        );
        assert_eq!(absolute(folder, Path::new("/tmp/s")), Path::new("/tmp/s"));
    }
}
