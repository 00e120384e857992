//! The rates of `redis-benchmark`, to compare this machine with another one.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::record::{Case, Metrics};
use crate::setup::{Setup, Side, Testbed};

/// The name and the arguments of each test.
const TESTS: [(&str, &[&str]); 4] = [
    (
        "PING, 50 connections",
        &["-t", "ping_mbulk", "-c", "50", "-n", "200000"],
    ),
    (
        "LPUSH, 50 connections",
        &["-t", "lpush", "-c", "50", "-n", "200000"],
    ),
    (
        "LPUSH, pipelines of 64",
        &["-t", "lpush", "-c", "4", "-P", "64", "-n", "2000000"],
    ),
    (
        "HSET, pipelines of 64",
        &["-t", "hset", "-c", "4", "-P", "64", "-n", "2000000"],
    ),
];

/// Four of its tests. There is no case if the program is not installed.
pub(super) fn cases(setup: &Setup) -> Result<Vec<Case>> {
    let program = setup.redis_server.with_file_name("redis-benchmark");
    if !program.exists() {
        eprintln!("  {} is not installed", program.display());
        return Ok(Vec::new());
    }
    let mut cases = Vec::new();
    for (name, args) in TESTS {
        let bed = setup.testbed()?;
        let mut case = Case::new("reference", name, "rate", "commands/s");
        for _ in 0..setup.rounds {
            let rate = run(&bed, &program, args)?;
            let metrics = Metrics::from([("rate", rate)]);
            case.rounds.push(BTreeMap::from([(Side::Raw, metrics)]));
        }
        cases.push(case);
    }
    Ok(cases)
}

fn run(bed: &Testbed<'_>, program: &std::path::Path, args: &[&str]) -> Result<f64> {
    let output = Command::new(program)
        .arg("-s")
        .arg(bed.redis.socket())
        .args(args)
        .arg("--csv")
        .stdin(Stdio::null())
        .output()?;
    ensure!(output.status.success(), "redis-benchmark failed");
    let text = String::from_utf8_lossy(&output.stdout);
    rate(&text).with_context(|| format!("redis-benchmark printed {text:?}"))
}

/// The second field of the last line.
fn rate(csv: &str) -> Option<f64> {
    let line = csv.lines().rfind(|line| !line.is_empty())?;
    line.split(',').nth(1)?.trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn the_rate_is_read_from_the_last_line() {
        let csv = "\"test\",\"rps\"\n\"LPUSH\",\"123.5\",\"0.1\"\n";
        assert_eq!(rate(csv), Some(123.5));
        assert_eq!(rate("\"test\",\"rps\""), None);
    }
}
