//! Groups: their names, how old they are, and aggregation sets that are formed of their tasks.

use std::time::Duration;

use chrono::{DateTime, Utc};
use fred::types::{Key, Value};

use super::enqueue::{ATTEMPTS, PAUSE};
use super::script::{FORM_SET, GROUP_AGES, number, word};
use super::{Broker, reply};
use crate::broker::{AggregationSet, FormLimits, Formed, GroupAge, Str};
use crate::connection::Command;
use crate::error::{Error, Result};
use crate::wire::QueueKeys;

/// How long a set may take until its aggregate is stored. asynq: `aggregationTimeout`.
const AGGREGATION_TIMEOUT: Duration = Duration::from_secs(120);
/// How many names one call reads, about.
const NAMES_AT_ONCE: &str = "1000";
/// The longest pause is [`PAUSE`] times this.
const MOST_PAUSES: u32 = 40;

impl Broker {
    /// The names of the groups of a queue, each once, in no order. asynq: `ListGroups`.
    pub(crate) async fn group_names(&self, queue: &QueueKeys) -> Result<Vec<Str>> {
        let scan = |args: [String; 4]| {
            let scan = Command::on_key("SSCAN", args.map(Value::from));
            self.send(scan, "list groups")
        };
        all_names(queue, scan).await
    }

    /// What at most 500 groups have.
    pub(crate) async fn group_ages(
        &self,
        queue: &QueueKeys,
        groups: &[Str],
    ) -> Result<Vec<GroupAge>> {
        let keys = || groups.iter().map(|group| Key::from(queue.group(group)));
        let build = || (keys().collect(), Vec::new());
        ages(GROUP_AGES.call(self, build).await?, groups.len())
    }

    /// Takes the tasks of a group into an aggregation set if they are due, at most
    /// [`largest_set`](FormLimits::largest_set) of them, the oldest. The id of the set must be new; a caller
    /// that got no reply may call again with the same one. asynq: `AggregationCheck`.
    ///
    /// The set is put back by any server two minutes later, unless its aggregate is stored.
    pub(crate) async fn form_set(
        &self,
        queue: &QueueKeys,
        group: &str,
        set_id: &str,
        limits: FormLimits,
    ) -> Result<Formed> {
        let key = queue.aggregation_set(group, set_id);
        let (mut lost, mut has_part) = (0, false);
        loop {
            match self.form_part(queue, group, &key, limits).await {
                Ok((_, true)) => has_part = true,
                Ok((formed, false)) => return Ok(formed),
                Err(error) => {
                    let may_exist = has_part || error.is_transient();
                    if let Err(error) = again_after(error, &mut lost).await {
                        // Otherwise its tasks would wait for its deadline.
                        if may_exist && let Err(error) = self.return_all(queue, group, &key).await {
                            tracing::debug!(%error, queue = queue.queue(), group, "a set is left for a recoverer");
                        }
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Waits before a call about a set is made again, because it failed with this error. No call is made again after the
    /// deadline of the set.
    ///
    /// # Errors
    /// The error, if the call is not made again.
    pub(super) async fn again_until(
        &self,
        deadline: DateTime<Utc>,
        error: Error,
        lost: &mut u32,
    ) -> Result<()> {
        if !error.is_transient() || self.clock().now() >= deadline {
            return Err(error);
        }
        *lost += 1;
        tracing::debug!(%error, attempt = *lost, "a call about an aggregation set got no reply, trying again");
        tokio::time::sleep(PAUSE * (*lost).min(MOST_PAUSES)).await;
        Ok(())
    }

    /// One call. Returns also whether the set is not complete yet.
    async fn form_part(
        &self,
        queue: &QueueKeys,
        group: &str,
        set: &str,
        limits: FormLimits,
    ) -> Result<(Formed, bool)> {
        let name = FORM_SET.name;
        let build = || {
            let keys = vec![
                Key::from(queue.group(group)),
                Key::from(set),
                Key::from(queue.aggregation_sets()),
                Key::from(queue.groups()),
            ];
            let args = vec![
                group.into(),
                number(limits.max_size.unwrap_or(0)),
                limits.max_delay.map_or(word("-1"), millis),
                millis(limits.grace_period),
                number(limits.largest_set()),
                number(AGGREGATION_TIMEOUT.as_secs()),
            ];
            (keys, args)
        };
        let reply = FORM_SET.call(self, build).await?;
        let mut values = reply::array(reply, name)?.into_iter();
        let what = reply::text(values.next().unwrap_or(Value::Null), name)?;
        match &*what {
            "empty" => Ok((Formed::Empty, false)),
            "early" => {
                let age = age(&mut values, name)?;
                let now_ms = reply::integer(&values.next().unwrap_or(Value::Null), name)?;
                Ok((Formed::NotDue { age, now_ms }, false))
            }
            _ => {
                let [deadline, size, more] = [(); 3].map(|()| values.next().unwrap_or(Value::Null));
                let set = AggregationSet {
                    keys: queue.clone(),
                    group: group.to_owned().into(),
                    key: set.to_owned(),
                    deadline: DateTime::from_timestamp(score(deadline, name)?, 0)
                        .unwrap_or_default(),
                    size: reply::integer(&size, name)?.unsigned_abs(),
                    locks: Vec::new(),
                };
                let is_part = reply::integer(&more, name)? == 1;
                Ok((Formed::Set(set), is_part))
            }
        }
    }
}

/// The names of the groups of a queue, each once, sorted. A name that is not UTF-8 is left out: no message can have it.
/// `scan` sends `SSCAN` with the given arguments.
pub(super) async fn all_names<R>(
    queue: &QueueKeys,
    scan: impl Fn([String; 4]) -> R,
) -> Result<Vec<Str>>
where
    R: Future<Output = Result<(String, Vec<Value>)>>,
{
    let mut names = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let args = [queue.groups(), &cursor, "COUNT", NAMES_AT_ONCE];
        let (next, part) = scan(args.map(str::to_owned)).await?;
        names.extend(part.into_iter().filter_map(Value::into_bytes_str));
        if next == "0" {
            break;
        }
        cursor = next;
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Waits before a call is made again, because it failed with this error. A call is made three times at most.
///
/// # Errors
/// The error, if the call is not made again.
pub(super) async fn again_after(error: Error, lost: &mut u32) -> Result<()> {
    if !error.is_transient() || *lost + 1 >= ATTEMPTS {
        return Err(error);
    }
    *lost += 1;
    tokio::time::sleep(PAUSE * *lost).await;
    Ok(())
}

/// The reply of [`GROUP_AGES`] for this many groups.
pub(super) fn ages(reply: Value, groups: usize) -> Result<Vec<GroupAge>> {
    let mut values = reply::array(reply, GROUP_AGES.name)?.into_iter();
    let ages = (0..groups).map(|_| age(&mut values, GROUP_AGES.name));
    ages.collect()
}

/// The next three values of a reply: size, lowest and highest score.
fn age(values: &mut impl Iterator<Item = Value>, script: &str) -> Result<GroupAge> {
    let mut next = || values.next().unwrap_or(Value::Null);
    let (size, oldest, newest) = (next(), next(), next());
    Ok(GroupAge {
        size: reply::integer(&size, script)?.unsigned_abs(),
        oldest: score(oldest, script)?,
        newest: score(newest, script)?,
    })
}

/// A score; 0 if it is no number.
fn score(value: Value, script: &str) -> Result<i64> {
    reply::score_text(value, script).map(Option::unwrap_or_default)
}

fn millis(duration: Duration) -> Value {
    // More than a script can reckon with makes no difference.
    number(duration.as_millis().min(1 << 52) as i64)
}
