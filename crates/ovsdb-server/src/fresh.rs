//! Fresh UUIDs: the one source of randomness that the engine is given.

use ovsdb_proto::uuid::Uuid;

/// A random (version 4) UUID.
pub fn fresh_uuid() -> Uuid {
    Uuid::from_bytes(uuid::Uuid::new_v4().into_bytes())
}
