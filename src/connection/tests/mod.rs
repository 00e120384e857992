//! Tests of [`Link`] against real servers. Its behaviour is not visible through the public API.

mod faults;
mod links;
mod uris;

use super::{Connection, Link};
use crate::test_support as support;

/// Opens a link to a server that must accept it.
async fn open(uri: &str) -> Link {
    let connection = Connection::from_uri(uri).expect("a good URI");
    connection.open().await.expect("an open link")
}
