//! Tests of [`Link`] against real servers. Its behaviour is not visible through the public API.

mod clusters;
mod faults;
mod links;
mod uris;

use fred::error::Error as FredError;
use fred::types::Value;

use super::{Command, Connection, Link};
use crate::test_support as support;

/// Opens a link to a server that must accept it.
async fn open(uri: &str) -> Link {
    let connection = Connection::from_uri(uri).expect("a good URI");
    connection.open().await.expect("an open link")
}

async fn ping(link: &Link) -> Result<Value, FredError> {
    link.send(Command::without_key("PING", [])).await
}

async fn get(link: &Link, key: &'static str) -> Result<Value, FredError> {
    link.send(Command::on_key("GET", [key.into()])).await
}
