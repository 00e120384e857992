//! Of the link, which no public call shows, against real servers.

mod faults;
mod links;
mod uris;

use super::{Connection, Link};
use crate::test_support as support;

/// The link to a server that is expected to take it.
async fn open(uri: &str) -> Link {
    let connection = Connection::from_uri(uri).expect("a good URI");
    connection.open().await.expect("an open link")
}
