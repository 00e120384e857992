//! Outages.

use crate::common::{DEADLINE, World};
use crate::recorder::{becomes_within, recorder};

#[tokio::test]
async fn an_outage_is_counted_when_it_begins_and_when_it_is_over() {
    recorder();
    outage().await;
}

/// Makes Redis unreachable for some time.
pub(crate) async fn outage() {
    let (_world, proxy, connection) = World::behind_proxy().await;
    let client = rasynq::Client::connect(&connection).await.unwrap();
    let address = format!(r#"{{address="{connection}"}}"#);
    proxy.refuse(true);
    becomes_within(
        &["rasynq_connections_lost_total", &address],
        1.0,
        2 * DEADLINE,
    )
    .await;
    becomes_within(&["rasynq_reconnections_total", &address], 0.0, DEADLINE).await;
    proxy.refuse(false);
    becomes_within(&["rasynq_reconnections_total", &address], 1.0, 2 * DEADLINE).await;
    client.ping().await.unwrap();
}
