//! `rasynq task …`

use rasynq::{Connection, Inspector};

use crate::args::TaskCommand;
use crate::failure::Failure;
use crate::output::Output;

pub(super) async fn run(
    command: TaskCommand,
    connection: &Connection,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let _ = (command, connection, inspector, output);
    Err(Failure::usage("task: not there yet"))
}
