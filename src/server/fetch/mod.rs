//! Fetching: from which queues, how many tasks at a time, and what happens after a lost reply.
//!
//! A *fetch* is one call for tasks of one queue. A *sweep* consists of fetches from the open queues, for at
//! most as many tasks as there are free slots.

mod asked_slots;
mod budget;
mod gate;
mod loading;
mod lost_fetches;
mod owner_tokens;
mod peek;
mod processor;
mod sizing;
mod sweep;

pub(super) use budget::FetchBudgets;
pub(super) use gate::Gates;
pub(super) use lost_fetches::Restorer;
pub(super) use owner_tokens::OwnerTokens;
pub(super) use processor::Processor;
pub(super) use sizing::Sizing;
pub(super) use sweep::Sweeper;
