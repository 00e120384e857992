//! The queues of a server, and how free slots are distributed over them.

use std::collections::BTreeMap;

use crate::broker::Broker;
use crate::error::{Error, Result};
use crate::metrics::QueueMeter;
use crate::task::DEFAULT_QUEUE;
use crate::wire::{QueueKeys, keys};

/// One queue of a server.
#[derive(Clone, Debug)]
pub(super) struct ServedQueue {
    pub(super) keys: QueueKeys,
    /// Its position among the queues of this server.
    pub(super) index: usize,
    pub(super) meter: QueueMeter,
}

impl ServedQueue {
    pub(super) fn new(keys: QueueKeys, index: usize) -> Self {
        let meter = QueueMeter::new(keys.queue());
        Self { keys, index, meter }
    }

    pub(super) fn name(&self) -> &str {
        self.keys.queue()
    }
}

/// The queues of a server with their weights.
#[derive(Clone)]
pub(super) struct Queues {
    /// By descending weight. The weights are divided by their greatest common divisor.
    weighted: Vec<(ServedQueue, u32)>,
    strict: bool,
}

/// Checks the configured queues: a blank name is refused, a queue of weight 0 is left out. If no queue is
/// left, the server has the default queue.
pub(super) fn validate(configured: &BTreeMap<String, u32>) -> Result<BTreeMap<String, u32>> {
    for name in configured.keys() {
        keys::validate_queue_name(name)
            .map_err(|error| Error::invalid(format!("queue {name:?}: {error}")))?;
    }
    let kept: BTreeMap<String, u32> = configured
        .iter()
        .filter(|(_, weight)| **weight > 0)
        .map(|(name, weight)| (name.clone(), *weight))
        .collect();
    if kept.is_empty() && !configured.is_empty() {
        tracing::warn!(
            "no queue has a weight above 0, so the server serves the queue `default` instead"
        );
    }
    for queue in kept.keys().filter(|name| name.trim() != name.as_str()) {
        tracing::warn!(queue, "the name of a queue begins or ends with a blank");
    }
    Ok(if kept.is_empty() {
        BTreeMap::from([(DEFAULT_QUEUE.to_owned(), 1)])
    } else {
        kept
    })
}

impl Queues {
    pub(super) fn new(broker: &Broker, weights: &BTreeMap<String, u32>, strict: bool) -> Self {
        Self::with_keys(weights, strict, |name| broker.keys(name))
    }

    fn with_keys(
        weights: &BTreeMap<String, u32>,
        strict: bool,
        keys_of: impl Fn(&str) -> QueueKeys,
    ) -> Self {
        let divisor = weights.values().copied().fold(0, gcd).max(1);
        let mut by_weight: Vec<_> = weights.iter().collect();
        by_weight.sort_by_key(|(_, weight)| std::cmp::Reverse(**weight));
        let weighted = by_weight.into_iter().enumerate();
        let weighted = weighted.map(|(index, (name, weight))| {
            let keys = keys_of(name);
            (ServedQueue::new(keys, index), weight / divisor)
        });
        Self {
            weighted: weighted.collect(),
            strict,
        }
    }

    /// All queues, by descending weight.
    pub(super) fn all(&self) -> impl Iterator<Item = &ServedQueue> {
        self.weighted.iter().map(|(queue, _)| queue)
    }

    /// Whether a queue is served only if all queues of a higher weight are empty.
    pub(super) fn is_strict(&self) -> bool {
        self.strict
    }

    pub(super) fn len(&self) -> usize {
        self.weighted.len()
    }

    pub(super) fn get(&self, index: usize) -> &ServedQueue {
        &self.weighted[index].0
    }

    /// Distributes slots over the queues in `open` (by index). Draws a queue for each slot: the chance of a
    /// queue is proportional to its weight, as in asynq. Returns the share of each queue.
    ///
    /// `draw(n)` returns a random number below `n`.
    pub(super) fn distribute(
        &self,
        slots: usize,
        open: &[usize],
        mut draw: impl FnMut(u64) -> u64,
    ) -> Vec<usize> {
        let mut shares = vec![0; self.len()];
        match open {
            [] => {}
            [only] => shares[*only] = slots,
            several => {
                let weight = |queue: &usize| u64::from(self.weighted[*queue].1);
                let total: u64 = several.iter().map(weight).sum();
                for _ in 0..slots {
                    let mut drawn = draw(total);
                    for queue in several {
                        let weight = weight(queue);
                        if drawn < weight {
                            shares[*queue] += 1;
                            break;
                        }
                        drawn -= weight;
                    }
                }
            }
        }
        shares
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn queues(weights: &[(&str, u32)]) -> Queues {
        let weights = weights.iter().map(|(name, w)| ((*name).to_owned(), *w));
        Queues::with_keys(&weights.collect(), false, QueueKeys::new)
    }

    fn draw() -> impl FnMut(u64) -> u64 {
        let mut rng = StdRng::seed_from_u64(1);
        move |n| rng.random_range(0..n)
    }

    #[test]
    fn slots_are_distributed_in_proportion_to_weights() {
        let queues = queues(&[("critical", 6), ("default", 3), ("low", 1)]);
        let shares = queues.distribute(10_000, &[0, 1, 2], draw());
        assert_eq!(shares.iter().sum::<usize>(), 10_000);
        assert!((5_800..6_200).contains(&shares[0]), "{shares:?}");
        assert!((2_800..3_200).contains(&shares[1]), "{shares:?}");
        assert!((850..1_150).contains(&shares[2]), "{shares:?}");
    }

    #[test]
    fn a_queue_that_is_not_open_gets_no_slot() {
        let queues = queues(&[("a", 5), ("b", 1)]);
        assert_eq!(queues.distribute(7, &[1], draw()), [0, 7]);
        assert_eq!(queues.distribute(7, &[], draw()), [0, 0]);
    }

    #[test]
    fn queues_are_in_descending_order_of_weight_and_know_their_index() {
        let queues = queues(&[("a", 2), ("b", 9), ("c", 4)]);
        let all: Vec<_> = queues
            .all()
            .map(|queue| (queue.name(), queue.index))
            .collect();
        assert_eq!(all, [("b", 0), ("c", 1), ("a", 2)]);
    }

    #[test]
    fn a_weight_of_zero_drops_the_queue_and_no_queue_at_all_means_the_default_one() {
        let configured = BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 0)]);
        assert_eq!(
            validate(&configured).expect("valid"),
            BTreeMap::from([("a".to_owned(), 2)])
        );
        let none = BTreeMap::from([("b".to_owned(), 0)]);
        assert_eq!(
            validate(&none).expect("valid"),
            BTreeMap::from([("default".to_owned(), 1)])
        );
    }

    #[test]
    fn a_blank_queue_name_is_refused() {
        let configured = BTreeMap::from([(" ".to_owned(), 1)]);
        assert!(
            validate(&configured)
                .expect_err("blank")
                .to_string()
                .contains("\" \"")
        );
    }
}
