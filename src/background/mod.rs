//! Work in the background, in one shape for all parts of servers and schedulers.
//!
//! A [`Service`] is started once, works until it is asked to stop, and then ends by itself. A
//! [`Periodic`] makes one pass after another; [`Every`] makes a service of it. [`Services`] owns the
//! services that it has started: when it is dropped, they are aborted.

mod backoff;
mod service;
mod signals;
mod thread;
mod told_failures;
mod turns;

pub(crate) use backoff::Backoff;
pub(crate) use service::{Every, Periodic, Service, ServiceHandle, Services};
pub(crate) use signals::Signals;
pub(crate) use thread::ServiceThread;
pub(crate) use told_failures::ToldFailures;
pub(crate) use turns::Turns;
