//! Where the programs are that tests run: ours, and those of the reference implementation.
//!
//! Finds, and never builds or installs.

use std::env;
use std::path::{Path, PathBuf};

/// Names a folder with our programs; without it they are looked for beside the test's own executable.
pub const OURS_DIR: &str = "OVSDB_TEST_BIN_DIR";

/// Names folders, separated by colons, that are searched for reference programs before the usual ones.
pub const REFERENCE_DIRS: &str = "OVSDB_TEST_REFERENCE_PATH";

/// Whose server a test runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// The reference implementation, written in C, as the distribution installs it.
    Reference,
    /// This project.
    Ours,
}

impl Side {
    /// Both, the reference first: what it does is what is expected of ours.
    pub const BOTH: [Side; 2] = [Side::Reference, Side::Ours];

    /// The path of this side's program `name`.
    pub fn program(self, name: &str) -> PathBuf {
        match self {
            Side::Reference => reference(name),
            Side::Ours => ours(name),
        }
    }
}

/// The path of our program `name`.
///
/// # Panics
/// If it has not been built.
pub fn ours(name: &str) -> PathBuf {
    let folder = env::var_os(OURS_DIR)
        .map(PathBuf::from)
        .unwrap_or_else(test_profile);
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is not built: run `cargo build -p ovsdb-tools`",
        path.display()
    );
    path
}

/// The path of the example `name` of one of our crates, in the profile of the running test.
///
/// # Panics
/// If it has not been built.
pub fn example(name: &str) -> PathBuf {
    let path = test_profile().join("examples").join(name);
    assert!(
        path.is_file(),
        "{} is not built: run `cargo build --examples`",
        path.display()
    );
    path
}

/// The folder of the programs that were built with the running test.
fn test_profile() -> PathBuf {
    // Cargo puts tests into `deps` below the folder of the programs.
    let test = env::current_exe().expect("a running test has an executable");
    test.ancestors()
        .nth(2)
        .expect("cargo runs tests two folders deep")
        .to_path_buf()
}

/// The folder that cargo builds into, for all profiles.
pub fn target_folder() -> PathBuf {
    let profile = test_profile();
    profile.parent().unwrap_or(&profile).to_path_buf()
}

/// The path of the reference program `name`.
///
/// # Panics
/// If it is not installed.
pub fn reference(name: &str) -> PathBuf {
    find_reference(name).unwrap_or_else(|| {
        panic!(
            "the reference program {name} is not installed \
             (Debian packages openvswitch-switch, openvswitch-common, openvswitch-vtep, ovn-central, ovn-common, ovn-host)"
        )
    })
}

/// Like [`reference()`], for a test that can say something about its absence.
pub fn find_reference(name: &str) -> Option<PathBuf> {
    let first = env::var_os(REFERENCE_DIRS).unwrap_or_default();
    let path = env::var_os("PATH").unwrap_or_default();
    // Daemons are installed in folders that are not on everybody's path.
    let usual = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    // Someone who follows the README has our programs on the path, under the same names.
    let built_here = target_folder();
    env::split_paths(&first)
        .chain(env::split_paths(&path))
        .chain(usual)
        .filter(|folder| !folder.starts_with(&built_here))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// The schema that the reference's packages install for a database: `vswitch`, `vtep`, `ovn-nb`, `ovn-sb` or `local-config`.
///
/// # Panics
/// If it is not installed.
pub fn reference_schema(name: &str) -> PathBuf {
    let file = format!("{name}.ovsschema");
    ["/usr/share/openvswitch", "/usr/share/ovn"]
        .map(|folder| Path::new(folder).join(&file))
        .into_iter()
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{file} is installed neither by Open vSwitch nor by OVN"))
}
