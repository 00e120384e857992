//! The filters of `task ls` and of the verbs for many tasks.

use std::time::Duration;

use clap::Args;

use super::time::go_duration;

/// Which tasks of a state are meant: those that fulfil all conditions that are given.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct FilterArguments {
    /// The type; * stands for any text: email:*
    #[arg(long = "type", value_name = "PATTERN")]
    pub(crate) task_type: Option<String>,
    /// A text in the payload.
    #[arg(long, value_name = "TEXT")]
    pub(crate) payload: Option<String>,
    /// A value in a JSON payload: user.id=42, items[0].name="pen"
    #[arg(long, alias = "payload_json", value_name = "PATH=VALUE")]
    pub(crate) payload_json: Vec<String>,
    /// A text in the last error.
    #[arg(long, value_name = "TEXT")]
    pub(crate) error: Option<String>,
    /// In this state for longer: 30m, 12h, 7d
    #[arg(long, alias = "older_than", value_name = "DURATION", value_parser = go_duration)]
    pub(crate) older_than: Option<Duration>,
    /// In this state for a shorter time.
    #[arg(long, alias = "newer_than", value_name = "DURATION", value_parser = go_duration)]
    pub(crate) newer_than: Option<Duration>,
    /// The group.
    #[arg(short, long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// A header: tenant=acme
    #[arg(long, value_name = "NAME=VALUE", value_parser = super::task::header)]
    pub(crate) header: Vec<(String, String)>,
    /// Active, but its lease has expired, because no server renews it.
    #[arg(long)]
    pub(crate) orphaned: bool,
}
