//! A start/stop stress test over all parts of a server, each alone, on a real Redis.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::aggregate::GroupSettings;
use super::config::Config;
use super::{HEARTBEAT_INTERVAL, Parts};
use crate::background::{Every, Service, ServiceHandle};
use crate::broker::Broker;
use crate::clock;
use crate::connection::Connection;
use crate::handler::IntoHandler;
use crate::mux::Mux;
use crate::task::Task;
use crate::test_support::RedisServer;

/// How often each part is started and stopped.
const ROUNDS: u64 = 25;
/// How long a part may take to stop by itself.
const PATIENCE: Duration = Duration::from_secs(10);

fn config() -> Config {
    let aggregate =
        async |_: String, _: Vec<Task>| -> anyhow::Result<Task> { Ok(Task::new("a", "")) };
    let mut groups = GroupSettings::default();
    groups.function = Some(Arc::new(aggregate));
    let config = Config {
        groups,
        concurrency: 4,
        prefetch: 2,
        queues: [("a".to_owned(), 2), ("b".to_owned(), 1)].into(),
        health_check: Some(Arc::new(|_| {})),
        ..Config::default()
    };
    config.checked().expect("valid settings")
}

/// Starts the part that `take` picks, stops it after a random time, and checks that it ends by itself.
async fn start_and_stop<S: Service>(broker: &Broker, take: impl Fn(Parts) -> S) {
    for round in 0..ROUNDS {
        let handler = Mux::new().into_service().expect("an empty mux");
        let parts = Parts::new(&config(), handler, broker);
        let token = CancellationToken::new;
        let mut service = ServiceHandle::start(take(parts), token(), token());
        // Some rounds stop a part before it has run, others in the middle of its first calls.
        for _ in 0..clock::draw(0..4) {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_micros(clock::draw(0..3_000) * (round % 2))).await;
        let deadline = clock::monotonic() + PATIENCE;
        assert!(service.stop(deadline).await, "{} does not stop", S::NAME);
        // Stopping again has no effect.
        assert!(service.stop(deadline).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_part_stops_by_itself_whenever_it_is_asked() {
    let redis = RedisServer::start().await;
    let connection = Connection::from_uri(&redis.uri()).expect("a URI");
    let broker = Broker::connect(&connection).await.expect("a connection");
    tokio::join!(
        start_and_stop(&broker, |parts| parts.processor),
        start_and_stop(&broker, |parts| parts.acknowledger),
        start_and_stop(&broker, |parts| Every::new(
            HEARTBEAT_INTERVAL,
            parts.heartbeater
        )),
        start_and_stop(&broker, |parts| Every::new(
            HEARTBEAT_INTERVAL,
            parts.lease_renewer
        )),
        start_and_stop(&broker, |parts| Every::new(
            HEARTBEAT_INTERVAL,
            parts.block_watch
        )),
        start_and_stop(&broker, |parts| parts.watcher),
        start_and_stop(&broker, |parts| parts.forwarder),
        start_and_stop(&broker, |parts| parts.recoverer),
        start_and_stop(&broker, |parts| parts.gone_servers),
        start_and_stop(&broker, |parts| parts.janitor),
        start_and_stop(&broker, |parts| parts.subscriber),
        start_and_stop(&broker, |parts| parts.restorer),
        start_and_stop(&broker, |parts| parts.health_checker.expect("it is set")),
        start_and_stop(&broker, |parts| parts.aggregator.expect("it is set")),
    );
    broker.close().await;
}
