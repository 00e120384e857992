//! Compares rasynq with Go's asynq: the same scenarios on the same Redis server, one side after the other.
//!
//! `dev/bench` builds the programs and starts this one. `docs/performance.md` describes the scenarios.

mod blocked;
mod drain;
mod machine;
mod options;
mod peer;
mod process;
mod proxy;
mod record;
mod redis;
mod report;
mod resp;
mod scenario;
mod scripts;
mod seed;
mod setup;
mod stats;
mod usage;

use std::io::Write;
use std::time::Instant;

use anyhow::Result;

use crate::machine::Machine;
use crate::options::Options;
use crate::report::Report;

fn main() -> Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    let mut out = std::io::stdout().lock();
    if options.list {
        for scenario in options.scenarios() {
            writeln!(out, "{:16} {}", scenario.name, scenario.about)?;
        }
        return Ok(());
    }
    let mut report = Report {
        machine: Machine::inspect(&options.setup),
        cases: Vec::new(),
        failures: Vec::new(),
    };
    let begin = Instant::now();
    for scenario in options.scenarios() {
        let began = Instant::now();
        eprintln!("{}: {}", scenario.name, scenario.about);
        match (scenario.cases)(&options.setup) {
            Ok(cases) => report.cases.extend(cases),
            Err(error) => {
                eprintln!("  {} failed: {error:#}", scenario.name);
                report
                    .failures
                    .push(format!("{}: {error:#}", scenario.name));
            }
        }
        eprintln!("  {:.0} s", began.elapsed().as_secs_f64());
        // after each scenario, so that a run that is stopped leaves results
        report.write(&options.out)?;
    }
    if let Some(page) = &options.docs {
        report.write_docs(page)?;
    }
    writeln!(out, "{}", report.markdown())?;
    writeln!(out, "{}", report.acceptance())?;
    eprintln!(
        "{:.0} s; results in {}",
        begin.elapsed().as_secs_f64(),
        options.out.display()
    );
    Ok(())
}
