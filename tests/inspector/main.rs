//! The inspector through the public API. Each test has its own Redis.

#![expect(clippy::unwrap_used, reason = "a failed expectation fails the test")]

#[path = "../common/mod.rs"]
mod common;

mod bulk;
mod changing;
mod cluster;
mod copying;
#[allow(unreachable_pub)]
mod damaged;
mod details;
mod doctor_cancel;
mod doctor_damage;
mod doctor_delete;
mod doctor_global;
mod doctor_groups;
mod doctor_lists;
mod doctor_live;
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
