//! A record of a file is refused, or leaves a consistent database to which another record leads as well. Readers that take
//! short cuts come to the same.

use std::sync::Arc;

use ovsdb_engine::Database;
use ovsdb_engine::load::Loader;
use ovsdb_engine::record::replay;
use ovsdb_engine::replay::Replayer;

use super::operations::check_commit;
use crate::world;

/// See the module's documentation. The input is the text of the record.
pub fn run(input: &[u8]) {
    let before = world::database();
    check_in_place(&before, input);
    check_loaded(input);
    if let Ok((after, commit)) = replay(&before, input, &mut world::fresh(8)) {
        match commit {
            Some(commit) => check_commit(&before, &commit, &after),
            None => assert_eq!(world::kept(&before), world::kept(&after)),
        }
    }
}

/// Replays the record in place, twice.
fn check_in_place(before: &Database, input: &[u8]) {
    let mut replayer = Replayer::new(before.schema());
    let (mut database, mut expected) = (before.clone(), before.clone());
    for _ in 0..2 {
        let replayed;
        (database, replayed) = replayer.replay(database, input, &mut world::fresh(8));
        match (replay(&expected, input, &mut world::fresh(8)), replayed) {
            (Ok((after, commit)), Ok(replayed)) => {
                assert_eq!(commit.is_some(), replayed.is_some());
                expected = after;
            }
            (Err(error), Err(replayed)) => assert_eq!(replayed.to_string(), error.to_string()),
            (one_by_one, in_place) => panic!("{in_place:?}, not {one_by_one:?}"),
        }
        assert_eq!(world::kept(&database), world::kept(&expected));
        database
            .check_consistency()
            .expect("what was replayed in place is consistent");
    }
    assert_eq!(
        world::kept(before),
        world::kept(&world::database()),
        "a version never changes"
    );
}

/// Loads the record as the contents of an empty database.
fn check_loaded(input: &[u8]) {
    let empty = Database::new(Arc::clone(world::database().schema()));
    let mut loader = Loader::new(empty.schema());
    let (begin, end) = input.split_at(input.len() / 2);
    let mut fresh = world::fresh(8);
    let pushed = loader
        .push(begin, &mut fresh)
        .and_then(|()| loader.push(end, &mut fresh));
    if let Ok(loaded) = pushed.and_then(|()| loader.finish(&mut fresh)) {
        loaded
            .check_consistency()
            .expect("what was loaded is consistent");
        let (replayed, _) = replay(&empty, input, &mut world::fresh(8))
            .expect("nothing is loaded that could not be replayed");
        assert_eq!(world::kept(&loaded), world::kept(&replayed));
    }
}
