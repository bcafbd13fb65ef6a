//! Which tests need the reference programs: the targets whose `required-features` name `reference`.
//!
//! Their manifests are the only list; `./test` asks here instead of keeping a second one, to switch the feature on in these
//! packages and to say what was left out without it.

use std::process::ExitCode;

use crate::workspace::Workspace;

/// The cargo feature that switches these tests on.
pub(crate) const FEATURE: &str = "reference";

/// Prints one line a package: its name, and the names of its targets.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode, crate::Error> {
    for package in workspace.metadata.workspace_packages() {
        let mut targets: Vec<&str> = package
            .targets
            .iter()
            .filter(|target| {
                target
                    .required_features
                    .iter()
                    .any(|feature| feature == FEATURE)
            })
            .map(|target| target.name.as_str())
            .collect();
        targets.sort_unstable();
        if !targets.is_empty() {
            println!("{} {}", package.name, targets.join(" "));
        }
    }
    Ok(ExitCode::SUCCESS)
}
