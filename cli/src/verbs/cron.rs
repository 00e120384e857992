//! `rasynq cron …`

use rasynq::Inspector;

use crate::args::CronCommand;
use crate::failure::Failure;
use crate::output::Output;

/// Whether the verb only computes.
pub(super) fn needs_no_redis(command: &CronCommand) -> bool {
    matches!(command, CronCommand::Next(_))
}

pub(super) fn run_without_redis(command: CronCommand, output: &Output) -> Result<(), Failure> {
    let _ = (command, output);
    Err(Failure::usage("cron: not there yet"))
}

pub(super) async fn run(
    command: CronCommand,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let _ = (command, inspector, output);
    Err(Failure::usage("cron: not there yet"))
}
