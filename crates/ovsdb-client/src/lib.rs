//! An OVSDB client session.
