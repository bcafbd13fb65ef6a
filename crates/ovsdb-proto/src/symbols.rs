//! Named UUIDs of one transaction (RFC 7047, sections 5.1 and 5.2.1).
//!
//! A name may be used before the `insert` that carries it; whoever comes first settles its UUID. The UUIDs themselves
//! come from the caller, for nothing here is random.

use ecow::EcoString;
use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::uuid::Uuid;

#[derive(Clone, Copy, Debug)]
struct Symbol {
    uuid: Uuid,
    created: bool,
}

/// The names that one transaction has given to rows.
pub struct Symbols<'a> {
    fresh: Option<Fresh<'a>>,
    names: HashMap<EcoString, Symbol, RandomState>,
}

/// Where UUIDs come from.
struct Fresh<'a> {
    source: &'a mut dyn FnMut() -> Uuid,
    /// One that was not needed after all.
    spare: Option<Uuid>,
}

impl Fresh<'_> {
    fn next(&mut self) -> Uuid {
        self.spare.take().unwrap_or_else(&mut *self.source)
    }
}

/// The name already belongs to an earlier `insert`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name belongs to an earlier insert")]
pub struct NameTaken;

impl<'a> Symbols<'a> {
    /// No names yet; `fresh` is asked for a UUID for each new one.
    pub fn new(fresh: &'a mut dyn FnMut() -> Uuid) -> Symbols<'a> {
        Symbols {
            fresh: Some(Fresh {
                source: fresh,
                spare: None,
            }),
            names: HashMap::default(),
        }
    }

    /// For places where named UUIDs are not allowed.
    pub fn none() -> Symbols<'static> {
        Symbols {
            fresh: None,
            names: HashMap::default(),
        }
    }

    /// True if named UUIDs are allowed.
    pub fn are_allowed(&self) -> bool {
        self.fresh.is_some()
    }

    /// A UUID that no one has seen before; `None` where named UUIDs are not allowed.
    pub fn fresh(&mut self) -> Option<Uuid> {
        self.fresh.as_mut().map(Fresh::next)
    }

    /// Takes back what [`Symbols::fresh`] gave last, if nobody has got another one since.
    pub(crate) fn take_back(&mut self, uuid: Uuid) {
        if let Some(fresh) = &mut self.fresh {
            fresh.spare = Some(uuid);
        }
    }

    /// How many names there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The UUID that `name` stands for, settled now if it was not yet; `None` where named UUIDs are not allowed.
    pub fn resolve(&mut self, name: &str) -> Option<Uuid> {
        let fresh = self.fresh.as_mut()?;
        let symbol = self.names.entry_ref(name).or_insert_with(|| Symbol {
            uuid: fresh.next(),
            created: false,
        });
        Some(symbol.uuid)
    }

    /// Gives `name` to the row that an `insert` is about to make, and returns that row's UUID: `uuid` if there is one,
    /// or else the one that `name` stands for.
    ///
    /// Where `name` was used before, references made until now keep the UUID that they were given.
    ///
    /// # Errors
    /// [`NameTaken`] if an earlier `insert` has the name.
    pub fn create(&mut self, name: &str, uuid: Option<Uuid>) -> Result<Uuid, NameTaken> {
        let fresh = &mut self.fresh;
        let symbol = self.names.entry_ref(name).or_insert_with(|| Symbol {
            uuid: uuid
                .or_else(|| fresh.as_mut().map(Fresh::next))
                .unwrap_or(Uuid::ZERO),
            created: false,
        });
        if symbol.created {
            return Err(NameTaken);
        }
        symbol.created = true;
        if let Some(uuid) = uuid {
            symbol.uuid = uuid;
        }
        Ok(symbol.uuid)
    }

    /// The names in use, with their UUIDs and whether an `insert` has them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Uuid, bool)> {
        self.names
            .iter()
            .map(|(name, symbol)| (name.as_str(), symbol.uuid, symbol.created))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter() -> impl FnMut() -> Uuid {
        let mut n = 0u128;
        move || {
            n += 1;
            Uuid::from_bytes(n.to_be_bytes())
        }
    }

    fn uuid(n: u128) -> Uuid {
        Uuid::from_bytes(n.to_be_bytes())
    }

    #[test]
    fn a_name_used_before_its_insert_is_the_inserted_row() {
        let mut fresh = counter();
        let mut symbols = Symbols::new(&mut fresh);
        assert_eq!(symbols.resolve("a"), Some(uuid(1)));
        assert_eq!(symbols.resolve("b"), Some(uuid(2)));
        assert_eq!(symbols.create("a", None), Ok(uuid(1)));
        assert_eq!(symbols.resolve("a"), Some(uuid(1)));
        assert_eq!(symbols.create("a", None), Err(NameTaken));
        assert_eq!(symbols.create("c", None), Ok(uuid(3)));
    }

    #[test]
    fn an_explicit_uuid_takes_the_name_over() {
        let mut fresh = counter();
        let mut symbols = Symbols::new(&mut fresh);
        assert_eq!(symbols.resolve("a"), Some(uuid(1)));
        assert_eq!(symbols.create("a", Some(uuid(99))), Ok(uuid(99)));
        assert_eq!(symbols.resolve("a"), Some(uuid(99)));
        assert_eq!(symbols.create("b", Some(uuid(7))), Ok(uuid(7)));
        assert_eq!(symbols.resolve("b"), Some(uuid(7)));
    }

    #[test]
    fn no_names_are_known_where_none_are_allowed() {
        assert_eq!(Symbols::none().resolve("a"), None);
    }
}
