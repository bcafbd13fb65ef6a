//! Sets that grow by one element at a time, while a client watches.

use super::groups::{Expected, Kind, Marker, transaction};
use super::{Bench, Figure, Unit, Workload, WorkloadError};

/// See the module's documentation.
pub(crate) struct MutateBigSet;

/// Elements of each set in the end.
const ELEMENTS: usize = 20_000;

/// What the transaction with this number does.
type Operations<'a> = dyn Fn(usize) -> Vec<String> + 'a;

/// The row with the sets.
const OWNER: usize = 0;

impl Workload for MutateBigSet {
    fn name(&self) -> &'static str {
        "mutate_big_set"
    }

    fn about(&self) -> &'static str {
        "sets that grow to 20,000 elements one mutate at a time, 16 in flight and a client watching"
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[
            Figure::new("strings", Unit::Milliseconds, "a set of strings"),
            Figure::new(
                "weak",
                Unit::Milliseconds,
                "a set of weak references, each with the row that it refers to",
            ),
            Figure::new(
                "strong",
                Unit::Milliseconds,
                "a set of strong references, each with the row that it refers to",
            ),
        ];
        FIGURES
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let count = bench.size().of(ELEMENTS);
        let mut client = bench.client()?;
        client.transact(&transaction(&[Kind::Group.insert(OWNER, "")]))?;
        let mut marker = Marker::insert(&mut client)?;

        let add =
            |column: &str, element: &str| Kind::Group.mutate(OWNER, column, "insert", element);
        let strings = |number: usize| {
            let text = format!(
                "\"10.{}.{}.{}\"",
                number >> 16,
                number >> 8 & 255,
                number & 255
            );
            vec![add("strings", &text)]
        };
        let targets = |number: usize| {
            let reference = Kind::Target.reference(number);
            vec![Kind::Target.insert(number, ""), add("targets", &reference)]
        };
        let members = |number: usize| {
            let reference = Kind::Member.reference(number);
            vec![Kind::Member.insert(number, ""), add("members", &reference)]
        };
        let kinds: [(&str, &Operations<'_>); 3] = [
            ("strings", &strings),
            ("weak", &targets),
            ("strong", &members),
        ];
        for (done, (figure, operations)) in kinds.into_iter().enumerate() {
            let requests = (0..count).map(|number| transaction(&operations(number)));
            let requests: Vec<String> = requests.collect();
            let so_far = |number: usize| if number <= done { count } else { 0 };
            let expected = Expected {
                rows: &[
                    (Kind::Group, 1),
                    (Kind::Target, so_far(1)),
                    (Kind::Member, so_far(2)),
                ],
                elements: &[
                    ("strings", so_far(0)),
                    ("targets", so_far(1)),
                    ("members", so_far(2)),
                ],
            };
            let effort = marker.measure(bench, &requests, &expected)?;
            bench.record(figure, effort.ms(), &effort);
        }
        Ok(())
    }
}
