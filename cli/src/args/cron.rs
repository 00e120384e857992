//! `rasynq cron …`

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clap::{Args, Subcommand};

use super::time::rfc3339;

/// The verbs of scheduler entries.
#[derive(Debug, Subcommand)]
pub(crate) enum CronCommand {
    /// Lists the entries of all schedulers.
    #[command(name = "ls", visible_alias = "list")]
    List,
    /// Shows which tasks entries have enqueued, the newest first.
    History(CronHistoryArguments),
    /// Enqueues the task of an entry now.
    Run(CronRunArguments),
    /// Shows when a cron spec fires next. It does not ask Redis.
    Next(CronNextArguments),
}

/// `cron history`
#[derive(Debug, Args)]
pub(crate) struct CronHistoryArguments {
    /// The ids of the entries.
    #[arg(required = true, value_name = "ENTRY_ID")]
    pub(crate) entries: Vec<String>,
    /// Which page, from 1.
    #[arg(long, default_value_t = 1, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) page: u64,
    /// How many tasks a page has.
    #[arg(long, default_value_t = 30, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) size: u64,
}

/// `cron run`
#[derive(Debug, Args)]
pub(crate) struct CronRunArguments {
    /// The id of the entry.
    #[arg(value_name = "ENTRY_ID")]
    pub(crate) entry: String,
}

/// `cron next`
#[derive(Debug, Args)]
pub(crate) struct CronNextArguments {
    /// The cron spec: "30 9 * * 1-5", @hourly, "@every 90s"
    pub(crate) spec: String,
    /// How many times to show.
    #[arg(short, long, default_value_t = 5, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// The time zone of the scheduler.
    #[arg(long, default_value_t = Tz::UTC, value_name = "ZONE")]
    pub(crate) zone: Tz,
    /// The time from which the next ones are counted. Default: now.
    #[arg(long, value_name = "TIME", value_parser = rfc3339)]
    pub(crate) after: Option<DateTime<Utc>>,
    /// Reads the spec as the Go module cronexpr does, with seconds, years, L, W and #.
    #[arg(long)]
    pub(crate) cronexpr: bool,
}
