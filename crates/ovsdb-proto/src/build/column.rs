//! Clauses of conditions and mutations (RFC 7047, section 5.1), made from a column's name.
//!
//! Whether a function or mutator goes with the column's type, only a schema can tell.

use ecow::EcoString;

use crate::condition::Function;
use crate::mutation::Mutator;
use crate::value::{Term, Value};

/// A column, of which clauses and mutations are made.
#[derive(Clone, Debug)]
pub struct Column {
    name: EcoString,
}

/// A `<clause>`.
#[derive(Clone, Debug, PartialEq)]
pub enum Clause {
    /// `true`, which every row meets, or `false`, which none does.
    Constant(bool),
    /// A column compared with a value.
    Compare {
        /// The column's name.
        column: EcoString,
        /// What the column must be to the value.
        function: Function,
        /// The value.
        arg: Value,
    },
}

/// A `<mutation>`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutation {
    /// The column's name.
    pub column: EcoString,
    /// What happens to it.
    pub mutator: Mutator,
    /// The argument: a number, elements, or keys of a map.
    pub arg: Value,
}

/// The column `name`.
pub fn column(name: impl Into<EcoString>) -> Column {
    Column { name: name.into() }
}

/// The clause that one row meets: that with this UUID, or that which an `insert` before it has named so.
pub fn row(uuid: impl Into<Term>) -> Clause {
    column("_uuid").eq(uuid.into())
}

impl Column {
    fn compare(self, function: Function, arg: impl Into<Value>) -> Clause {
        Clause::Compare {
            column: self.name,
            function,
            arg: arg.into(),
        }
    }

    fn mutate(self, mutator: Mutator, arg: impl Into<Value>) -> Mutation {
        Mutation {
            column: self.name,
            mutator,
            arg: arg.into(),
        }
    }

    /// The column has exactly this value.
    pub fn eq(self, arg: impl Into<Value>) -> Clause {
        self.compare(Function::Eq, arg)
    }

    /// The column has another value.
    pub fn ne(self, arg: impl Into<Value>) -> Clause {
        self.compare(Function::Ne, arg)
    }

    /// The column is below this number.
    pub fn lt(self, arg: impl Into<Value>) -> Clause {
        self.compare(Function::Lt, arg)
    }

    /// The column is at most this number.
    pub fn le(self, arg: impl Into<Value>) -> Clause {
        self.compare(Function::Le, arg)
    }

    /// The column is above this number.
    pub fn gt(self, arg: impl Into<Value>) -> Clause {
        self.compare(Function::Gt, arg)
    }

    /// The column is at least this number.
    pub fn ge(self, arg: impl Into<Value>) -> Clause {
        self.compare(Function::Ge, arg)
    }

    /// The column has all elements of the value, or pairs if it is a map.
    pub fn includes(self, arg: impl Into<Value>) -> Clause {
        self.compare(Function::Includes, arg)
    }

    /// The column has no element of the value, or no pair if it is a map.
    pub fn excludes(self, arg: impl Into<Value>) -> Clause {
        self.compare(Function::Excludes, arg)
    }

    /// `+=`
    #[expect(
        clippy::should_implement_trait,
        reason = "this makes a mutation, no sum"
    )]
    pub fn add(self, arg: impl Into<Value>) -> Mutation {
        self.mutate(Mutator::Add, arg)
    }

    /// `-=`
    pub fn subtract(self, arg: impl Into<Value>) -> Mutation {
        self.mutate(Mutator::Subtract, arg)
    }

    /// `*=`
    pub fn multiply(self, arg: impl Into<Value>) -> Mutation {
        self.mutate(Mutator::Multiply, arg)
    }

    /// `/=`, which drops the remainder of integers.
    pub fn divide(self, arg: impl Into<Value>) -> Mutation {
        self.mutate(Mutator::Divide, arg)
    }

    /// `%=`, for integers.
    pub fn remainder(self, arg: impl Into<Value>) -> Mutation {
        self.mutate(Mutator::Remainder, arg)
    }

    /// Puts elements into a set, or into a map those pairs whose keys it does not have.
    pub fn insert(self, arg: impl Into<Value>) -> Mutation {
        self.mutate(Mutator::Insert, arg)
    }

    /// Takes elements out of a set; out of a map these pairs, or the pairs that have these keys.
    pub fn delete(self, arg: impl Into<Value>) -> Mutation {
        self.mutate(Mutator::Delete, arg)
    }
}

impl From<bool> for Clause {
    fn from(value: bool) -> Clause {
        Clause::Constant(value)
    }
}
