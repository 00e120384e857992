//! `rasynq watch`

use rasynq::Inspector;

use crate::args::WatchArguments;
use crate::failure::Failure;
use crate::output::Output;

pub(super) async fn run(
    options: &WatchArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let _ = (options, inspector, output);
    Err(Failure::usage("watch: not there yet"))
}
