//! The OVSDB server: where the pure parts meet I/O.
