//! The arguments, as clap reads them: one file a noun.
//!
//! Verbs and flags that asynq's command has keep its names, shorts, aliases and defaults. Names with an underscore
//! can be written with a hyphen too.

mod connection;
mod cron;
mod dash;
mod doctor;
mod filter;
mod group;
mod metrics;
mod queue;
mod server;
mod shell;
mod stats;
mod switch;
mod task;
mod time;
mod watch;

use clap::{Parser, Subcommand};
pub(crate) use connection::ConnectionArguments;
pub(crate) use cron::*;
pub(crate) use dash::DashArguments;
pub(crate) use doctor::DoctorArguments;
pub(crate) use filter::FilterArguments;
pub(crate) use group::*;
pub(crate) use metrics::MetricsArguments;
pub(crate) use queue::*;
pub(crate) use server::*;
pub(crate) use shell::{CompletionsArguments, ManArguments};
pub(crate) use stats::StatsArguments;
pub(crate) use switch::Switch;
pub(crate) use task::*;
pub(crate) use watch::WatchArguments;

/// Inspects and repairs the queues that rasynq and Go's asynq share.
#[derive(Debug, Parser)]
#[command(
    name = "rasynq",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The flags that every verb has.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArguments {
    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
    /// Prints JSON: one document on standard output, and a failure as one on standard error.
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_value = "false",
        default_missing_value = "true", hide_default_value = true, value_name = "BOOL", hide_possible_values = true)]
    pub(crate) json: Switch,
}

/// A verb, or a noun with verbs of its own.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows all queues, their sizes by state, today's counters, and Redis.
    Stats(StatsArguments),
    /// Lists, inspects, pauses and removes queues.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Lists, inspects, enqueues and changes tasks.
    #[command(subcommand)]
    Task(TaskCommand),
    /// Lists the groups of a queue.
    #[command(subcommand)]
    Group(GroupCommand),
    /// Lists the servers and what they run.
    #[command(subcommand)]
    Server(ServerCommand),
    /// Lists the entries of schedulers, and runs them.
    #[command(subcommand)]
    Cron(CronCommand),
    /// Shows everything live, with keys to act on it.
    Dash(DashArguments),
    /// Serves the figures of all queues to Prometheus.
    Metrics(MetricsArguments),
    /// Finds damage in Redis, and repairs it with --fix.
    Doctor(DoctorArguments),
    /// Shows the queues again and again, with the rates between two looks.
    Watch(WatchArguments),
    /// Prints the completions for a shell.
    Completions(CompletionsArguments),
    /// Prints the manual page.
    Man(ManArguments),
    /// Prints the version.
    #[command(hide = true)]
    Version,
}
