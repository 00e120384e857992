//! What the user of an inspector must be allowed to do.

use rasynq::{Connection, Inspector, TaskState};

use crate::common::{RedisServer, World, documented_rules};

#[tokio::test]
async fn the_documented_permissions_are_enough_to_read() {
    let rules = format!("on >password {}", documented_rules());
    let redis = RedisServer::builder().user_with_rules("rasynq", &rules);
    let world = World::on(redis).await;
    world.store_in_each_state().await;
    let connection = Connection::from_uri(&world.redis.uri_with("rasynq:password@")).unwrap();
    let inspector = Inspector::connect(&connection).await.unwrap();
    inspector.queue_info("default").await.unwrap();
    inspector.memory_usage("default").await.unwrap();
    inspector.history("default", 90).await.unwrap();
    inspector.servers().await.unwrap();
    inspector.groups("default").await.unwrap();
    for state in TaskState::ALL {
        let tasks = inspector.tasks("default", state);
        tasks.count().await.unwrap();
        for task in tasks.page(1, 30).await.unwrap() {
            inspector.task_details("default", &task.id).await.unwrap();
        }
        assert!(tasks.stream().next().await.unwrap().is_ok());
    }
}
