//! Connecting to every kind of Redis deployment, and losing the connection.

mod faults;
mod kinds;
mod opening;
#[path = "../support/mod.rs"]
mod support;

use rasynq::{Client, Connection};

/// Connects a client; the server must accept it.
async fn connect(uri: &str) -> Client {
    let connection = Connection::from_uri(uri).expect("a good URI");
    Client::connect(&connection).await.expect("connected")
}
