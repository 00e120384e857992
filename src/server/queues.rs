//! Which queues a server works on, and in which order it asks them.

use std::collections::BTreeMap;

use rand::Rng;

use crate::broker::Broker;
use crate::error::{Error, Result};
use crate::task::DEFAULT_QUEUE;
use crate::wire::{QueueKeys, keys};

/// The queues of a server with their weights.
#[derive(Clone)]
pub(super) struct Queues {
    /// By falling weight; weights divided by their greatest common divisor.
    weighted: Vec<(QueueKeys, u32)>,
    strict: bool,
}

/// The queues as they were configured, checked: blank names are refused, weights of 0 dropped.
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
    Ok(if kept.is_empty() {
        BTreeMap::from([(DEFAULT_QUEUE.to_owned(), 1)])
    } else {
        kept
    })
}

impl Queues {
    pub(super) fn new(broker: &Broker, weights: &BTreeMap<String, u32>, strict: bool) -> Self {
        let divisor = weights.values().copied().fold(0, gcd).max(1);
        let mut weighted: Vec<(QueueKeys, u32)> = weights
            .iter()
            .map(|(name, weight)| (broker.keys(name), weight / divisor))
            .collect();
        weighted.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        Self { weighted, strict }
    }

    /// All queues, by falling weight.
    pub(super) fn all(&self) -> impl Iterator<Item = &QueueKeys> {
        self.weighted.iter().map(|(keys, _)| keys)
    }

    /// Whether a queue is asked only for what those of higher weight leave free.
    pub(super) fn is_strict(&self) -> bool {
        self.strict
    }

    pub(super) fn len(&self) -> usize {
        self.weighted.len()
    }

    pub(super) fn get(&self, index: usize) -> &QueueKeys {
        &self.weighted[index].0
    }

    /// Deals `slots` out over the queues in `open` (by index), as if asynq's order had been drawn
    /// for each slot: a queue's chance is its weight. Returns how many each queue gets.
    pub(super) fn deal(&self, slots: usize, open: &[usize], rng: &mut impl Rng) -> Vec<usize> {
        let mut dealt = vec![0; self.len()];
        match open {
            [] => {}
            [only] => dealt[*only] = slots,
            several => {
                let weight = |i: &usize| u64::from(self.weighted[*i].1);
                let total: u64 = several.iter().map(weight).sum();
                for _ in 0..slots {
                    let mut draw = rng.random_range(0..total);
                    for i in several {
                        let weight = weight(i);
                        if draw < weight {
                            dealt[*i] += 1;
                            break;
                        }
                        draw -= weight;
                    }
                }
            }
        }
        dealt
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn queues(weights: &[(&str, u32)]) -> Queues {
        let mut weighted: Vec<_> = weights
            .iter()
            .map(|(name, weight)| (QueueKeys::new(name), *weight))
            .collect();
        weighted.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        Queues {
            weighted,
            strict: false,
        }
    }

    #[test]
    fn slots_are_dealt_in_proportion_to_weights() {
        let queues = queues(&[("critical", 6), ("default", 3), ("low", 1)]);
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let dealt = queues.deal(10_000, &[0, 1, 2], &mut rng);
        assert_eq!(dealt.iter().sum::<usize>(), 10_000);
        assert!((5_800..6_200).contains(&dealt[0]), "{dealt:?}");
        assert!((2_800..3_200).contains(&dealt[1]), "{dealt:?}");
        assert!((850..1_150).contains(&dealt[2]), "{dealt:?}");
    }

    #[test]
    fn a_closed_queue_is_dealt_nothing() {
        let queues = queues(&[("a", 5), ("b", 1)]);
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        assert_eq!(queues.deal(7, &[1], &mut rng), [0, 7]);
        assert_eq!(queues.deal(7, &[], &mut rng), [0, 0]);
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
