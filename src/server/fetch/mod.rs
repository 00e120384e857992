//! Fetching: from which queues, how many tasks at a time, and what becomes of a fetch whose reply is
//! lost.

mod gate;
mod lost_fetches;
mod processor;
mod sizing;

pub(super) use gate::Gates;
pub(super) use lost_fetches::LostFetches;
pub(super) use processor::{OwnerTokens, Processor};
pub(super) use sizing::Sizing;
