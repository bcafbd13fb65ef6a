//! Rules about what is packaged: the recipe for Debian's package names files that exist and forgets none, and what is
//! installed refers to places where the recipe puts something.

use std::collections::BTreeSet;
use std::path::Path;

use cargo_metadata::Package;

use super::Problem;
use crate::workspace::{TextFile, Workspace};

/// The crate whose programs are packaged, and which has the recipe.
const CRATE: &str = "ovsdb-tools";
/// Where cargo leaves programs, as the recipe writes it.
const PROGRAMS: &str = "target/release/";
/// What is to be packaged: files below these folders.
const PACKAGED: &[&str] = &[
    "packaging/completions/",
    "packaging/logrotate/",
    "packaging/systemd/",
];
/// The recipe of the image for containers.
const CONTAINER: &str = "packaging/container/Containerfile";
/// The folder of our own, which files that are installed name.
const OWN_FOLDER: &str = "/usr/lib/ovsdb-rs/";

/// One line of the recipe.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Asset {
    /// A file, seen from the workspace's root; or a program below [`PROGRAMS`].
    source: String,
    /// Where it goes, with its name.
    target: String,
}

/// Checks the recipe against the files and programs there are.
pub(super) fn check(workspace: &Workspace, files: &[TextFile]) -> Vec<Problem> {
    let packages = workspace.metadata.workspace_packages();
    let package = packages.iter().find(|package| package.name == CRATE);
    let Some(package) = package else {
        return vec![Problem::new(CRATE, "is not there")];
    };
    let manifest = package.manifest_path.as_std_path();
    let folder = manifest.parent().unwrap_or(manifest);
    let folder = workspace.relative(folder);
    let place = workspace.relative(manifest);
    let assets = match assets(package, &folder) {
        Some(assets) => assets,
        None => {
            let text = "package.metadata.deb has no assets of three texts each";
            return vec![Problem::new(place, text)];
        }
    };
    let programs: Vec<&str> = package
        .targets
        .iter()
        .filter(|target| target.is_bin())
        .map(|target| target.name.as_str())
        .collect();
    let exists = |path: &str| workspace.root.join(path).is_file();
    let mut problems: Vec<Problem> = wrong(&assets, &programs, exists)
        .into_iter()
        .map(|text| Problem::new(place.clone(), text))
        .collect();
    for file in files.iter().filter(|file| file.path == CONTAINER) {
        for program in uncopied(&file.text, &programs) {
            let text = format!("does not copy {program} into the image");
            problems.push(Problem::new(file.path.clone(), text));
        }
    }
    for file in files {
        let packaged = PACKAGED.iter().any(|folder| file.path.starts_with(folder));
        if !packaged {
            continue;
        }
        if !assets.iter().any(|asset| asset.source == file.path) {
            let text = format!("is not in the recipe of {place}");
            problems.push(Problem::new(file.path.clone(), text));
        }
        for path in missing(&file.text, &assets) {
            let text = format!("names {path}, where the recipe of {place} puts nothing");
            problems.push(Problem::new(file.path.clone(), text));
        }
    }
    problems
}

/// The files of the recipe; `None` if it does not look like one. `folder` is that of the crate.
fn assets(package: &Package, folder: &str) -> Option<Vec<Asset>> {
    let lines = package.metadata.get("deb")?.get("assets")?.as_array()?;
    let assets = lines.iter().map(|line| {
        let source = line.get(0)?.as_str()?;
        let source = match source.strip_prefix(PROGRAMS) {
            Some(_) => source.to_owned(),
            None => normal(&format!("{folder}/{source}")),
        };
        let mut target = line.get(1)?.as_str()?.to_owned();
        line.get(2)?.as_str()?;
        if target.ends_with('/') {
            target.push_str(Path::new(&source).file_name()?.to_str()?);
        }
        Some(Asset { source, target })
    });
    assets.collect()
}

/// The programs that are built for an image and do not get into it.
fn uncopied<'a>(recipe: &str, programs: &[&'a str]) -> Vec<&'a str> {
    let copied: Vec<&str> = recipe
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("/source/")?.strip_prefix(PROGRAMS))
        .collect();
    let programs = programs.iter().copied();
    programs.filter(|it| !copied.contains(it)).collect()
}

/// A path without steps back.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// What is wrong with the recipe itself.
fn wrong(assets: &[Asset], programs: &[&str], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut texts = Vec::new();
    let mut targets = BTreeSet::new();
    for Asset { source, target } in assets {
        let there = match source.strip_prefix(PROGRAMS) {
            Some(program) => programs.contains(&program),
            None => exists(source),
        };
        if !there {
            texts.push(format!("{source} is packaged and does not exist"));
        }
        if !targets.insert(target) {
            texts.push(format!("{target} is packaged twice"));
        }
    }
    for program in programs {
        let page = |asset: &Asset| {
            let name = asset.target.rsplit('/').next().unwrap_or_default();
            name.rsplit_once('.')
                .is_some_and(|(name, section)| name == *program && section.parse::<u8>().is_ok())
        };
        let source = format!("{PROGRAMS}{program}");
        if !assets.iter().any(|asset| asset.source == source) {
            texts.push(format!("{program} is not packaged"));
        }
        if !assets.iter().any(page) {
            texts.push(format!("the man page of {program} is not packaged"));
        }
    }
    texts
}

/// The paths in our folder that a text names and nothing is installed at.
fn missing(text: &str, assets: &[Asset]) -> Vec<String> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || "/._-@".contains(c));
    let mut missing = Vec::new();
    for (at, _) in text.match_indices(OWN_FOLDER) {
        let path = &text[at..];
        let path = &path[..path.find(ends).unwrap_or(path.len())];
        let path = path.trim_end_matches(['/', '.']);
        let installed = assets.iter().any(|asset| {
            let rest = path.strip_prefix('/').unwrap_or(path);
            let rest = asset.target.strip_prefix(rest);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        if !installed {
            missing.push(path.to_owned());
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(source: &str, target: &str) -> Asset {
        Asset {
            source: source.to_owned(),
            target: target.to_owned(),
        }
    }

    #[test]
    fn files_that_do_not_exist_and_programs_that_are_forgotten_are_reported() {
        let good = [
            asset("target/release/a", "usr/lib/x/a"),
            asset("docs/man/a.1", "usr/lib/x/man/a.1"),
        ];
        assert_eq!(wrong(&good, &["a"], |_| true), [""; 0]);
        assert_eq!(
            wrong(&good, &["a", "b"], |path| path != "docs/man/a.1"),
            [
                "docs/man/a.1 is packaged and does not exist",
                "b is not packaged",
                "the man page of b is not packaged",
            ]
        );
        let twice = [good[0].clone(), good[1].clone(), good[1].clone()];
        assert_eq!(
            wrong(&twice, &["a"], |_| true),
            ["usr/lib/x/man/a.1 is packaged twice"]
        );
        assert_eq!(
            wrong(&good, &[], |_| true),
            ["target/release/a is packaged and does not exist"]
        );
    }

    #[test]
    fn paths_in_our_folder_have_to_be_installed() {
        let assets = [asset("x", "usr/lib/ovsdb-rs/bin/a")];
        let text = "PATH=/usr/lib/ovsdb-rs/bin:/bin\nExec=/usr/lib/ovsdb-rs/bin/a -b\n\
                    Exec=/usr/lib/ovsdb-rs/bin/aa, /usr/lib/ovsdb-rs/sbin/a.";
        assert_eq!(
            missing(text, &assets),
            ["/usr/lib/ovsdb-rs/bin/aa", "/usr/lib/ovsdb-rs/sbin/a"]
        );
    }

    #[test]
    fn every_program_gets_into_the_image() {
        let recipe = "COPY --from=build /source/target/release/a /source/target/release/b-c \\\n  \
                      /source/LICENSE /usr/bin/";
        assert_eq!(uncopied(recipe, &["a", "b-c"]), [""; 0]);
        assert_eq!(uncopied(recipe, &["a", "b", "c"]), ["b", "c"]);
    }

    #[test]
    fn steps_back_are_taken() {
        assert_eq!(normal("crates/a/../../docs/b.md"), "docs/b.md");
    }
}
