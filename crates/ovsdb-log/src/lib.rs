//! The append-only OVSDB file: records, SHA-1, lock, truncation and replacement.
