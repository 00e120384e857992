//! `rasynq queue …`

use rasynq::Inspector;

use crate::args::QueueCommand;
use crate::failure::Failure;
use crate::output::Output;

pub(super) async fn run(
    command: QueueCommand,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let _ = (command, inspector, output);
    Err(Failure::usage("queue: not there yet"))
}
