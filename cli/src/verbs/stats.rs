//! `rasynq stats`

use rasynq::Inspector;

use crate::failure::Failure;
use crate::output::Output;

pub(super) async fn run(inspector: &Inspector, output: &Output) -> Result<(), Failure> {
    let _ = (inspector, output);
    Err(Failure::usage("stats: not there yet"))
}
