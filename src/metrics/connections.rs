//! Lost and restored connections to Redis. They are so rare that their series are not kept.

use super::ON;
use super::catalogue::{CONNECTIONS_LOST, RECONNECTIONS};
use super::series::Counter;

/// A connection to Redis at this address is opened for the first time.
pub(crate) fn connection_opened(address: &str) {
    if ON {
        // What happens rarely shows from the beginning: an increase from nothing is none.
        for name in [CONNECTIONS_LOST, RECONNECTIONS] {
            Counter::new(name, &[("address", address)]).add(0);
        }
    }
}

/// Redis at this address is reached no more.
pub(crate) fn connection_lost(address: &str) {
    if ON {
        Counter::new(CONNECTIONS_LOST, &[("address", address)]).add(1);
    }
}

/// Redis at this address is reached again.
pub(crate) fn connection_restored(address: &str) {
    if ON {
        Counter::new(RECONNECTIONS, &[("address", address)]).add(1);
    }
}
