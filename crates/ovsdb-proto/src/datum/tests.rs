//! Datums against naive sets and maps, on both sides of the border between small and big.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::*;
use crate::atom::AtomType;
use crate::json::Json;
use crate::symbols::Symbols;
use crate::types::{BaseType, UNLIMITED};
use crate::work;

type Set = BTreeSet<i64>;
type Map = BTreeMap<i64, i64>;

fn set_type() -> ColumnType {
    ColumnType {
        key: BaseType::new(AtomType::Integer),
        value: None,
        min: 0,
        max: UNLIMITED,
    }
}

fn map_type() -> ColumnType {
    ColumnType {
        value: Some(BaseType::new(AtomType::Integer)),
        ..set_type()
    }
}

fn set_datum(set: &Set) -> Datum {
    Datum::from_atoms(set.iter().copied().map(Atom::Integer))
}

fn map_datum(map: &Map) -> Datum {
    Datum::from_pairs(
        map.iter()
            .map(|(&key, &value)| (Atom::Integer(key), Atom::Integer(value))),
    )
}

fn integers(datum: &Datum) -> Vec<i64> {
    datum.keys().map(|key| key.as_integer().unwrap()).collect()
}

/// A datum that has its elements from insertions one by one, so that its tree is not that of a fresh one.
fn grown(elements: impl IntoIterator<Item = (i64, Option<i64>)>) -> Datum {
    let mut datum = Datum::empty();
    for (key, value) in elements {
        datum.insert(Atom::Integer(key), value.map(Atom::Integer));
    }
    datum
}

#[track_caller]
fn check_set(datum: &Datum, expected: &Set) {
    assert_eq!(
        integers(datum),
        expected.iter().copied().collect::<Vec<_>>()
    );
    check_form(datum, &set_datum(expected));
}

#[track_caller]
fn check_map(datum: &Datum, expected: &Map) {
    let pairs: Vec<(i64, i64)> = datum
        .iter()
        .map(|(key, value)| {
            (
                key.as_integer().unwrap(),
                value.unwrap().as_integer().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        pairs,
        expected
            .iter()
            .map(|(&key, &value)| (key, value))
            .collect::<Vec<_>>()
    );
    check_form(datum, &map_datum(expected));
}

/// Checks what must hold of two datums with the same elements, whatever their trees.
#[track_caller]
fn check_form(datum: &Datum, same: &Datum) {
    assert_eq!(datum, same);
    assert_eq!(datum.cmp(same), Ordering::Equal);
    let hasher = RandomState::new();
    assert_eq!(hasher.hash_one(datum), hasher.hash_one(same));
    assert_eq!(datum.len(), same.len());
    assert_eq!(datum.iter().count(), datum.len());
    assert_eq!(datum.is_empty(), same.iter().next().is_none());
    assert_eq!(
        datum.as_atom().is_some(),
        !datum.is_map() && datum.len() == 1
    );
    match &datum.0 {
        Repr::Empty | Repr::One(_) => {}
        Repr::Set(atoms) => {
            assert!(atoms.len() > 1);
            atoms.check();
        }
        Repr::Map(pairs) => pairs.check(),
    }
}

/// Sets of which some are empty, some small, and some big.
fn a_set() -> impl Strategy<Value = Set> {
    prop_oneof![
        btree_set(0..20i64, 0..5),
        btree_set(0..500i64, 0..200),
        btree_set(0..2000i64, 200..900)
    ]
}

fn a_map() -> impl Strategy<Value = Map> {
    prop_oneof![
        btree_map(0..20i64, 0..3i64, 0..5),
        btree_map(0..500i64, 0..3i64, 0..200),
        btree_map(0..2000i64, 0..3i64, 200..900)
    ]
}

/// A set and a version of it with a few changes.
fn two_sets() -> impl Strategy<Value = (Set, Set)> {
    let near = (a_set(), btree_set(0..2000i64, 0..8)).prop_map(|(set, changes)| {
        let other = set.symmetric_difference(&changes).copied().collect();
        (set, other)
    });
    prop_oneof![near, (a_set(), a_set())]
}

fn two_maps() -> impl Strategy<Value = (Map, Map)> {
    let near = (a_map(), btree_map(0..2000i64, 0..3i64, 0..8)).prop_map(|(map, changes)| {
        let mut other = map.clone();
        for (key, value) in changes {
            if other.insert(key, value) == Some(value) {
                other.remove(&key);
            }
        }
        (map, other)
    });
    prop_oneof![near, (a_map(), a_map())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn insertions_and_removals_do_what_they_do_to_a_set(
        start in a_set(),
        steps in vec((any::<bool>(), 0..700i64), 0..900),
    ) {
        let mut model = start.clone();
        let mut datum = set_datum(&start);
        let before = datum.clone();
        for (insert, key) in steps {
            let changed = if insert { model.insert(key) } else { model.remove(&key) };
            let atom = Atom::Integer(key);
            prop_assert_eq!(if insert { datum.insert(atom, None) } else { datum.remove(&atom) }, changed);
        }
        check_set(&datum, &model);
        check_set(&before, &start);
    }

    #[test]
    fn insertions_and_removals_do_what_they_do_to_a_map(
        start in a_map(),
        steps in vec((0..3u8, 0..700i64, 0..3i64), 0..900),
    ) {
        let mut model = start.clone();
        let mut datum = map_datum(&start);
        let before = datum.clone();
        for (action, key, value) in steps {
            let (atom, new) = (Atom::Integer(key), Atom::Integer(value));
            match action {
                0 => {
                    let is_new = !model.contains_key(&key);
                    model.entry(key).or_insert(value);
                    prop_assert_eq!(datum.insert(atom, Some(new)), is_new);
                }
                1 => prop_assert_eq!(datum.set(atom, new), model.insert(key, value) != Some(value)),
                _ => prop_assert_eq!(datum.remove(&atom), model.remove(&key).is_some()),
            }
        }
        check_map(&datum, &model);
        check_map(&before, &start);
    }

    #[test]
    fn set_algebra_agrees_with_sets((a, b) in two_sets()) {
        let (x, y) = (set_datum(&a), grown(b.iter().map(|&key| (key, None))));
        check_set(&y, &b);

        let mut sum = x.clone();
        prop_assert_eq!(sum.union_from(&y, false), !b.is_subset(&a));
        check_set(&sum, &a.union(&b).copied().collect());

        let mut rest = x.clone();
        prop_assert_eq!(rest.subtract(&y), !a.is_disjoint(&b));
        check_set(&rest, &a.difference(&b).copied().collect());

        let mut even = x.clone();
        even.retain(|key, _| key.as_integer().unwrap() % 2 == 0);
        check_set(&even, &a.iter().copied().filter(|key| key % 2 == 0).collect());

        prop_assert_eq!(x.includes_all(&y), a.is_subset(&b));
        prop_assert_eq!(x.excludes_all(&y), a.is_disjoint(&b));
        prop_assert_eq!(x == y, a == b);
        let naive = |set: &Set| (set.len(), set.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(x.cmp(&y), naive(&a).cmp(&naive(&b)));
        check_set(&x, &a);
    }

    #[test]
    fn map_algebra_agrees_with_maps((a, b) in two_maps()) {
        let (x, y) = (map_datum(&a), grown(b.iter().map(|(&key, &value)| (key, Some(value)))));
        check_map(&y, &b);

        let mut kept = b.clone();
        kept.extend(&a);
        let mut sum = x.clone();
        prop_assert_eq!(sum.union_from(&y, false), kept != a);
        check_map(&sum, &kept);

        let mut replaced = a.clone();
        replaced.extend(&b);
        let mut sum = x.clone();
        prop_assert_eq!(sum.union_from(&y, true), replaced != a);
        check_map(&sum, &replaced);

        let mut rest = x.clone();
        rest.subtract(&y);
        check_map(&rest, &a.iter().filter(|(key, value)| b.get(key) != Some(value)).map(|(&k, &v)| (k, v)).collect());

        let mut rest = x.clone();
        rest.subtract(&Datum::from_atoms(b.keys().copied().map(Atom::Integer)));
        check_map(&rest, &a.iter().filter(|(key, _)| !b.contains_key(key)).map(|(&k, &v)| (k, v)).collect());

        prop_assert_eq!(x.includes_all(&y), a.iter().all(|(key, value)| b.get(key) == Some(value)));
        prop_assert_eq!(x.excludes_all(&y), !a.iter().any(|(key, value)| b.get(key) == Some(value)));
        prop_assert_eq!(x == y, a == b);
        let naive = |map: &Map| {
            (map.len(), map.keys().copied().collect::<Vec<_>>(), map.values().copied().collect::<Vec<_>>())
        };
        prop_assert_eq!(x.cmp(&y), naive(&a).cmp(&naive(&b)));
    }

    #[test]
    fn difference_of_two_sets_leads_from_each_to_the_other((a, b) in two_sets()) {
        // `near` shares nodes with `x`, `far` shares none.
        let x = set_datum(&a);
        let mut near = x.clone();
        near.subtract(&set_datum(&a.difference(&b).copied().collect()));
        near.union_from(&set_datum(&b.difference(&a).copied().collect()), false);
        let far = set_datum(&b);
        let ty = set_type();
        for y in [&near, &far] {
            let diff = Datum::diff(&x, y, &ty);
            check_set(&diff, &a.symmetric_difference(&b).copied().collect());
            check_set(&x.apply_diff(&diff, &ty).unwrap(), &b);
            check_set(&y.apply_diff(&diff, &ty).unwrap(), &a);
            let (added, removed) = Datum::added_removed(&x, y);
            check_set(&added, &b.difference(&a).copied().collect());
            check_set(&removed, &a.difference(&b).copied().collect());
        }
    }

    #[test]
    fn difference_of_two_maps_leads_from_the_old_to_the_new((a, b) in two_maps()) {
        let x = map_datum(&a);
        let mut near = x.clone();
        near.retain(|key, _| b.contains_key(&key.as_integer().unwrap()));
        near.union_from(&map_datum(&b), true);
        let ty = map_type();
        for y in [&near, &map_datum(&b)] {
            let diff = Datum::diff(&x, y, &ty);
            let mut expected: Map =
                a.iter().filter(|(key, _)| !b.contains_key(key)).map(|(&key, &value)| (key, value)).collect();
            expected.extend(b.iter().filter(|(key, value)| a.get(key) != Some(value)));
            check_map(&diff, &expected);
            check_map(&x.apply_diff(&diff, &ty).unwrap(), &b);
            let (added, removed) = Datum::added_removed(&x, y);
            check_map(&added, &b.iter().filter(|(k, v)| a.get(k) != Some(v)).map(|(&k, &v)| (k, v)).collect());
            check_map(&removed, &a.iter().filter(|(k, v)| b.get(k) != Some(v)).map(|(&k, &v)| (k, v)).collect());
        }
    }

    #[test]
    fn json_round_trips(set in a_set(), map in a_map()) {
        for (datum, ty) in [(set_datum(&set), set_type()), (map_datum(&map), map_type())] {
            let json = datum.to_json(&ty);
            let mut text = Vec::new();
            datum.write_json(&ty, &mut text);
            prop_assert_eq!(String::from_utf8(text).unwrap(), json.to_string());
            prop_assert_eq!(Datum::from_json(&json, &ty, &mut Symbols::none()).unwrap(), datum);
        }
    }

    #[test]
    fn the_order_of_elements_in_json_does_not_matter(elements in btree_set(0..3000i64, 0..600).prop_map(Vec::from_iter).prop_shuffle()) {
        let json = Json::array([Json::from("set"), Json::array(elements.iter().copied())]);
        let datum = Datum::from_json(&json, &set_type(), &mut Symbols::none()).unwrap();
        check_set(&datum, &elements.into_iter().collect());
    }
}

#[test]
fn a_big_set_keeps_its_form_whatever_the_order_in_which_elements_come_and_go() {
    const LEN: i64 = 5_000;
    let orders: [fn(i64) -> i64; 4] = [
        |at| at,
        |at| LEN - 1 - at,
        // Every number once, since 1,999 and 5,000 have no common divisor.
        |at| at * 1_999 % LEN,
        |at| if at % 2 == 0 { at } else { LEN - at },
    ];
    for grow in orders {
        for shrink in orders {
            let mut datum = Datum::empty();
            let mut model = Set::new();
            for step in 0..2 * LEN {
                let key = if step < LEN {
                    grow(step)
                } else {
                    shrink(step - LEN)
                };
                let atom = Atom::Integer(key);
                if step < LEN {
                    assert!(datum.insert(atom, None));
                    model.insert(key);
                } else {
                    assert!(datum.remove(&atom));
                    model.remove(&key);
                }
                if step % 499 == 0 {
                    check_set(&datum, &model);
                }
            }
            check_set(&datum, &model);
        }
    }
}

/// More than what changing one element, or finding the change, may cost in elements and nodes: some slices' and
/// branches' worth.
const WORK_MAX: u64 = 8 * seq::LEAF_MAX as u64;

#[test]
fn changing_one_element_and_finding_the_change_costs_no_more_in_a_big_set() {
    type Change = fn(&mut Datum) -> bool;
    let changes: [Change; 4] = [
        |new| new.insert(Atom::Integer(21), None),
        |new| new.remove(&Atom::Integer(20)),
        |new| new.union_from(&Datum::from_atom(Atom::Integer(5)), false),
        |new| new.subtract(&Datum::from_atom(Atom::Integer(38))),
    ];
    for len in [20, 20_000, 200_000] {
        let built = Datum::from_atoms((0..len).map(|i| Atom::Integer(2 * i)));
        let numbers = (0..len).map(|at| at * 7_919 % len);
        let grown = grown(numbers.map(|number| (2 * number, None)));
        for (old, change) in [built, grown]
            .iter()
            .flat_map(|old| changes.map(|change| (old, change)))
        {
            let mut new = old.clone();
            let ty = set_type();
            let (changing, ()) = work::of(|| assert!(change(&mut new)));
            let (telling, diff) = work::of(|| Datum::diff(old, &new, &ty));
            let (counting, (added, removed)) = work::of(|| Datum::added_removed(old, &new));
            let (applying, again) = work::of(|| old.apply_diff(&diff, &ty).unwrap());
            let (comparing, ()) = work::of(|| assert_ne!(old, &new));
            let (weighing, _) = work::of(|| old.bytes_beside(&new));
            assert_eq!(diff.len(), 1);
            assert_eq!(added.len() + removed.len(), 1);
            assert_eq!(again, new);
            let costs = [changing, telling, counting, applying, comparing, weighing];
            assert!(
                costs.iter().all(|cost| *cost < WORK_MAX),
                "{len}: {costs:?}"
            );
            assert!(changing > 0 && telling > 0, "{len}: {costs:?}");
        }
    }
}

#[test]
fn clones_share_everything() {
    let big = Datum::from_atoms((0..1000).map(Atom::Integer));
    let small = Datum::from_atoms((0..3).map(Atom::Integer));
    let map = Datum::from_pair(Atom::from("a"), Atom::from("b"));
    for datum in [big, small, map, Datum::empty()] {
        assert!(datum.clone().is_shared_with(&datum));
    }
    assert_eq!(size_of::<Datum>(), size_of::<Atom>());
}

#[test]
fn a_column_of_at_most_one_element_differs_by_its_new_value() {
    let ty = ColumnType {
        max: 1,
        ..set_type()
    };
    let (one, two) = (
        Datum::from_atom(Atom::Integer(1)),
        Datum::from_atom(Atom::Integer(2)),
    );
    for (old, new) in [
        (&one, &two),
        (&one, &Datum::empty()),
        (&Datum::empty(), &two),
        (&one, &one),
    ] {
        let diff = Datum::diff(old, new, &ty);
        assert_eq!(&diff, new);
        assert_eq!(&old.apply_diff(&diff, &ty).unwrap(), new);
    }
}

#[test]
fn a_difference_that_breaks_the_number_of_elements_is_refused() {
    let ty = ColumnType {
        min: 1,
        max: 2,
        ..set_type()
    };
    let datum = Datum::from_atoms([1, 2].map(Atom::Integer));
    for (diff, is_allowed) in [
        (vec![1], true),
        (vec![1, 2], false),
        (vec![3], false),
        (vec![1, 3], true),
    ] {
        let diff = Datum::from_atoms(diff.into_iter().map(Atom::Integer));
        let result = datum.apply_diff(&diff, &ty);
        assert_eq!(result.is_ok(), is_allowed, "{diff:?}");
        if let Err(error) = result {
            assert_eq!(
                error.to_string(),
                "ovsdb error: Datum crated by diff has size error"
            );
        }
    }
}

#[test]
fn a_column_of_at_most_one_element_is_not_given_two() {
    let ty = ColumnType {
        max: 1,
        ..set_type()
    };
    let two = Datum::from_atoms([1, 2].map(Atom::Integer));
    assert!(Datum::empty().apply_diff(&two, &ty).is_err());
}

#[test]
fn of_pairs_with_one_key_the_smallest_value_stays() {
    let pairs = [(1, 5), (0, 9), (1, 3), (1, 4)];
    let datum =
        Datum::from_pairs(pairs.map(|(key, value)| (Atom::Integer(key), Atom::Integer(value))));
    check_map(&datum, &Map::from([(0, 9), (1, 3)]));
}
