//! The only part of the dashboard that asks Redis, by the inspector: reads for the visible screen, and actions.

mod act;
mod convert;
mod feed;
mod read;

pub(super) use act::Actor;
pub(super) use feed::{Request, feed};
