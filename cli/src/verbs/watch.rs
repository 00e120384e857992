//! `rasynq watch`

use std::io::{self, IsTerminal};

use rasynq::{Inspector, QueueInfo};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::overview::read_queues;
use crate::args::WatchArguments;
use crate::failure::Failure;
use crate::output::{Output, Table, duration, json_line, printable, time};
use crate::views::{QueueView, StateCounts, rfc3339, yes_or_no};

/// Goes to the upper left corner, and clears what is below.
const CLEAR: &str = "\x1b[H\x1b[J";

/// The states, without the orphaned tasks.
const SHOWN_COUNTS: usize = 7;

#[derive(Debug, Serialize)]
struct LookView {
    read_at: Option<String>,
    queues: Vec<RatedView>,
}

#[derive(Debug, Serialize)]
struct RatedView {
    #[serde(flatten)]
    queue: QueueView,
    processed_per_second: Option<f64>,
    failed_per_second: Option<f64>,
}

/// What happened in a queue between two looks.
#[derive(Clone, Copy, Debug)]
struct Rates {
    processed: f64,
    failed: f64,
}

impl Rates {
    /// `None`: there was no look before, or the queue was removed and is a new one.
    fn between(before: Option<&QueueInfo>, now: &QueueInfo) -> Option<Self> {
        let before = before?;
        let seconds = (now.read_at - before.read_at).to_std().ok()?.as_secs_f64();
        let rate = |before: u64, now: u64| {
            let count = now.checked_sub(before)?;
            (seconds > 0.0).then(|| count as f64 / seconds)
        };
        Some(Self {
            processed: rate(before.processed_total, now.processed_total)?,
            failed: rate(before.failed_total, now.failed_total)?,
        })
    }
}

pub(super) async fn run(
    options: &WatchArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let redraws = !output.is_json() && io::stdout().is_terminal();
    let mut before: Vec<QueueInfo> = Vec::new();
    let mut looks = interval(options.interval);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut left = options.count;
    let mut is_first = true;
    while left != Some(0) {
        looks.tick().await;
        let infos = match read_queues(&options.queues, inspector, output).await {
            Ok(overview) => overview.infos,
            Err(failure) if is_first => return Err(failure),
            // Redis may come back.
            Err(mut failure) => {
                output.print_failure(&mut failure);
                left = left.map(|left| left - 1);
                continue;
            }
        };
        let rates: Vec<Option<Rates>> = infos
            .iter()
            .map(|info| {
                let before = before.iter().find(|before| before.queue == info.queue);
                Rates::between(before, info)
            })
            .collect();
        if output.is_json() {
            output.print(&json_line(&look_view(&infos, &rates)))?;
        } else {
            let separator = match (redraws, is_first) {
                (true, _) => CLEAR,
                (false, true) => "",
                (false, false) => "\n",
            };
            let table = look_table(&infos, &rates).text();
            let heading = infos.iter().map(|info| info.read_at).max().map(time);
            let heading = output.heading(&heading.unwrap_or_else(|| "no queues".to_owned()));
            output.print(&format!("{separator}{heading}\n{table}"))?;
        }
        before = infos;
        is_first = false;
        left = left.map(|left| left - 1);
    }
    Ok(())
}

fn look_view(infos: &[QueueInfo], rates: &[Option<Rates>]) -> LookView {
    let queues = infos.iter().zip(rates).map(|(info, rates)| RatedView {
        queue: QueueView::of(info, None),
        processed_per_second: rates.map(|rates| rates.processed),
        failed_per_second: rates.map(|rates| rates.failed),
    });
    LookView {
        read_at: infos.iter().map(|info| info.read_at).max().map(rfc3339),
        queues: queues.collect(),
    }
}

fn look_table(infos: &[QueueInfo], rates: &[Option<Rates>]) -> Table {
    let mut names = vec!["Queue"];
    names.extend(&StateCounts::COLUMNS[..SHOWN_COUNTS]);
    names.extend(["processed/s", "failed/s", "Latency", "Paused"]);
    let mut table = Table::of_columns(&names);
    for (info, rates) in infos.iter().zip(rates) {
        let rate = |rate: Option<f64>| rate.map_or("-".to_owned(), |rate| format!("{rate:.1}"));
        let counts = StateCounts::from(info).cells();
        let mut row = vec![printable(&info.queue).into_owned()];
        row.extend(counts.into_iter().take(SHOWN_COUNTS));
        row.extend([
            rate(rates.map(|rates| rates.processed)),
            rate(rates.map(|rates| rates.failed)),
            duration(info.latency),
            yes_or_no(info.is_paused()).to_owned(),
        ]);
        table.push(row);
    }
    table
}
