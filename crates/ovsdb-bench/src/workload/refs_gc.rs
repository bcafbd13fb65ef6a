//! Rows that live as long as somebody refers to them, and references that end with the row, while a client watches.

use super::groups::{Expected, Kind, Marker, shuffled, transaction};
use super::{Bench, Figure, Unit, Workload, WorkloadError};

/// See the module's documentation.
pub(crate) struct RefsGc;

/// Rows of a tree, elements of a set, and transactions that take one of them away.
const ROWS: usize = 10_000;

/// Rows below each member of a tree, and elements of each small set.
const FAN: usize = 10;

/// Rows with sets: the root of the tree, one with a big set of strong references, one with weak references, and the first
/// of those with small sets.
const ROOT: usize = 0;
const BIG: usize = 1;
const WEAK: usize = 2;
const SMALL: usize = 100;

impl Workload for RefsGc {
    fn name(&self) -> &'static str {
        "refs_gc"
    }

    fn about(&self) -> &'static str {
        "trees of 10,000 rows that live by references, inserted and deleted whole and one by one, and weak references that \
         end, with a client watching"
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[
            Figure::new(
                "insert",
                Unit::Milliseconds,
                "a tree of 10,000 rows in one transaction",
            ),
            Figure::new(
                "delete",
                Unit::Milliseconds,
                "its root, and by that all of it",
            ),
            Figure::new(
                "delete_each",
                Unit::PerSecond,
                "references taken out of sets of 10, each of which takes a row with it",
            ),
            Figure::new(
                "unref",
                Unit::PerSecond,
                "references taken out of a set of 10,000, each of which takes a row with it",
            ),
            Figure::new(
                "weak",
                Unit::PerSecond,
                "rows deleted to which a set of 10,000 refers weakly",
            ),
        ];
        FIGURES
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let count = bench.size().of(ROWS);
        let mut client = bench.client()?;
        let mut marker = Marker::insert(&mut client)?;
        let nothing = Expected {
            rows: &[(Kind::Member, 0), (Kind::Leaf, 0), (Kind::Target, 0)],
            elements: &[("members", 0), ("leaves", 0), ("targets", 0)],
        };

        // Members with leaves, and the root that refers to them.
        let members = count.div_ceil(FAN + 1);
        let leaves = members * FAN;
        let mut tree = Vec::new();
        for member in 0..members {
            let own = member * FAN..(member + 1) * FAN;
            tree.extend(own.clone().map(|leaf| Kind::Leaf.insert(leaf, "")));
            let references = format!("\"leaves\":{}", Kind::Leaf.references(own));
            tree.push(Kind::Member.insert(member, &references));
        }
        let references = format!("\"members\":{}", Kind::Member.references(0..members));
        tree.push(Kind::Group.insert(ROOT, &references));
        let whole = Expected {
            rows: &[
                (Kind::Group, 1),
                (Kind::Member, members),
                (Kind::Leaf, leaves),
            ],
            elements: &[("members", members), ("leaves", leaves)],
        };
        let insert = marker.measure(bench, &[transaction(&tree)], &whole)?;
        bench.record("insert", insert.ms(), &insert);
        let root = transaction(&[Kind::Group.delete(ROOT)]);
        let delete = marker.measure(bench, &[root], &nothing)?;
        bench.record("delete", delete.ms(), &delete);

        let groups = count.div_ceil(FAN);
        let mut small = Vec::new();
        for group in 0..groups {
            let own = group * FAN..(group + 1) * FAN;
            small.extend(own.clone().map(|member| Kind::Member.insert(member, "")));
            let references = format!("\"members\":{}", Kind::Member.references(own));
            small.push(Kind::Group.insert(SMALL + group, &references));
        }
        client.transact(&transaction(&small))?;
        let each: Vec<String> = shuffled(groups * FAN)
            .map(|member| (SMALL + member / FAN, Kind::Member.reference(member)))
            .map(|(group, member)| Kind::Group.mutate(group, "members", "delete", &member))
            .map(|operation| transaction(&[operation]))
            .collect();
        let delete_each = marker.measure(bench, &each, &nothing)?;
        bench.record("delete_each", delete_each.rate(each.len()), &delete_each);

        let mut big: Vec<String> = (0..count)
            .map(|member| Kind::Member.insert(member, ""))
            .collect();
        let references = format!("\"members\":{}", Kind::Member.references(0..count));
        big.push(Kind::Group.insert(BIG, &references));
        client = bench.client()?;
        client.transact(&transaction(&big))?;
        let each: Vec<String> = shuffled(count)
            .map(|member| Kind::Member.reference(member))
            .map(|member| Kind::Group.mutate(BIG, "members", "delete", &member))
            .map(|operation| transaction(&[operation]))
            .collect();
        let unref = marker.measure(bench, &each, &nothing)?;
        bench.record("unref", unref.rate(each.len()), &unref);

        let mut weak: Vec<String> = (0..count)
            .map(|target| Kind::Target.insert(target, ""))
            .collect();
        let references = format!("\"targets\":{}", Kind::Target.references(0..count));
        weak.push(Kind::Group.insert(WEAK, &references));
        client = bench.client()?;
        client.transact(&transaction(&weak))?;
        let each: Vec<String> = shuffled(count)
            .map(|target| transaction(&[Kind::Target.delete(target)]))
            .collect();
        let weak = marker.measure(bench, &each, &nothing)?;
        bench.record("weak", weak.rate(each.len()), &weak);
        Ok(())
    }
}
