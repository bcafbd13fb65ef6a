//! What a schema demands of values beyond their type.

use std::fmt;

use ovsdb_proto::atom::Atom;
use ovsdb_proto::value::{Term, Value};

/// What a schema demands of each value of a column, or of each key or value of a map.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Check {
    /// Nothing.
    Any,
    /// An integer in these bounds, which are allowed.
    Integer {
        /// The smallest.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A real number in these bounds, which are allowed.
    Real {
        /// The smallest.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// A string of so many characters.
    Length {
        /// The fewest.
        min: u32,
        /// The most.
        max: u32,
    },
    /// One of these words.
    Words(&'static [&'static str]),
    /// One of these integers.
    Integers(&'static [i64]),
}

/// What is wrong with a value, by the schema.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A value is not what it must be.
    #[error("{} is not {expected}", .value.to_json())]
    Value {
        /// The value.
        value: Atom,
        /// What it must be.
        expected: Check,
    },
    /// There are too few or too many values.
    #[error("{count} values where there must be {min} to {max}")]
    Count {
        /// How many there are.
        count: usize,
        /// The fewest.
        min: u32,
        /// The most.
        max: u32,
    },
}

impl Check {
    /// An integer in these bounds.
    pub const fn integer(min: i64, max: i64) -> Check {
        Check::Integer { min, max }
    }

    /// A real number in these bounds.
    pub const fn real(min: f64, max: f64) -> Check {
        Check::Real { min, max }
    }

    /// A string of so many characters.
    pub const fn length(min: u32, max: u32) -> Check {
        Check::Length { min, max }
    }

    /// Whether the schema allows a value.
    pub fn allows(&self, atom: &Atom) -> bool {
        match (self, atom) {
            (Check::Any, _) => true,
            (Check::Integer { min, max }, Atom::Integer(value)) => (min..=max).contains(&value),
            (Check::Real { min, max }, Atom::Real(value)) => (min..=max).contains(&value),
            (Check::Length { min, max }, Atom::String(text)) => {
                let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
                (*min..=*max).contains(&length)
            }
            (Check::Words(words), Atom::String(text)) => words.contains(&text.as_str()),
            (Check::Integers(numbers), Atom::Integer(value)) => numbers.contains(value),
            _ => false,
        }
    }

    pub(super) fn check(&self, term: &Term) -> Result<(), Violation> {
        match term {
            Term::Atom(atom) if !self.allows(atom) => Err(Violation::Value {
                value: atom.clone(),
                expected: *self,
            }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Check::Any => f.write_str("anything"),
            Check::Integer { min, max } => write!(f, "an integer from {min} to {max}"),
            Check::Real { min, max } => write!(f, "a real number from {min} to {max}"),
            Check::Length { min, max } => write!(f, "a string of {min} to {max} characters"),
            Check::Words(words) => write!(f, "one of {}", words.join(", ")),
            Check::Integers(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
                write!(f, "one of {}", numbers.join(", "))
            }
        }
    }
}

/// What a schema demands of a column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    pub(super) key: Check,
    pub(super) value: Check,
    pub(super) min: u32,
    pub(super) max: u32,
}

impl Demand {
    pub(super) fn check(&self, value: &Value) -> Result<(), Violation> {
        let Demand { min, max, .. } = *self;
        let count = value.len();
        let number = u32::try_from(count).unwrap_or(u32::MAX);
        if !(min..=max).contains(&number) {
            return Err(Violation::Count { count, min, max });
        }
        for (key, value) in value.iter() {
            self.key.check(key)?;
            if let Some(value) = value {
                self.value.check(value)?;
            }
        }
        Ok(())
    }
}
