//! The services that do not run tasks: they renew leases, move, recover and delete tasks, listen for
//! cancellations, watch for blocked threads, and check Redis. One service in each file.

mod block_watch;
mod forwarder;
mod gone_servers;
mod health_checker;
mod heartbeater;
mod janitor;
mod lease_renewer;
mod lease_thread;
mod lost_runs;
mod recoverer;
mod server_entry;
mod subscriber;
mod suspect;

pub(super) use block_watch::{BlockWatch, RuntimeProbe};
pub(super) use forwarder::Forwarder;
pub(super) use gone_servers::GoneServers;
pub(super) use health_checker::HealthChecker;
pub(super) use heartbeater::Heartbeater;
pub(super) use janitor::Janitor;
pub(super) use lease_renewer::LeaseRenewer;
pub(super) use lease_thread::LeaseThread;
pub(super) use lost_runs::LostRuns;
pub(super) use recoverer::Recoverer;
pub(super) use server_entry::ServerEntry;
pub(super) use subscriber::Subscriber;
