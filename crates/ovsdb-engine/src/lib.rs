//! One OVSDB database in memory: operations in, a checked commit out.
