//! Ids that nobody else has.
//!
//! A generator that a whole thread or process shares goes on alike in both halves of a fork, and a task
//! under another's id would take its place. So these draw from the operating system, or from a generator
//! of a client, which no fork survives.

use std::sync::{Mutex, PoisonError};

use rand::rngs::{OsRng, StdRng};
use rand::{RngCore, SeedableRng, TryRngCore};

/// Draws version 4 UUIDs, for one client.
#[derive(Debug)]
pub(crate) struct Uuids(Mutex<StdRng>);

impl Uuids {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(StdRng::from_os_rng()))
    }

    pub(crate) fn next(&self) -> String {
        let mut bytes = [0; 16];
        let mut source = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        source.fill_bytes(&mut bytes);
        drop(source);
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
    }
}

/// Shorter: 64 bits in hexadecimal.
pub(crate) fn name() -> String {
    format!("{:x}", OsRng.unwrap_err().next_u64())
}
