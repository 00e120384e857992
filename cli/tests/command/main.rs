//! The command as its users run it: its outputs, its failures with their exit codes, its settings.

#[path = "../common/mod.rs"]
mod common;

mod bulk;
mod clock;
mod cluster;
mod docs;
mod doctor;
mod failures;
mod outputs;
mod process;
mod reach;
mod settings;
mod tasks;
mod terminal;
mod watch;
