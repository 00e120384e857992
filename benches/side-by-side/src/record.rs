//! Measured values.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::setup::{BOTH, Side};
use crate::stats::{median, percentile, range};

/// The values of one measurement, by name.
pub(crate) type Metrics = BTreeMap<&'static str, f64>;

/// One case of a scenario: several sides do the same work, once in each round.
pub(crate) struct Case {
    /// The scenario's name.
    pub(crate) scenario: &'static str,
    /// The name within the scenario.
    pub(crate) name: String,
    /// The metric that is compared.
    pub(crate) metric: &'static str,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// The value on the x axis of a plot.
    pub(crate) x: Option<f64>,
    /// The metrics of each side, by round.
    pub(crate) rounds: Vec<BTreeMap<Side, Metrics>>,
    /// The single measurements of all rounds, for percentiles.
    pub(crate) samples: BTreeMap<Side, Vec<f64>>,
    /// Remarks for the reader.
    pub(crate) notes: Vec<String>,
}

impl Case {
    /// A case without rounds.
    pub(crate) fn new(
        scenario: &'static str,
        name: impl Into<String>,
        metric: &'static str,
        unit: &'static str,
    ) -> Self {
        Self {
            scenario,
            name: name.into(),
            metric,
            unit,
            x: None,
            rounds: Vec::new(),
            samples: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// A case that compares tasks per second.
    pub(crate) fn rate(scenario: &'static str, name: impl Into<String>) -> Self {
        Self::new(scenario, name, "rate", "tasks/s")
    }

    /// A case that compares the medians of delays.
    pub(crate) fn delay(scenario: &'static str, name: impl Into<String>) -> Self {
        Self::new(scenario, name, "p50", "ms")
    }

    /// Sets the value on the x axis of a plot.
    pub(crate) fn at(mut self, x: f64) -> Self {
        self.x = Some(x);
        self
    }

    /// Adds a remark.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Measures the sides one after the other, once in each round.
    pub(crate) fn measure(
        mut self,
        rounds: usize,
        sides: &[Side],
        mut run: impl FnMut(Side) -> Result<Metrics>,
    ) -> Result<Self> {
        for round in 1..=rounds {
            let mut by_side = BTreeMap::new();
            for side in sides {
                let metrics = run(*side)?;
                let value = metrics.get(self.metric).copied().unwrap_or(f64::NAN);
                eprintln!(
                    "  {} {} round {round} {side:>4}: {value:.1} {}",
                    self.scenario, self.name, self.unit
                );
                by_side.insert(*side, metrics);
            }
            self.rounds.push(by_side);
        }
        Ok(self)
    }

    /// Measures delays (ms) of both implementations: their percentiles in each round, and over all rounds.
    pub(crate) fn measure_delays(
        self,
        rounds: usize,
        mut delays: impl FnMut(Side) -> Result<Vec<f64>>,
    ) -> Result<Self> {
        let mut samples = BTreeMap::<Side, Vec<f64>>::new();
        let mut case = self.measure(rounds, &BOTH, |side| {
            let delays = delays(side)?;
            samples.entry(side).or_default().extend(&delays);
            Ok(Metrics::from([
                ("p50", median(&delays)),
                ("p99", percentile(&delays, 0.99)),
                ("max", range(&delays).1),
            ]))
        })?;
        case.samples = samples;
        Ok(case)
    }

    /// The sides that took part.
    pub(crate) fn sides(&self) -> Vec<Side> {
        let Some(first) = self.rounds.first() else {
            return Vec::new();
        };
        first.keys().copied().collect()
    }

    /// The values of a side, by round.
    pub(crate) fn values(&self, side: Side, metric: &str) -> Vec<f64> {
        self.rounds
            .iter()
            .filter_map(|round| round.get(&side)?.get(metric).copied())
            .collect()
    }

    /// The median of a side over the rounds; `None` if it did not take part.
    pub(crate) fn median(&self, side: Side, metric: &str) -> Option<f64> {
        let values = self.values(side, metric);
        (!values.is_empty()).then(|| median(&values))
    }

    /// The ratio of the medians of two sides, and the least and greatest ratio within one round.
    pub(crate) fn ratio(&self, of: Side, to: Side, metric: &str) -> Option<(f64, f64, f64)> {
        let ratio = self.median(of, metric)? / self.median(to, metric)?;
        let by_round: Vec<f64> = self
            .rounds
            .iter()
            .filter_map(|round| Some(round.get(&of)?.get(metric)? / round.get(&to)?.get(metric)?))
            .collect();
        let (least, greatest) = range(&by_round);
        Some((ratio, least, greatest))
    }

    /// A percentile (`part` from 0 to 1) of the single measurements of a side.
    pub(crate) fn percentile(&self, side: Side, part: f64) -> Option<f64> {
        Some(percentile(self.samples.get(&side)?, part))
    }
}
