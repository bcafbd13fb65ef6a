//! Helpers for tests: servers under test, reference programs, generators and comparison.
