//! When a group is aggregated: the limits of a server, of a queue and of a group.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::function::AggregateFunction;
use crate::broker::{FormLimits, LARGEST_SET};
use crate::error::{Error, Result};

/// How long a group waits for another task.
pub const DEFAULT_GROUP_GRACE_PERIOD: Duration = Duration::from_secs(60);
/// How many sets of a server are aggregated at once.
pub const DEFAULT_GROUP_CONCURRENCY: usize = 10;
/// The shortest grace period and delay: the times at which tasks are added are stored in whole seconds.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest grace period and delay, a year. A longer setting is cut to it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The most sets that are aggregated at once.
const MAX_CONCURRENCY: usize = 10_000;

/// When the groups of a queue, or one group, are aggregated, for
/// [`Server::group_limits_of_queue`](crate::Server::group_limits_of_queue) and
/// [`Server::group_limits_of_group`](crate::Server::group_limits_of_group).
///
/// A limit that is not set here is that of the queue, or else that of the server. asynq has one set of limits for all
/// groups.
///
/// ```
/// use rasynq::GroupLimits;
/// use std::time::Duration;
/// let limits = GroupLimits::new().grace_period(Duration::from_secs(5)).max_size(100);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "limits do nothing until they are given to a server"]
pub struct GroupLimits {
    grace_period: Option<Duration>,
    max_delay: Option<Duration>,
    max_size: Option<usize>,
}

impl GroupLimits {
    /// No limit is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The group is aggregated once no task was added to it for this time, in whole seconds (fractions are cut). At
    /// least 1 s. Zero means the default, 1 minute. asynq: `GroupGracePeriod`.
    pub fn grace_period(mut self, period: Duration) -> Self {
        self.grace_period = Some(period);
        self
    }

    /// The group is aggregated once its oldest task has waited for this time, in whole seconds (fractions are cut).
    /// At least 1 s. Zero means no limit. asynq: `GroupMaxDelay`.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = Some(delay);
        self
    }

    /// The group is aggregated as soon as it has this many tasks, and no aggregate has more. More than 100,000 means
    /// 100,000. 0 means no limit: the size of the group does not make it due. Then, too, an aggregate has at most
    /// 100,000 tasks, and the others are the next one's. asynq: `GroupMaxSize`; without it all tasks are aggregated at
    /// once, however many.
    pub fn max_size(mut self, tasks: usize) -> Self {
        self.max_size = Some(tasks);
        self
    }

    /// The limits of `self`, and those of `other` where `self` has none.
    fn or(self, other: Self) -> Self {
        Self {
            grace_period: self.grace_period.or(other.grace_period),
            max_delay: self.max_delay.or(other.max_delay),
            max_size: self.max_size.or(other.max_size),
        }
    }

    /// With the defaults for what is not set, in whole seconds.
    fn resolved(self) -> FormLimits {
        let set = |time: Option<Duration>| time.filter(|time| !time.is_zero());
        let whole = |time: Duration| Duration::from_secs(time.min(LONGEST).as_secs());
        FormLimits {
            max_size: self
                .max_size
                .filter(|size| *size > 0)
                .map(|size| (size as u64).min(LARGEST_SET)),
            max_delay: set(self.max_delay).map(whole),
            grace_period: whole(set(self.grace_period).unwrap_or(DEFAULT_GROUP_GRACE_PERIOD)),
        }
    }

    /// Checks the limits. `names` are those of the settings for errors: grace period and max delay.
    fn check(&self, names: [&str; 2]) -> Result<()> {
        for (name, time) in names.into_iter().zip([self.grace_period, self.max_delay]) {
            if let Some(time) = time
                && !time.is_zero()
                && time < SHORTEST
            {
                let text = format!("{name} is {time:?}, it must be at least 1s");
                return Err(Error::invalid(text));
            }
        }
        Ok(())
    }
}

/// How a server aggregates groups.
#[derive(Clone)]
pub(in crate::server) struct GroupSettings {
    /// `None`: the server does not aggregate.
    pub(in crate::server) function: Option<Arc<dyn AggregateFunction>>,
    /// How many sets are aggregated at once.
    pub(in crate::server) concurrency: usize,
    pub(in crate::server) limits: GroupLimits,
    of_queues: BTreeMap<String, GroupLimits>,
    of_groups: BTreeMap<(String, String), GroupLimits>,
    /// What limits were set for twice.
    repeated: BTreeSet<String>,
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self {
            function: None,
            concurrency: DEFAULT_GROUP_CONCURRENCY,
            limits: GroupLimits::default(),
            of_queues: BTreeMap::new(),
            of_groups: BTreeMap::new(),
            repeated: BTreeSet::new(),
        }
    }
}

impl GroupSettings {
    pub(in crate::server) fn set_queue(&mut self, queue: String, limits: GroupLimits) {
        if self.of_queues.insert(queue.clone(), limits).is_some() {
            self.repeated.insert(of_queue(&queue));
        }
    }

    pub(in crate::server) fn set_group(
        &mut self,
        queue: String,
        group: String,
        limits: GroupLimits,
    ) {
        let name = of_group(&queue, &group);
        if self.of_groups.insert((queue, group), limits).is_some() {
            self.repeated.insert(name);
        }
    }

    /// Checks the settings of a server with these queues.
    pub(in crate::server) fn checked(mut self, queues: &BTreeMap<String, u32>) -> Result<Self> {
        if self.concurrency == 0 {
            self.concurrency = DEFAULT_GROUP_CONCURRENCY;
        }
        if self.concurrency > MAX_CONCURRENCY {
            let text = format!(
                "group_concurrency is {}, it must be at most {MAX_CONCURRENCY}",
                self.concurrency
            );
            return Err(Error::invalid(text));
        }
        self.limits
            .check(["group_grace_period", "group_max_delay"])?;
        if let Some(what) = self.repeated.first() {
            return Err(Error::invalid(format!("the limits {what} are set twice")));
        }
        let of_queues = self.of_queues.iter();
        let of_queues = of_queues.map(|(queue, limits)| (of_queue(queue), queue, limits));
        let of_groups = self.of_groups.iter();
        let of_groups =
            of_groups.map(|((queue, group), limits)| (of_group(queue, group), queue, limits));
        for (what, queue, limits) in of_queues.chain(of_groups) {
            if !queues.contains_key(queue) {
                let text = format!("there are limits {what}, but the server has no such queue");
                return Err(Error::invalid(text));
            }
            let names = ["the grace period", "the max delay"].map(|name| format!("{name} {what}"));
            limits.check(names.each_ref().map(String::as_str))?;
        }
        if let Some((queue, group)) = self.of_groups.keys().find(|(_, group)| is_blank(group)) {
            let text = format!(
                "there are limits {}, but this is blank",
                of_group(queue, group)
            );
            return Err(Error::invalid(text));
        }
        if self.function.is_none() && self.has_limits() {
            tracing::warn!("limits of groups have no effect without an aggregator");
        }
        Ok(self)
    }

    /// The limits of the groups of this queue.
    pub(super) fn of_queue(&self, queue: &str) -> LimitsOfQueue {
        let all = self.of_queues.get(queue).copied().unwrap_or_default();
        let all = all.or(self.limits);
        let of_groups = self.of_groups.iter().filter(|((of, _), _)| of == queue);
        LimitsOfQueue {
            of_groups: of_groups
                .map(|((_, group), limits)| (group.clone(), limits.or(all).resolved()))
                .collect(),
            others: all.resolved(),
        }
    }

    fn has_limits(&self) -> bool {
        self.limits != GroupLimits::default()
            || !self.of_queues.is_empty()
            || !self.of_groups.is_empty()
    }
}

/// The limits of the groups of one queue.
pub(super) struct LimitsOfQueue {
    of_groups: HashMap<String, FormLimits>,
    others: FormLimits,
}

impl LimitsOfQueue {
    pub(super) fn of(&self, group: &str) -> FormLimits {
        self.of_groups.get(group).copied().unwrap_or(self.others)
    }

    pub(super) fn shortest_grace_period(&self) -> Duration {
        let all = self.of_groups.values().chain([&self.others]);
        let shortest = all.map(|limits| limits.grace_period).min();
        shortest.unwrap_or(DEFAULT_GROUP_GRACE_PERIOD)
    }
}

fn of_queue(queue: &str) -> String {
    format!("of queue {queue:?}")
}

fn of_group(queue: &str, group: &str) -> String {
    format!("of group {group:?} in queue {queue:?}")
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Duration = Duration::from_millis(500);

    fn error_of(set: impl FnOnce(&mut GroupSettings)) -> String {
        let mut settings = GroupSettings::default();
        set(&mut settings);
        let queues = BTreeMap::from([("default".to_owned(), 1)]);
        let error = settings.checked(&queues).err().expect("it is refused");
        error.to_string()
    }

    #[test]
    fn a_set_has_at_most_a_hundred_thousand_tasks_whatever_the_max_size() {
        for (max_size, due, largest) in [
            (0, None, 100_000),
            (5, Some(5), 5),
            (1_000_000, Some(100_000), 100_000),
        ] {
            let limits = GroupLimits::new().max_size(max_size).resolved();
            assert_eq!((limits.max_size, limits.largest_set()), (due, largest));
        }
    }

    #[test]
    fn an_error_names_the_setting_its_value_and_the_bound() {
        let limits = GroupLimits::new;
        assert_eq!(
            error_of(|settings| settings.limits = limits().grace_period(HALF)),
            "group_grace_period is 500ms, it must be at least 1s"
        );
        assert_eq!(
            error_of(|settings| settings.limits = limits().max_delay(HALF)),
            "group_max_delay is 500ms, it must be at least 1s"
        );
        assert_eq!(
            error_of(|settings| settings.concurrency = 20_000),
            "group_concurrency is 20000, it must be at most 10000"
        );
        let queue = || "default".to_owned();
        assert_eq!(
            error_of(|settings| settings.set_queue(queue(), limits().max_delay(HALF))),
            "the max delay of queue \"default\" is 500ms, it must be at least 1s"
        );
        assert_eq!(
            error_of(|settings| {
                let limits = limits().grace_period(HALF);
                settings.set_group(queue(), "a".to_owned(), limits);
            }),
            "the grace period of group \"a\" in queue \"default\" is 500ms, it must be at least 1s"
        );
        assert_eq!(
            error_of(|settings| settings.set_queue("mail".to_owned(), limits())),
            "there are limits of queue \"mail\", but the server has no such queue"
        );
        assert_eq!(
            error_of(|settings| settings.set_group(queue(), " ".to_owned(), limits())),
            "there are limits of group \" \" in queue \"default\", but this is blank"
        );
        assert_eq!(
            error_of(|settings| {
                settings.set_queue(queue(), limits());
                settings.set_queue(queue(), limits());
            }),
            "the limits of queue \"default\" are set twice"
        );
    }
}
