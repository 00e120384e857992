//! Tables in Markdown.

use std::collections::BTreeSet;

use crate::record::Case;
use crate::setup::Side;
use crate::stats::{mean, range};

/// The metrics in the table of rates, besides the rate.
const RATE_EXTRAS: [&str; 3] = ["worker_cpu_us", "redis_cpu_us", "commands"];

/// A measurement below this time is marked, because it is not precise.
const SHORT_SECONDS: f64 = 0.25;

/// All cases. Comparisons of rates share one table, each other scenario has its own.
pub(super) fn tables(cases: &[Case]) -> String {
    let mut out = String::new();
    let rates: Vec<&Case> = cases.iter().filter(|case| is_comparison(case)).collect();
    if !rates.is_empty() {
        out.push_str(&rate_table(&rates));
    }
    let mut seen = BTreeSet::new();
    for case in cases.iter().filter(|case| !is_comparison(case)) {
        if seen.insert(case.scenario) {
            let group: Vec<&Case> = cases
                .iter()
                .filter(|other| other.scenario == case.scenario)
                .collect();
            out.push_str(&metric_table(&group));
        }
    }
    out.push_str(&notes(cases));
    out
}

/// A number with three significant digits, or with a separator of thousands.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value.abs() < 1000.0 {
        let digits = match value.abs() {
            v if v >= 100.0 => 0,
            v if v >= 10.0 => 1,
            _ => 2,
        };
        return format!("{value:.digits$}");
    }
    let mut digits = format!("{value:.0}");
    let mut at = digits.len();
    while at > 3 {
        at -= 3;
        if digits.as_bytes()[at - 1].is_ascii_digit() {
            digits.insert(at, ',');
        }
    }
    digits
}

fn is_comparison(case: &Case) -> bool {
    case.metric == "rate" && case.sides().contains(&Side::Go)
}

fn rate_table(cases: &[&Case]) -> String {
    let mut out = String::from(
        "\n### Tasks per second\n\nRates are medians of the rounds. The ratio is that of the medians; in parentheses are the least and the greatest ratio of a round. The next columns are per task, Go / rasynq: CPU time of the worker and of Redis in µs, and commands that Redis executes. \"Short\" marks a case in which a side took less than 0.25 s; it is not precise.\n\n\
         | | | Go | rasynq | rasynq / Go | worker CPU | Redis CPU | commands | others |\n|---|---|---:|---:|---|---|---|---|---|\n",
    );
    let mut last = "";
    for case in cases {
        let median = |side| case.median(side, "rate").map_or("–".to_owned(), number);
        let ratio = case.ratio(Side::Rust, Side::Go, "rate").map_or(
            "–".to_owned(),
            |(ratio, least, greatest)| {
                format!(
                    "**{}×** ({}–{})",
                    number(ratio),
                    number(least),
                    number(greatest)
                )
            },
        );
        let extras = RATE_EXTRAS.map(|metric| {
            let side = |side| case.median(side, metric).map_or("–".to_owned(), number);
            format!("{} / {}", side(Side::Go), side(Side::Rust))
        });
        let others: Vec<String> = [Side::Raw, Side::Bare, Side::Asynqrs, Side::Apalis]
            .into_iter()
            .filter_map(|side| Some(format!("{side} {}", number(case.median(side, "rate")?))))
            .collect();
        let is_short = [Side::Go, Side::Rust].iter().any(|side| {
            let seconds = case.median(*side, "seconds");
            seconds.is_some_and(|seconds| seconds < SHORT_SECONDS)
        });
        let short = if is_short { " (short)" } else { "" };
        let scenario = if case.scenario == last {
            ""
        } else {
            case.scenario
        };
        last = case.scenario;
        out.push_str(&format!(
            "| {scenario} | {}{short} | {} | {} | {ratio} | {} | {} |\n",
            case.name,
            median(Side::Go),
            median(Side::Rust),
            extras.join(" | "),
            others.join(", "),
        ));
    }
    out
}

fn metric_table(cases: &[&Case]) -> String {
    let Some(first) = cases.first() else {
        return String::new();
    };
    let metrics: BTreeSet<&str> = cases
        .iter()
        .flat_map(|case| case.rounds.iter())
        .flat_map(|round| round.values())
        .flat_map(|metrics| metrics.keys().copied())
        .collect();
    let names: Vec<&str> = metrics.iter().copied().collect();
    let one_unit = cases.iter().all(|case| case.unit == first.unit);
    let unit = if one_unit {
        format!("In {}. ", first.unit)
    } else {
        String::new()
    };
    let mut out = format!(
        "\n### {}\n\n{}Medians, with the least and the greatest value of a round. Percentiles and means are over all rounds.\n\n| | | {} |\n|---|---|{}\n",
        first.scenario,
        unit,
        names.join(" | "),
        "---|".repeat(names.len()),
    );
    for case in cases {
        for side in case.sides() {
            let cells: Vec<String> = names
                .iter()
                .map(|metric| cell(case, side, metric))
                .collect();
            let side = match side {
                Side::Rust => "rasynq".to_owned(),
                Side::Raw => String::new(),
                other => other.to_string(),
            };
            out.push_str(&format!(
                "| {} | {side} | {} |\n",
                case.name,
                cells.join(" | ")
            ));
        }
    }
    out
}

fn cell(case: &Case, side: Side, metric: &str) -> String {
    let pooled = match metric {
        "p50" => case.percentile(side, 0.5),
        "p99" => case.percentile(side, 0.99),
        "max" => case.percentile(side, 1.0),
        _ => None,
    };
    if let Some(value) = pooled {
        return number(value);
    }
    let values = case.values(side, metric);
    let (least, greatest) = range(&values);
    case.median(side, metric)
        .map_or("–".to_owned(), |value| match values.len() {
            1 => number(value),
            // the mean, because some commands happen once a minute, in few of the rounds
            _ if case.scenario == "idle" => {
                format!(
                    "mean {} ({}–{})",
                    number(mean(&values)),
                    number(least),
                    number(greatest)
                )
            }
            _ => format!("{} ({}–{})", number(value), number(least), number(greatest)),
        })
}

fn notes(cases: &[Case]) -> String {
    let mut out = String::new();
    let mut seen = BTreeSet::new();
    for case in cases {
        for note in &case.notes {
            if seen.insert((case.scenario, note)) {
                out.push_str(&format!("- {}, {}: {note}\n", case.scenario, case.name));
            }
        }
    }
    if out.is_empty() {
        out
    } else {
        format!("\n### Remarks\n\n{out}")
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_three_digits_or_separators() {
        assert_eq!(number(0.1234), "0.12");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(999.4), "999");
        assert_eq!(number(1000.0), "1,000");
        assert_eq!(number(212_345.6), "212,346");
        assert_eq!(number(f64::NAN), "–");
    }
}
