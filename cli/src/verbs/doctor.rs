//! `rasynq doctor`

use rasynq::Inspector;

use crate::args::DoctorArguments;
use crate::failure::Failure;
use crate::output::Output;

pub(super) async fn run(
    options: &DoctorArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let _ = (options, inspector, output);
    Err(Failure::usage("doctor: not there yet"))
}
