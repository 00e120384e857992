//! `rasynq metrics`: what it serves, beside asynq's own exporter; the page, the dashboard and the alerts.

#![expect(clippy::unwrap_used, reason = "a failed expectation fails the test")]

#[path = "../../../tests/support/mod.rs"]
mod support;

mod alerts;
mod asynq;
mod dashboard;
mod outages;
mod page;
mod process;
mod promtool;
mod sample;
mod scrape;
