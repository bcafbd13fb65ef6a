//! Rules about a crate as a whole: its lints, and the bans of the pure crates.

use std::fs;
use std::io;

use super::Problem;
use crate::workspace::Workspace;

/// Crates that receive time, randomness and bytes as arguments and may reach for none of them.
const PURE: &[&str] = &["ovsdb-proto", "ovsdb-pmap", "ovsdb-engine"];

/// What the `clippy.toml` of a pure crate bans at least.
const BANNED_IN_PURE: &[&str] = &[
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "std::thread::spawn",
    "std::thread::sleep",
    "std::fs::File",
];

/// Checks every package of the workspace.
pub(super) fn check(workspace: &Workspace) -> io::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for package in workspace.metadata.workspace_packages() {
        let manifest = package.manifest_path.as_std_path();
        if !inherits_lints(&fs::read_to_string(manifest)?) {
            let text = "inherit the workspace's lints: `[lints] workspace = true`";
            problems.push(Problem::new(workspace.relative(manifest), text));
        }
        if PURE.contains(&package.name.as_str()) {
            let bans = manifest.with_file_name("clippy.toml");
            let text = fs::read_to_string(&bans).unwrap_or_default();
            for word in missing_bans(&text) {
                problems.push(Problem::new(
                    workspace.relative(&bans),
                    format!("a pure crate bans {word}"),
                ));
            }
        }
    }
    Ok(problems)
}

fn inherits_lints(manifest: &str) -> bool {
    let mut lines = manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[lints]")
        .skip(1);
    lines.find(|line| !line.is_empty()) == Some("workspace = true")
}

fn missing_bans(clippy_toml: &str) -> impl Iterator<Item = &'static str> {
    BANNED_IN_PURE
        .iter()
        .copied()
        .filter(move |word| !clippy_toml.contains(&format!("\"{word}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_manifest_that_names_the_workspace_inherits_its_lints() {
        assert!(inherits_lints(
            "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"
        ));
        assert!(!inherits_lints("[package]\nversion.workspace = true\n"));
        assert!(!inherits_lints("[lints]\n[dependencies]\n"));
    }

    #[test]
    fn every_ban_that_is_missing_is_named() {
        assert_eq!(missing_bans("").count(), BANNED_IN_PURE.len());
        let all: String = BANNED_IN_PURE
            .iter()
            .map(|word| format!("path = \"{word}\"\n"))
            .collect();
        assert_eq!(missing_bans(&all).count(), 0);
    }
}
