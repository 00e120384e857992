//! The only part of the dashboard that asks Redis, by the inspector: reads for the visible screen, and actions.

mod act;
mod convert;
mod feed;
mod read;

use std::error::Error as _;

pub(super) use act::Actor;
pub(super) use feed::{Request, feed};

/// An error with its causes.
fn told(error: &rasynq::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some causes repeat their own cause.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
