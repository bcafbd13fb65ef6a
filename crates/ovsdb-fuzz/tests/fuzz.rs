//! Runs the targets: over their corpora and variations of them; guided by coverage with `cargo bolero test`.
//!
//! `OVSDB_TEST_SEED=N` repeats the variations of a run; `OVSDB_FUZZ_FACTOR=N` tries N times as many.

use std::path::{Path, PathBuf};

use ovsdb_fuzz::{TARGETS, Target, mutate};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Whether the run is guided by coverage, so that varying is the fuzzer's business.
const IS_GUIDED: bool = cfg!(fuzzing);

fn check(name: &str) {
    let target = TARGETS
        .iter()
        .find(|target| target.name == name)
        .expect("a target");
    if !IS_GUIDED {
        vary(target);
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs the target on variations of its corpus.
fn vary(target: &Target) {
    let seed = number("OVSDB_TEST_SEED").unwrap_or_else(|| rand::rng().random_range(0..1 << 32));
    let factor = number("OVSDB_FUZZ_FACTOR").unwrap_or(1);
    let mut random = StdRng::seed_from_u64(seed);
    let corpus = corpus(target.name);
    for number in 0..u64::from(target.variations) * factor {
        let base = corpus.choose(&mut random).expect("a corpus has files");
        let other = corpus.choose(&mut random).expect("a corpus has files");
        let input = mutate::vary(&mut random, base, other);
        let run = std::panic::AssertUnwindSafe(|| (target.run)(&input));
        if let Err(panic) = std::panic::catch_unwind(run) {
            let text = String::from_utf8_lossy(&input);
            eprintln!("{}: seed {seed}, variation {number}: {text:?}", target.name);
            std::panic::resume_unwind(panic);
        }
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/__fuzz__")
        .join(name)
        .join("corpus")
}

/// The inputs of a target that are kept, in the order of their names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = folder(name);
    let files =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).expect("a file"))
        .collect()
}

/// A test of each target, under its name, which is what the fuzzer knows it by.
macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
            bolero::check!().with_iterations(1000).for_each(ovsdb_fuzz::targets::$name::run);
        })*

        #[test]
        fn every_target_has_a_test_and_a_corpus() {
            let tests = [$(stringify!($name)),*];
            assert_eq!(tests.as_slice(), TARGETS.iter().map(|target| target.name).collect::<Vec<_>>());
            for name in tests {
                assert!(corpus(name).len() >= 5, "{name}");
            }
        }
    };
}

targets! {
    framing json_text message schema datum datum_text condition operations monitor_requests record log_file
    control_socket control_answers session service updates client_glance client_session client_replica schema_project
}
