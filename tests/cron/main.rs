//! Cron specs: compared with the Go libraries that read them for asynq's users, and with Rust's `cron`.

#![expect(clippy::print_stdout, reason = "how many cases were compared")]

mod calendar;
mod cron_crate;
mod cronexpr;
mod firings;
mod standard;
