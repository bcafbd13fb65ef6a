//! The workspace as the tasks see it: its packages from `cargo metadata`, and its text files.
//!
//! Reads only.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand};

/// This workspace.
pub(crate) struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// What `cargo metadata --no-deps` says of our own packages.
    pub(crate) metadata: Metadata,
}

/// A text file of the workspace.
pub(crate) struct TextFile {
    /// Path from the workspace's root, with `/` between its parts.
    pub(crate) path: String,
    /// Its whole text.
    pub(crate) text: String,
}

impl Workspace {
    /// Asks cargo for the workspace that this program was built from.
    pub(crate) fn load() -> Result<Self, cargo_metadata::Error> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let metadata = MetadataCommand::new()
            .manifest_path(manifest)
            .no_deps()
            .exec()?;
        Ok(Workspace {
            root: metadata.workspace_root.clone().into_std_path_buf(),
            metadata,
        })
    }

    /// Every text file of the workspace, sorted by path, without what cargo and git own.
    pub(crate) fn text_files(&self) -> io::Result<Vec<TextFile>> {
        let mut files = Vec::new();
        let target = self.metadata.target_directory.as_std_path();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let path = entry.path();
                let kind = entry.file_type()?;
                let name = entry.file_name();
                if name == ".git" || name == "target" || name == "Cargo.lock" || path == target {
                    // Git's and cargo's own. A worktree's `.git` is a file.
                    continue;
                }
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() {
                    // What is no text (a recorded database with a torn tail, say) has no words to check.
                    if let Ok(text) = String::from_utf8(fs::read(&path)?) {
                        files.push(TextFile {
                            path: self.relative(&path),
                            text,
                        });
                    }
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// `path` as seen from the workspace's root.
    pub(crate) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .to_string_lossy()
            .replace('\\', "/")
    }
}
