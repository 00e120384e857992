//! Measures rasynq beside Go's asynq: the same scenarios on the same Redis, in turns.
//!
//! `dev/bench` builds what this needs and starts it; `docs/performance.md` says what it measures.

mod drain;
mod lab;
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
mod stats;

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
        machine: Machine::look(&options.lab),
        cases: Vec::new(),
        failures: Vec::new(),
    };
    let begin = Instant::now();
    for scenario in options.scenarios() {
        let began = Instant::now();
        eprintln!("{}: {}", scenario.name, scenario.about);
        match (scenario.play)(&options.lab) {
            Ok(cases) => report.cases.extend(cases),
            Err(error) => {
                eprintln!("  {} failed: {error:#}", scenario.name);
                report
                    .failures
                    .push(format!("{}: {error:#}", scenario.name));
            }
        }
        eprintln!("  {:.0} s", began.elapsed().as_secs_f64());
        // what there is so far, should the run be ended
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
