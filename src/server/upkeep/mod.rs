//! What keeps a server's queues in order beside the runs: one service a file.

mod forwarder;
mod health_checker;
mod heartbeater;
mod janitor;
mod recoverer;
mod subscriber;

pub(super) use forwarder::Forwarder;
pub(super) use health_checker::HealthChecker;
pub(super) use heartbeater::Heartbeater;
pub(super) use janitor::Janitor;
pub(super) use recoverer::Recoverer;
pub(super) use subscriber::Subscriber;
