//! Reaching Redis wherever it is, and losing it.

mod faults;
mod kinds;
mod opening;
#[path = "../support/mod.rs"]
mod support;

use rasynq::{Client, Connection};

/// A client of a server that is expected to take it.
async fn connect(uri: &str) -> Client {
    let connection = Connection::from_uri(uri).expect("a good URI");
    Client::connect(&connection).await.expect("connected")
}
