//! A record of a file is refused, or leaves a consistent database to which another record leads as well.

use ovsdb_engine::record::replay;

use super::operations::check_commit;
use crate::world;

/// See the module's documentation. The input is the text of the record.
pub fn run(input: &[u8]) {
    let before = world::database();
    if let Ok((after, commit)) = replay(&before, input, &mut world::fresh(8)) {
        match commit {
            Some(commit) => check_commit(&before, &commit, &after),
            None => assert_eq!(world::kept(&before), world::kept(&after)),
        }
    }
}
