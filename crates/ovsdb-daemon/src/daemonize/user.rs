//! Becoming another user (`--user`), keeping the right to bind low ports.

use std::ffi::CString;
use std::io;

use nix::unistd::{Gid, Group, Uid, User, geteuid, getuid, initgroups, setgid, setuid};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities};

use crate::vlog;

/// Why `--user` cannot be obeyed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// The caller is not root.
    #[error("only root can use --user option")]
    NotRoot,
    /// No such user.
    #[error("user {0} not found")]
    NoUser(String),
    /// No such group.
    #[error("group {0} not found")]
    NoGroup(String),
    /// The user is not in the group.
    #[error("Invalid --user option {spec} (user {user} is not in group {group})")]
    NotInGroup {
        /// The option's argument.
        spec: String,
        /// The user in it.
        user: String,
        /// The group in it.
        group: String,
    },
    /// The operating system refused.
    #[error("failed to {what} ({})", ovsdb_net::errno_text(.source))]
    Io {
        /// The step.
        what: &'static str,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

/// Who to become.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    name: CString,
    uid: Uid,
    gid: Gid,
}

fn step(what: &'static str) -> impl FnOnce(nix::errno::Errno) -> UserError {
    move |errno| UserError::Io {
        what,
        source: errno.into(),
    }
}

impl Identity {
    /// `USER[:GROUP]`; without a user the current one, without a group the user's.
    pub(super) fn parse(spec: &str) -> Result<Self, UserError> {
        if !geteuid().is_root() || !getuid().is_root() {
            return Err(UserError::NotRoot);
        }
        let (name, group) = match spec.split_once(':') {
            Some((name, group)) => (
                name.trim(),
                Some(group.trim()).filter(|group| !group.is_empty()),
            ),
            None => (spec.trim(), None),
        };
        let user = if name.is_empty() {
            User::from_uid(getuid())
        } else {
            User::from_name(name)
        };
        let user = user
            .map_err(step("look up the user"))?
            .ok_or_else(|| UserError::NoUser(name.to_owned()))?;
        let mut gid = user.gid;
        if let Some(name) = group {
            let group = Group::from_name(name)
                .map_err(step("look up the group"))?
                .ok_or_else(|| UserError::NoGroup(name.to_owned()))?;
            if group.gid != gid && !group.mem.contains(&user.name) {
                return Err(UserError::NotInGroup {
                    spec: spec.to_owned(),
                    user: user.name,
                    group: name.to_owned(),
                });
            }
            gid = group.gid;
        }
        let name = CString::new(user.name).map_err(|_| UserError::NoUser(name.to_owned()))?;
        Ok(Self {
            name,
            uid: user.uid,
            gid,
        })
    }

    /// Becomes that user for good.
    pub(super) fn assume(&self) -> Result<(), UserError> {
        let kept = CapabilitySet::NET_BIND_SERVICE | CapabilitySet::IPC_LOCK;
        let io = |what| {
            move |errno: rustix::io::Errno| UserError::Io {
                what,
                source: errno.into(),
            }
        };
        vlog::change_log_file_owner(self.uid.as_raw(), self.gid.as_raw()).map_err(|source| {
            UserError::Io {
                what: "change the log file's owner",
                source,
            }
        })?;
        set_keep_capabilities(true).map_err(io("keep capabilities"))?;
        initgroups(&self.name, self.gid).map_err(step("set supplementary groups"))?;
        setgid(self.gid).map_err(step("switch group"))?;
        setuid(self.uid).map_err(step("switch user"))?;
        set_capabilities(
            None,
            CapabilitySets {
                effective: kept,
                permitted: kept,
                inheritable: CapabilitySet::empty(),
            },
        )
        .map_err(io("drop capabilities"))
    }
}
