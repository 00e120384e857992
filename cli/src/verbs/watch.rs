//! `rasynq watch`

use std::collections::HashMap;
use std::io::{self, IsTerminal};

use rasynq::{Connection, ErrorKind, Inspector, QueueInfo};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::overview::{Overview, print_failures, read_queues};
use crate::args::WatchArguments;
use crate::failure::{Failure, FailureKind};
use crate::output::{Output, Table, json_line, printable, span, time};
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

/// Looks again and again. While Redis is away it says so at each look, and goes on: Redis may come back.
pub(super) async fn run(
    options: &WatchArguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let mut watch = Watch {
        options,
        connection,
        output,
        redraws: !output.is_json() && io::stdout().is_terminal(),
        inspector: None,
        before: Vec::new(),
        is_first: true,
    };
    let mut looks = interval(options.interval);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut left = options.count;
    let mut first_failure = None;
    while left != Some(0) {
        looks.tick().await;
        let failure = match watch.look().await {
            Ok(failure) => failure,
            Err(mut failure) if failure.kind == FailureKind::Library(ErrorKind::Unavailable) => {
                output.print_failure(&mut failure);
                Some(failure)
            }
            Err(failure) => return Err(failure),
        };
        first_failure = first_failure.or(failure);
        left = left.map(|left| left - 1);
    }
    first_failure.map_or(Ok(()), Err)
}

struct Watch<'a> {
    options: &'a WatchArguments,
    connection: &'a Connection,
    output: &'a Output,
    /// Each look is drawn over the one before.
    redraws: bool,
    /// `None`: Redis was away at all looks.
    inspector: Option<Inspector>,
    before: Vec<QueueInfo>,
    is_first: bool,
}

impl Watch<'_> {
    /// Returns the first failure, if a queue could not be read.
    async fn look(&mut self) -> Result<Option<Failure>, Failure> {
        let inspector = match &self.inspector {
            Some(inspector) => inspector,
            None => {
                let inspector = Inspector::connect(self.connection).await;
                self.inspector.insert(inspector?)
            }
        };
        let overview = read_queues(&self.options.queues, inspector).await?;
        let Overview { infos, unread } = overview;
        let shown = self.show(infos, unread.len());
        // Behind the table, which is drawn over what was there.
        let failure = print_failures(unread, self.output);
        shown?;
        Ok(failure)
    }

    fn show(&mut self, infos: Vec<QueueInfo>, unread: usize) -> Result<(), Failure> {
        let earlier: HashMap<&str, &QueueInfo> = self
            .before
            .iter()
            .map(|info| (info.queue.as_str(), info))
            .collect();
        let rates: Vec<Option<Rates>> = infos
            .iter()
            .map(|info| Rates::between(earlier.get(info.queue.as_str()).copied(), info))
            .collect();
        if self.output.is_json() {
            self.output.print(&json_line(&look_view(&infos, &rates)))?;
        } else {
            let separator = match (self.redraws, self.is_first) {
                (true, _) => CLEAR,
                (false, true) => "",
                (false, false) => "\n",
            };
            let table = look_table(&infos, &rates).text();
            let heading = infos.iter().map(|info| info.read_at).max().map(time);
            let heading = heading.unwrap_or_else(|| match unread {
                0 => "no queues".to_owned(),
                _ => "no queue could be read".to_owned(),
            });
            let heading = self.output.heading(&heading);
            self.output
                .print(&format!("{separator}{heading}\n{table}"))?;
        }
        self.before = infos;
        self.is_first = false;
        Ok(())
    }
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
            span(info.latency),
            yes_or_no(info.is_paused()).to_owned(),
        ]);
        table.push(row);
    }
    table
}
