//! `rasynq server …`

use rasynq::Inspector;

use crate::args::ServerCommand;
use crate::failure::Failure;
use crate::output::Output;

pub(super) async fn run(
    command: ServerCommand,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let _ = (command, inspector, output);
    Err(Failure::usage("server: not there yet"))
}
