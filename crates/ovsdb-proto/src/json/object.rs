//! The members of a JSON object: a vector sorted by name.

use ecow::EcoString;

use super::Json;

/// The members of a JSON object, sorted by the bytes of their names, each name once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    members: Vec<(EcoString, Json)>,
}

impl Object {
    /// An object without members.
    pub const fn new() -> Object {
        Object {
            members: Vec::new(),
        }
    }

    /// An object without members, with room for `n`.
    pub fn with_capacity(n: usize) -> Object {
        Object {
            members: Vec::with_capacity(n),
        }
    }

    /// An object of `members` in any order. The last of several with one name counts.
    pub(crate) fn from_members(mut members: Vec<(EcoString, Json)>) -> Object {
        if !members.is_sorted_by(|a, b| a.0 < b.0) {
            // The sort is stable, so the last of equal names is the one that came last.
            members.sort_by(|a, b| a.0.cmp(&b.0));
            members.dedup_by(|later, earlier| {
                let same = later.0 == earlier.0;
                if same {
                    std::mem::swap(later, earlier);
                }
                same
            });
        }
        Object { members }
    }

    fn search(&self, name: &str) -> Result<usize, usize> {
        // Most objects of the protocol have a handful of members.
        self.members
            .binary_search_by(|(member, _)| member.as_str().cmp(name))
    }

    /// The value of member `name`.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.search(name).ok().map(|i| &self.members[i].1)
    }

    /// The value of member `name`, to change.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        self.search(name).ok().map(|i| &mut self.members[i].1)
    }

    /// Whether there is a member `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.search(name).is_ok()
    }

    /// Sets member `name`, and returns its former value.
    pub fn insert(&mut self, name: impl Into<EcoString>, value: impl Into<Json>) -> Option<Json> {
        let (name, value) = (name.into(), value.into());
        match self.search(&name) {
            Ok(i) => Some(std::mem::replace(&mut self.members[i].1, value)),
            Err(i) => {
                self.members.insert(i, (name, value));
                None
            }
        }
    }

    /// Takes member `name` out.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        self.search(name).ok().map(|i| self.members.remove(i).1)
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members in the order of their names.
    pub fn iter(&self) -> Iter<'_> {
        self.members.iter().map(|(name, value)| (name, value))
    }

    /// The names in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &EcoString> {
        self.members.iter().map(|(name, _)| name)
    }

    /// The values in the order of their names.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Json> {
        self.members.iter().map(|(_, value)| value)
    }
}

/// The members of a borrowed [`Object`].
pub type Iter<'a> = std::iter::Map<
    std::slice::Iter<'a, (EcoString, Json)>,
    fn(&'a (EcoString, Json)) -> (&'a EcoString, &'a Json),
>;

impl<'a> IntoIterator for &'a Object {
    type Item = (&'a EcoString, &'a Json);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl IntoIterator for Object {
    type Item = (EcoString, Json);
    type IntoIter = std::vec::IntoIter<(EcoString, Json)>;

    fn into_iter(self) -> Self::IntoIter {
        self.members.into_iter()
    }
}

impl<N: Into<EcoString>, V: Into<Json>> FromIterator<(N, V)> for Object {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(members: T) -> Object {
        Object::from_members(
            members
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}
