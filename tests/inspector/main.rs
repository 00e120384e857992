//! The inspector through the public API. Each test has its own Redis.

#![expect(clippy::unwrap_used, reason = "a failed expectation fails the test")]

#[path = "../common/mod.rs"]
mod common;

mod bulk;
mod cancelling;
mod changing;
mod cluster;
mod copying;
#[allow(unreachable_pub)]
mod damaged;
mod deleting_queues;
mod details;
mod examining;
mod examining_beside_servers;
mod examining_global_keys;
mod examining_groups;
mod examining_lists;
mod examining_moving_tasks;
mod filters;
mod one_of_many;
mod pages;
mod payloads;
mod permissions;
mod place;
mod queues;
mod rescheduling;
mod servers;
mod streams;
#[allow(unreachable_pub)]
mod support;
mod waking;
mod wrong_types;
