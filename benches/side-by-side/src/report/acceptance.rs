//! The requirements, and whether they are met.

use crate::record::Case;
use crate::setup::Side::{Bare, Go, Raw, Rust};
use crate::stats::{mean, range};

use super::markdown::number;

/// A requirement, and how its value is read from a case.
struct Row {
    what: &'static str,
    scenario: &'static str,
    case: &'static str,
    limit: Limit,
    measured: fn(&Case) -> Option<Measured>,
}

/// The limit of a requirement, with its unit.
enum Limit {
    AtLeast(f64, &'static str),
    AtMost(f64, &'static str),
    Below(f64, &'static str),
}

/// A measured value, and the least and greatest value of a round.
type Measured = (f64, Option<(f64, f64)>);

/// The table of all requirements. A requirement whose case did not run is not measured.
pub(super) fn table(cases: &[Case]) -> String {
    let mut out = String::from("| | required | measured | |\n|---|---|---|---|\n");
    for row in rows() {
        let case = cases
            .iter()
            .find(|case| case.scenario == row.scenario && case.name == row.case);
        let (limit, unit, met): (String, &str, fn(f64, f64) -> bool) = match row.limit {
            Limit::AtLeast(n, unit) => (format!("≥ {n}{unit}"), unit, |is, of| is >= of),
            Limit::AtMost(n, unit) => (format!("≤ {n}{unit}"), unit, |is, of| is <= of),
            Limit::Below(n, unit) => (format!("< {n}{unit}"), unit, |is, of| is < of),
        };
        let (Limit::AtLeast(of, _) | Limit::AtMost(of, _) | Limit::Below(of, _)) = row.limit;
        let (measured, verdict) = match case.and_then(row.measured) {
            None => ("not measured".to_owned(), ""),
            Some((value, spread)) => {
                let spread = spread.map_or(String::new(), |(least, greatest)| {
                    format!(" ({}–{})", number(least), number(greatest))
                });
                let verdict = if met(value, of) { "pass" } else { "**miss**" };
                (format!("{}{unit}{spread}", number(value)), verdict)
            }
        };
        out.push_str(&format!(
            "| {} | {limit} | {measured} | {verdict} |\n",
            row.what
        ));
    }
    out
}

fn rate_to_go(case: &Case) -> Option<Measured> {
    with_spread(case.ratio(Rust, Go, "rate"))
}

fn rate_to_raw(case: &Case) -> Option<Measured> {
    with_spread(case.ratio(Rust, Raw, "rate"))
}

fn rate_to_bare(case: &Case) -> Option<Measured> {
    with_spread(case.ratio(Rust, Bare, "rate"))
}

fn cpu_to_go(case: &Case) -> Option<Measured> {
    with_spread(case.ratio(Rust, Go, "worker_cpu_us"))
}

fn idle_commands(case: &Case) -> Option<Measured> {
    let values = case.values(Rust, "commands");
    // the mean, because some commands happen once a minute, in few of the rounds
    (!values.is_empty()).then(|| (mean(&values), Some(range(&values))))
}

fn p50(case: &Case) -> Option<Measured> {
    Some((case.percentile(Rust, 0.5)?, None))
}

fn p99(case: &Case) -> Option<Measured> {
    Some((case.percentile(Rust, 0.99)?, None))
}

fn longest_command(case: &Case) -> Option<Measured> {
    longest(&case.values(Rust, "longest_ms"))
}

fn longest_call(case: &Case) -> Option<Measured> {
    longest(&case.values(Rust, "longest_call_ms"))
}

/// The greatest value of all rounds.
fn longest(values: &[f64]) -> Option<Measured> {
    (!values.is_empty()).then(|| (range(values).1, None))
}

fn with_spread(ratio: Option<(f64, f64, f64)>) -> Option<Measured> {
    ratio.map(|(ratio, least, greatest)| (ratio, Some((least, greatest))))
}

// Long, because it is a table.
fn rows() -> Vec<Row> {
    use Limit::{AtLeast, AtMost, Below};
    let row = |what, scenario, case, limit, measured| Row {
        what,
        scenario,
        case,
        limit,
        measured,
    };
    vec![
        row(
            "process no-op, c = 10",
            "process",
            "c=10",
            AtLeast(4.0, "× Go"),
            rate_to_go,
        ),
        row(
            "process no-op, c = 100",
            "process",
            "c=100",
            AtLeast(10.0, "× Go"),
            rate_to_go,
        ),
        row(
            "process no-op, c = 1,000",
            "process",
            "c=1000",
            AtLeast(10.0, "× Go"),
            rate_to_go,
        ),
        row(
            "process no-op, c = 100, relative to the raw limit",
            "process",
            "c=100",
            AtLeast(0.85, ""),
            rate_to_raw,
        ),
        row(
            "process, c = 100, 1 ms round trip",
            "distance",
            "1 ms, c=100",
            AtLeast(40.0, "× Go"),
            rate_to_go,
        ),
        row(
            "process, c = 100, 3 ms round trip",
            "distance",
            "3 ms, c=100",
            AtLeast(50.0, "× Go"),
            rate_to_go,
        ),
        row(
            "worker CPU per task, c = 100",
            "process",
            "c=100",
            AtMost(0.2, "× Go"),
            cpu_to_go,
        ),
        row(
            "enqueue, 100 callers",
            "enqueue",
            "callers=100",
            AtLeast(3.0, "× Go"),
            rate_to_go,
        ),
        row(
            "batches of 1,000, relative to Go with 100 callers",
            "batch",
            "batch=1000",
            AtLeast(4.0, "× Go"),
            rate_to_go,
        ),
        row(
            "pick-up from idle, Go producer, p50",
            "pick-up",
            "servers=1",
            Below(2.0, " ms"),
            p50,
        ),
        row(
            "pick-up from idle, Go producer, p99",
            "pick-up",
            "servers=1",
            Below(20.0, " ms"),
            p99,
        ),
        row(
            "a tick's task is pending, p50",
            "tick",
            "entries=1",
            Below(50.0, " ms"),
            p50,
        ),
        row(
            "a tick's task is pending, p99",
            "tick",
            "entries=1",
            Below(50.0, " ms"),
            p99,
        ),
        row(
            "a group of full size is aggregated, p99",
            "group",
            "size reached",
            Below(50.0, " ms"),
            p99,
        ),
        row(
            "a group is aggregated after its grace period, p99",
            "group",
            "grace period over",
            Below(100.0, " ms"),
            p99,
        ),
        row(
            "1,000,000 archived tasks are run: the longest command",
            "inspect-million",
            "run all archived",
            Below(10.0, " ms"),
            longest_command,
        ),
        row(
            "half of 1,000,000 archived tasks are deleted: the longest command",
            "inspect-million",
            "delete archived tasks of one type",
            Below(10.0, " ms"),
            longest_command,
        ),
        row(
            "queue info with 1,000,000 groups: the longest call",
            "inspect-million",
            "queue info, groups",
            Below(50.0, " ms"),
            longest_call,
        ),
        row(
            "idle commands per second, 1 queue",
            "idle",
            "queues=1",
            AtMost(2.0, ""),
            idle_commands,
        ),
        row(
            "idle commands per second, 100 queues",
            "idle",
            "queues=100",
            AtMost(10.0, ""),
            idle_commands,
        ),
        row(
            "10 ms handlers, c = 100, relative to a bare loop",
            "sleep-10ms",
            "c=100",
            AtLeast(0.98, ""),
            rate_to_bare,
        ),
        row(
            "the same with a prefetch of 50 tasks",
            "sleep-10ms",
            "c=100, prefetch 50",
            AtLeast(0.98, ""),
            rate_to_bare,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::record::Metrics;

    #[test]
    fn a_ratio_of_medians_is_compared_with_the_limit() {
        let mut case = Case::rate("process", "c=100");
        for (go, rust) in [(10.0, 90.0), (10.0, 120.0), (11.0, 100.0)] {
            case.rounds.push(BTreeMap::from([
                (Go, Metrics::from([("rate", go)])),
                (Rust, Metrics::from([("rate", rust)])),
            ]));
        }
        let table = table(&[case]);
        assert!(
            table.contains("| process no-op, c = 100 | ≥ 10× Go | 10.0× Go (9.00–12.0) | pass |"),
            "{table}"
        );
        assert!(table.contains("| enqueue, 100 callers | ≥ 3× Go | not measured |  |"));
    }
}
