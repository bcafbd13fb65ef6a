//! Generated values: atoms, sets and maps, near the limits of their types and near what the databases hold.

use std::collections::HashSet;

use super::contents::Contents;
use super::dice::Dice;
use super::model::{Base, Column, Kind, Model};
use super::pairing::Pairing;
use crate::raw::Raw;

/// One transaction being generated.
#[derive(Debug)]
pub struct Draft<'a> {
    /// Where choices come from.
    pub dice: &'a mut Dice,
    /// The schema.
    pub model: &'a Model,
    /// What the databases hold.
    pub contents: &'a Contents,
    /// The UUIDs known.
    pub pairing: &'a mut Pairing,
    /// Table and `uuid-name` of the rows that the transaction inserts.
    pub names: Vec<(String, String)>,
    /// The operations so far.
    pub operations: Vec<Raw>,
    /// About how many elements sets and maps have at most. Beyond a few, their elements come from wide ranges.
    pub bulk: usize,
}

/// Elements at most where nothing else is said.
pub const FEW: usize = 3;

const INTEGERS: [i64; 13] = [
    0,
    1,
    2,
    3,
    5,
    10,
    -1,
    -2,
    100,
    4_294_967_296,
    i64::MAX,
    i64::MIN,
    i64::MAX - 1,
];
/// Whole numbers in other notations.
const INTEGER_TOKENS: [&str; 6] = ["1.0", "1e2", "-0", "0.0", "10e-1", "5.00E0"];
const REALS: [&str; 16] = [
    "0",
    "-0.0",
    "1",
    "3",
    "1.5",
    "-2.5",
    "0.1",
    "123456789.125",
    "999999999999999",
    "1e15",
    "1e16",
    "1e300",
    "1e-100",
    "1e-200",
    "1e308",
    "-1e-7",
];
/// Real numbers that are printed with other digits than the reference's.
const LONG_REALS: [&str; 5] = [
    "0.30000000000000004",
    "0.000123456789012345678",
    "123456789012345678",
    "9223372036854775807",
    "9223372036854775808",
];
/// Strings as tokens, so that escapes are sent as they stand here.
const STRINGS: [&str; 22] = [
    r#""""#,
    r#""a""#,
    r#""b""#,
    r#""c""#,
    r#""ab""#,
    r#""abc""#,
    r#""longer than most""#,
    r#""\u0061""#,
    r#""é""#,
    r#""日本語""#,
    r#""😀""#,
    r#""\ud83d\ude00""#,
    r#""\"\\\/\b\f\n\r\t""#,
    r#""\u0001\u001f\u007f""#,
    r#""\u0080\u07ff\u0800\uffff""#,
    r#""</script>""#,
    r#""a b""#,
    r#""1""#,
    r#""true""#,
    r#""00000000-0000-0000-0000-000000000000""#,
    r#""0123456789012345678901234567890123456789012345678901234567890123456789""#,
    r#""\u00e9""#,
];

impl Draft<'_> {
    /// A value for a column, mostly a valid one.
    pub fn datum(&mut self, column: &Column) -> Raw {
        let size = self.size(column);
        self.datum_of(column, size)
    }

    /// A value of `size` elements, of which a few may turn out equal and fall away.
    pub fn datum_of(&mut self, column: &Column, size: usize) -> Raw {
        let mut keys: Vec<Raw> = Vec::new();
        let mut known = HashSet::new();
        for _ in 0..size {
            let key = self.atom(&column.key);
            // Equal elements are an error; seldom, they are left in.
            if known.insert(key.to_string()) || (size <= FEW && self.dice.chance(1)) {
                keys.push(key);
            }
        }
        let Some(value) = &column.value else {
            return if keys.len() == 1 && self.dice.chance(60) {
                keys.swap_remove(0)
            } else {
                Raw::set(keys)
            };
        };
        let pairs = keys.into_iter().map(|key| {
            let value = self.atom(value);
            Raw::Array(vec![key, value])
        });
        Raw::tagged("map", Raw::Array(pairs.collect()))
    }

    fn size(&mut self, column: &Column) -> usize {
        if self.dice.chance(2) {
            return self.dice.below(6);
        }
        let high = column.max.unwrap_or(usize::MAX).min(column.min + self.bulk);
        column.min + self.dice.below(high - column.min + 1)
    }

    /// An atom, mostly a valid one.
    pub fn atom(&mut self, base: &Base) -> Raw {
        if !base.choices.is_empty() && !self.dice.chance(3) {
            return Raw::Token(self.dice.pick(&base.choices).clone());
        }
        let loose = self.dice.chance(3);
        match base.kind {
            Kind::Integer => self.integer(base, loose),
            Kind::Real => self.real(base, loose),
            Kind::Boolean => Raw::boolean(self.dice.chance(50)),
            Kind::String => self.text(base, loose),
            Kind::Uuid => self.reference(base.target.as_deref()),
        }
    }

    fn integer(&mut self, base: &Base, loose: bool) -> Raw {
        if self.bulk > FEW {
            return Raw::integer(self.wide());
        }
        if loose {
            return Raw::Token((*self.dice.pick(&INTEGER_TOKENS)).to_owned());
        }
        let (Some(low), Some(high)) = (base.low, base.high) else {
            let low = base.low.unwrap_or(f64::NEG_INFINITY);
            let fitting: Vec<i64> = INTEGERS
                .into_iter()
                .filter(|number| *number as f64 >= low)
                .collect();
            return Raw::integer(*self.dice.pick(&fitting));
        };
        let (low, high) = (low as i64, high as i64);
        let number = match self.dice.below(10) {
            0 => low,
            1 => high,
            2 if low > i64::MIN && self.dice.chance(20) => low - 1,
            3 if high < i64::MAX && self.dice.chance(20) => high + 1,
            // Small ranges collide, which is what unique indexes need.
            _ => self.dice.between(low, high.min(low.saturating_add(12))),
        };
        Raw::integer(number)
    }

    /// A number from a range in which big sets overlap.
    fn wide(&mut self) -> i64 {
        let most = i64::try_from(2 * self.bulk).expect("sets are small for a computer");
        self.dice.between(0, most)
    }

    fn real(&mut self, base: &Base, loose: bool) -> Raw {
        let fits = |token: &&str| {
            let number: f64 = token.parse().unwrap_or(0.0);
            number >= base.low.unwrap_or(f64::NEG_INFINITY)
                && number <= base.high.unwrap_or(f64::INFINITY)
        };
        let pool = if self.dice.chance(2) {
            &LONG_REALS[..]
        } else {
            &REALS[..]
        };
        let fitting: Vec<&str> = pool
            .iter()
            .copied()
            .filter(|token| loose || fits(token))
            .collect();
        let token = self.dice.maybe_pick(&fitting).copied();
        Raw::Token(token.unwrap_or("0.5").to_owned())
    }

    fn text(&mut self, base: &Base, loose: bool) -> Raw {
        if self.bulk > FEW {
            return Raw::string(&format!("s{}", self.wide()));
        }
        let fits = |token: &&str| {
            let length = token.len().saturating_sub(2) as f64;
            length >= base.low.unwrap_or(0.0) && length <= base.high.unwrap_or(f64::INFINITY)
        };
        let fitting: Vec<&str> = STRINGS
            .iter()
            .copied()
            .filter(|token| loose || fits(token))
            .collect();
        let token = self.dice.maybe_pick(&fitting).copied();
        Raw::Token(token.unwrap_or(STRINGS[6]).to_owned())
    }

    /// A UUID: of a live row of `table`, of one inserted in this transaction, or of none.
    pub fn reference(&mut self, table: Option<&str>) -> Raw {
        let Some(table) = table else {
            let dice = self.dice.below(4);
            return match dice {
                0 => Raw::uuid(0),
                1 => self.any_row().map_or(Raw::uuid(0), Raw::uuid),
                2 => self.any_name().unwrap_or(Raw::uuid(0)),
                _ => self.fresh_uuid(),
            };
        };
        let rows = self.contents.rows(table);
        let names: Vec<&String> = self
            .names
            .iter()
            .filter(|(owner, _)| owner == table)
            .map(|(_, name)| name)
            .collect();
        match self.dice.below(100) {
            0..30 if !names.is_empty() => {
                Raw::tagged("named-uuid", Raw::string(self.dice.pick::<&String>(&names)))
            }
            98 => Raw::uuid(0),
            99 => self.fresh_uuid(),
            96 => Raw::tagged("named-uuid", Raw::string("nowhere")),
            _ if !rows.is_empty() => Raw::uuid(self.dice.pick(rows).number()),
            _ if !names.is_empty() => {
                Raw::tagged("named-uuid", Raw::string(self.dice.pick::<&String>(&names)))
            }
            _ => Raw::uuid(0),
        }
    }

    fn any_name(&mut self) -> Option<Raw> {
        let (_, name) = self.dice.maybe_pick(&self.names)?;
        Some(Raw::tagged("named-uuid", Raw::string(name)))
    }

    /// The number of some row of some table.
    pub fn any_row(&mut self) -> Option<u32> {
        let table = self.dice.pick(&self.model.tables);
        let row = self.dice.maybe_pick(self.contents.rows(&table.name))?;
        Some(row.number())
    }

    /// A UUID that no row has.
    pub fn fresh_uuid(&mut self) -> Raw {
        let uuid = self.dice.uuid();
        Raw::uuid(self.pairing.literal(&uuid))
    }
}
