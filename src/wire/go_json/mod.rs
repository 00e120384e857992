//! JSON as Go's `encoding/json` (v1) writes it, byte for byte, as far as serde can tell the types apart.
//!
//! The bytes matter: the key of a unique lock is a hash of the payload, so a Rust and a Go producer of
//! the same task must write the same bytes. What Go writes in a form of its own: numbers with a fraction
//! (`go_float`), texts (`go_text`), and maps, whose keys are sorted. Fields of structs keep their order.
//!
//! NaN and infinity have no form in JSON. Go refuses them, and so does this module: the error has the
//! path to the value.

mod fault;
mod go_float;
mod go_text;
mod key;
mod writer;

pub(crate) use fault::JsonFault;
use serde::Serialize;

/// The value as JSON.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, JsonFault> {
    let mut out = Vec::with_capacity(64);
    value.serialize(writer::Writer(&mut out))?;
    Ok(out)
}

#[cfg(test)]
mod fixture_test;
#[cfg(test)]
mod tests;
