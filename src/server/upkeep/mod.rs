//! The services that do not run tasks: they renew leases, move, recover and delete tasks, listen for
//! cancellations, and check Redis. One service in each file.

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
