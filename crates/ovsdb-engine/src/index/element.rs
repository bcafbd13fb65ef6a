//! What an index that comes by use keeps of an element: a number of the same size for all, which says little about strings
//! and all there is to say about numbers.
//!
//! Equal elements have the same one. For integers and reals it also follows their order, so that rows below or above a value
//! are found side by side.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;
use ovsdb_proto::atom::Atom;
use ovsdb_proto::condition::{Clause, Function};

/// See the module's documentation. Two halves of a number, the higher one first: so it needs no padding beside a UUID.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Element(u32, u32);

impl Element {
    /// That there is no element: above all numbers, so that it is in no range.
    pub(crate) const NOTHING: Element = Element::new(u64::MAX);

    /// The highest of a number.
    const LAST: u64 = u64::MAX - 1;

    pub(super) const fn new(value: u64) -> Element {
        Element((value >> 32) as u32, value as u32)
    }

    /// The number.
    pub(super) const fn to_u64(self) -> u64 {
        (self.0 as u64) << 32 | self.1 as u64
    }

    /// What stands for an atom, or for a pair of a map. Part of no file and of no protocol.
    pub(crate) fn of(element: (&Atom, Option<&Atom>)) -> Element {
        Element::new(match element {
            (Atom::Integer(_) | Atom::Real(_), None) => in_order(element.0),
            _ => FixedState::default().hash_one(element),
        })
    }
}

const SIGN: u64 = 1 << 63;

/// A number that is not less for a greater atom, and as a rule greater. 0 for what is no number.
fn in_order(atom: &Atom) -> u64 {
    let value = match atom {
        Atom::Integer(value) => value.cast_unsigned() ^ SIGN,
        // Both zeros are one.
        Atom::Real(0.0) => SIGN,
        Atom::Real(value) if value.is_sign_negative() => !value.to_bits(),
        Atom::Real(value) => value.to_bits() | SIGN,
        _ => 0,
    };
    // The two greatest integers share one.
    value.min(Element::LAST)
}

/// Elements that follow one another: all from the first to the last, if that is not before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Range {
    pub(crate) first: Element,
    pub(crate) last: Element,
}

impl Range {
    /// Where the elements are of which a clause admits some; `None` if it is not about order.
    pub(crate) fn of(clause: &Clause) -> Option<Range> {
        if !matches!(
            clause.function,
            Function::Lt | Function::Le | Function::Gt | Function::Ge
        ) {
            return None;
        }
        let at = in_order(clause.arg.as_atom()?);
        // Below the greatest integer there is one that has the same element.
        let is_alone = at < Element::LAST;
        let (first, last) = match clause.function {
            Function::Lt if at == 0 => (1, 0),
            Function::Lt => (0, at - u64::from(is_alone)),
            Function::Le => (0, at),
            Function::Gt => (at + u64::from(is_alone), Element::LAST),
            _ => (at, Element::LAST),
        };
        Some(Range {
            first: Element::new(first),
            last: Element::new(last),
        })
    }

    /// The elements that are in both.
    pub(crate) fn and(self, other: Range) -> Range {
        Range {
            first: self.first.max(other.first),
            last: self.last.min(other.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use ovsdb_proto::datum::Datum;
    use ovsdb_proto::schema::ColumnId;

    use super::*;

    fn numbers() -> Vec<Vec<Atom>> {
        let integers = [
            i64::MIN,
            i64::MIN + 1,
            -(1 << 53) - 1,
            -2,
            -1,
            0,
            1,
            2,
            1 << 53,
            (1 << 53) + 1,
            i64::MAX - 2,
            i64::MAX - 1,
            i64::MAX,
        ];
        let reals = [
            f64::MIN,
            -1e300,
            -1.5,
            -f64::MIN_POSITIVE,
            -5e-324,
            -0.0,
            0.0,
            5e-324,
            1.0,
            1.0 + f64::EPSILON,
            1e300,
            f64::MAX,
        ];
        vec![
            integers.into_iter().map(Atom::Integer).collect(),
            reals.into_iter().map(Atom::Real).collect(),
        ]
    }

    #[test]
    fn elements_of_numbers_follow_their_order() {
        for numbers in numbers() {
            for (a, b) in numbers.iter().zip(&numbers[1..]) {
                let (of_a, of_b) = (Element::of((a, None)), Element::of((b, None)));
                assert!(of_a <= of_b && of_b < Element::NOTHING, "{a:?} {b:?}");
                let is_one = a == b || *b == Atom::Integer(i64::MAX);
                assert_eq!(of_a == of_b, is_one, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_range_has_what_its_clause_admits_and_hardly_more() {
        let functions = [Function::Lt, Function::Le, Function::Gt, Function::Ge];
        for numbers in numbers() {
            for (function, arg) in functions
                .iter()
                .flat_map(|function| numbers.iter().map(move |arg| (*function, arg)))
            {
                let clause = Clause {
                    function,
                    column: ColumnId::UUID,
                    arg: Datum::from_atom(arg.clone()),
                };
                let range = Range::of(&clause).expect("it is about order");
                for value in &numbers {
                    let element = Element::of((value, None));
                    let is_in = range.first <= element && element <= range.last;
                    let admits = clause.admits(&Datum::from_atom(value.clone()));
                    let great =
                        |atom: &Atom| matches!(atom, Atom::Integer(n) if *n >= i64::MAX - 1);
                    let may_differ = great(value) && great(arg);
                    assert!(
                        is_in == admits || is_in && may_differ,
                        "{clause:?} {value:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn ranges_are_joined() {
        let clause = |function, n| Clause {
            function,
            column: ColumnId::UUID,
            arg: Datum::from_atom(Atom::Integer(n)),
        };
        let from_3 = Range::of(&clause(Function::Ge, 3)).unwrap();
        let to_5 = Range::of(&clause(Function::Le, 5)).unwrap();
        let both = from_3.and(to_5);
        assert_eq!(both, to_5.and(from_3));
        let has = |n| {
            let element = Element::of((&Atom::Integer(n), None));
            both.first <= element && element <= both.last
        };
        let found: Vec<i64> = (0..9).filter(|n| has(*n)).collect();
        assert_eq!(found, [3, 4, 5]);
        assert_eq!(Range::of(&clause(Function::Eq, 3)), None);
    }
}
