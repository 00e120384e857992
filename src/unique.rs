//! Ids that nobody else has. They are drawn from the operating system: a generator within the process
//! goes on alike in both halves of a fork, and a task under another's id would take its place.

use rand::rngs::OsRng;
use rand::{RngCore, TryRngCore};

/// A version 4 UUID.
pub(crate) fn uuid() -> String {
    let mut bytes = [0; 16];
    OsRng.unwrap_err().fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// Shorter: 64 bits in hexadecimal.
pub(crate) fn name() -> String {
    format!("{:x}", OsRng.unwrap_err().next_u64())
}
