//! Whether each block of Rust in the guide, in the notes on migration and in both READMEs is code that is tested: it stands, line by
//! line, in an example or in a test of this folder.

use std::fs;
use std::path::{Path, PathBuf};

/// The pages, from the workspace's root.
const PAGES: [&str; 4] = [
    "docs/library/guide.md",
    "docs/library/migration.md",
    "README.md",
    "crates/ovsdb/README.md",
];

/// Where code may come from: examples, all of which are tested, and the code of this test.
const FOLDERS: [&str; 2] = ["crates/ovsdb/examples", "crates/ovsdb/tests/guide"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of a text that say something, without what indents them.
fn lines(text: &str) -> Vec<&str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect()
}

/// The blocks of Rust in a page.
fn blocks(page: &str) -> Vec<&str> {
    let parts = page.split("```rust\n").skip(1);
    parts
        .map(|part| part.split("```").next().unwrap_or_default())
        .collect()
}

/// Whether lines stand in a source one after the other; a line `// ...` stands for any number of others.
fn shows(source: &[&str], block: &[&str]) -> bool {
    let mut pieces = block.split(|line| *line == "// ...");
    let mut rest = source;
    pieces.all(|piece| {
        let at = (0..=rest.len()).find(|at| rest[*at..].starts_with(piece));
        rest = at.map_or(&[], |at| &rest[at + piece.len()..]);
        at.is_some()
    })
}

#[test]
fn every_block_of_the_pages_is_code_that_is_tested() {
    let sources = FOLDERS.iter().flat_map(|folder| {
        let entries = fs::read_dir(root().join(folder)).expect("a folder of sources");
        entries.map(|entry| read(&entry.expect("an entry").path()))
    });
    let sources: Vec<String> = sources.collect();
    let sources: Vec<Vec<&str>> = sources.iter().map(|source| lines(source)).collect();
    let mut tried = 0;
    for page in PAGES {
        for block in blocks(&read(&root().join(page))) {
            let wanted = lines(block);
            let found = sources.iter().any(|source| shows(source, &wanted));
            assert!(found, "{page} shows what no test has:\n{block}");
            tried += 1;
        }
    }
    assert!(tried >= 20, "{tried} blocks");
}

#[test]
fn a_block_has_to_stand_there_in_one_piece_or_in_marked_ones() {
    let source = ["a", "b", "c", "d"];
    assert!(shows(&source, &["b", "c"]));
    assert!(shows(&source, &["a", "// ...", "d"]));
    for block in [&["a", "c"][..], &["d", "// ...", "a"], &["e"]] {
        assert!(!shows(&source, block), "{block:?}");
    }
}

#[test]
fn every_example_has_its_place_in_the_guide() {
    let guide = read(&root().join(PAGES[0]));
    for entry in fs::read_dir(root().join(FOLDERS[0])).expect("a folder of examples") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        assert!(guide.contains(&format!("examples/{name}")), "{name}");
    }
}
