//! Watches the queues, so that nobody has to ask: wakes the processor when tasks come, tells the
//! forwarder when the next ones are due, and the janitor when there are completed ones.
//!
//! For each queue one key is watched at a time for the processor: the pending list of an empty
//! queue, the flag of a paused one. Where the server or the user's permissions forbid watching, it
//! says so and the others ask at their intervals.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use rand::Rng;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::queues::Queues;
use super::service::Backoff;
use super::wakeups::{Wakeups, Word};
use crate::broker::{Broker, Notice, Notices, Watch};
use crate::error::Result;

/// How often everything pending is looked at though no word came: one command for all queues.
const NET_INTERVAL: Duration = Duration::from_secs(5);
/// The same in a cluster, where each queue takes a command of its own.
const NET_INTERVAL_CLUSTER: Duration = Duration::from_secs(30);
/// How often our clock is compared with Redis', and what is due with what is known of it.
const CLOCK_INTERVAL: Duration = Duration::from_secs(30);
/// How long to wait before watching is tried again where it is forbidden.
const FORBIDDEN_PAUSE: Duration = Duration::from_secs(60);
/// By how much (ms) our clock may move against Redis' before what is due is looked up again.
const CLOCK_TOLERANCE_MS: u64 = 100;
/// The first pause, and the longest, before a queue is watched again whose tasks others keep taking first.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// The pause between two looks at what is due in a queue that changes all the time.
const DUE_PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Watcher {
    pub(super) broker: Broker,
    pub(super) queues: Queues,
    pub(super) wakeups: Arc<Wakeups>,
    pub(super) words: mpsc::UnboundedReceiver<Word>,
    /// What the heartbeater keeps alive.
    pub(super) server_key: String,
}

/// What a watched key is to its queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Pending,
    Paused,
    Scheduled,
    Retry,
    Completed,
}

/// The sorted sets that are watched.
const SETS: [Role; 3] = [Role::Scheduled, Role::Retry, Role::Completed];

/// A look at a key, which watches it.
#[derive(Clone, Copy, Debug)]
struct Look {
    queue: usize,
    role: Role,
    after: Duration,
}

/// What a look found.
enum Found {
    Exists(bool),
    Lowest(Option<i64>),
}

impl Watcher {
    /// Watches until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let wakeups = Arc::clone(&self.wakeups);
        let work = async {
            let mut backoff = Backoff::new();
            loop {
                let error = match self.broker.watch().await {
                    Ok((watch, notices)) => {
                        backoff.reset();
                        match self.watch(&watch, notices).await {
                            Ok(()) => continue,
                            Err(error) => error,
                        }
                    }
                    Err(error) => error,
                };
                self.wakeups.set_watched(false);
                tracing::warn!(%error, "cannot watch the queues, asking at intervals instead");
                tokio::time::sleep(if error.is_transient() {
                    backoff.pause()
                } else {
                    FORBIDDEN_PAUSE
                })
                .await;
            }
        };
        stop.run_until_cancelled(work).await;
        wakeups.set_watched(false);
    }

    /// Returns when anything may have changed unseen.
    async fn watch(&mut self, watch: &Watch, mut notices: Notices) -> Result<()> {
        let Self {
            queues,
            wakeups,
            words,
            server_key,
            ..
        } = self;
        let queues = &*queues;
        let roles = roles(queues);
        let mut in_vain = vec![0_u32; queues.len()];
        // queues that a fetch found paused
        let mut paused = vec![false; queues.len()];
        // queues for which a look at pending or paused is under way: one does for all
        let mut looked_at = vec![false; queues.len()];
        // what each set of a queue was last seen to begin with, in the order of `SETS`
        let mut lowest = vec![[None::<i64>; SETS.len()]; queues.len()];
        let mut offset_ms = watch.clock_offset_ms().await?;
        let net_interval = match watch.slots_apart() {
            true => NET_INTERVAL_CLUSTER,
            false => NET_INTERVAL,
        };
        let mut net = tokio::time::interval_at(Instant::now() + net_interval, net_interval);
        let mut clock = tokio::time::interval_at(Instant::now() + CLOCK_INTERVAL, CLOCK_INTERVAL);
        let mut looks = FuturesUnordered::new();
        let look_at_sets = || {
            let all = (0..queues.len()).flat_map(|queue| SETS.map(|role| Look::now(queue, role)));
            all.map(|at| look(watch, queues, at))
        };
        looks.extend(look_at_sets());
        // every queue is asked once; found empty, it is watched
        wakeups.set_watched(true);
        loop {
            tokio::select! {
                // a look's reply before the notice that its key has changed since
                biased;
                Some((look, found)) = looks.next(), if !looks.is_empty() => match (look.role, found?) {
                    (Role::Pending | Role::Paused, Found::Exists(exists)) => {
                        looked_at[look.queue] = false;
                        if look.role == Role::Paused {
                            paused[look.queue] = exists;
                        }
                        if exists == (look.role == Role::Pending) {
                            wakeups.set_ready(look.queue);
                        }
                    }
                    (role, Found::Lowest(at)) => {
                        let lowest = &mut lowest[look.queue];
                        lowest[role.place()] = at;
                        let ours = |at: &i64| ours(*at, offset_ms);
                        if role == Role::Completed {
                            wakeups.set_expiry(look.queue, at.as_ref().map(ours));
                        } else {
                            wakeups.set_due(look.queue, lowest[..2].iter().flatten().min().map(ours));
                        }
                    }
                    _ => {}
                },
                notice = notices.next() => {
                    let Notice::Changed(keys) = notice? else {
                        return Ok(());
                    };
                    for (queue, role) in keys.iter().filter_map(|key| roles.get(key.as_str()?)) {
                        match role {
                            // of use once the queue is resumed
                            Role::Pending if paused[*queue] => {}
                            Role::Pending | Role::Paused => {
                                paused[*queue] = false;
                                wakeups.set_ready(*queue);
                            }
                            Role::Scheduled | Role::Retry => {
                                let again = Look { after: DUE_PAUSE, ..Look::now(*queue, *role) };
                                looks.push(look(watch, queues, again));
                            }
                            // it is looked at when the janitor comes by
                            Role::Completed => wakeups.set_expiry(*queue, Some(0)),
                        }
                    }
                }
                Some(word) = words.recv() => match word {
                    Word::Drained { queue, paused: is_paused, in_vain: vain } => {
                        in_vain[queue] = if vain { in_vain[queue].saturating_add(1) } else { 0 };
                        paused[queue] = is_paused;
                        if !std::mem::replace(&mut looked_at[queue], true) {
                            let role = if is_paused { Role::Paused } else { Role::Pending };
                            let after = herd_pause(in_vain[queue]);
                            looks.push(look(watch, queues, Look { after, ..Look::now(queue, role) }));
                        }
                    }
                    Word::Cleaned { queue } => {
                        looks.push(look(watch, queues, Look::now(queue, Role::Completed)));
                    }
                    Word::Forwarded { queue } => for role in [Role::Scheduled, Role::Retry] {
                        let again = Look { after: DUE_PAUSE, ..Look::now(queue, role) };
                        looks.push(look(watch, queues, again));
                    },
                },
                _ = clock.tick() => {
                    let before = std::mem::replace(&mut offset_ms, watch.clock_offset_ms().await?);
                    let moved = before.abs_diff(offset_ms) > CLOCK_TOLERANCE_MS;
                    let sets = queues.all().flat_map(|keys| [keys.scheduled(), keys.retry()]);
                    let known = lowest.iter().flat_map(|sets| &sets[..2]).flatten().count() as i64;
                    let counted = watch.count_existing(sets.collect()).await?;
                    let unseen = counted.is_some_and(|counted| counted != known);
                    if moved || unseen {
                        looks.extend(look_at_sets());
                    }
                }
                _ = net.tick() => {
                    // As far as is known, no pending list of the quiet queues exists, and each flag of
                    // the halted ones.
                    let all = || 0..queues.len();
                    let quiet = || all().filter(|queue| !wakeups.is_ready(*queue) && !paused[*queue]);
                    let halted = || all().filter(|queue| paused[*queue]);
                    // our own sign of life among them, so often that it outweighs them: a Redis
                    // that was emptied has forgotten what is watched as well
                    let life = queues.len() + 1;
                    let keys = std::iter::repeat_n(server_key.as_str(), life)
                        .chain(quiet().map(|queue| queues.get(queue).pending()))
                        .chain(halted().map(|queue| queues.get(queue).paused()));
                    let found = watch.count_existing(keys.collect()).await?;
                    let found = found.map(|found| usize::try_from(found).unwrap_or(0));
                    if found.is_some_and(|found| found < life) {
                        return Ok(());
                    }
                    // where nothing can be counted, each is looked at
                    if found != Some(life + halted().count()) {
                        let pending = quiet().map(|queue| Look::now(queue, Role::Pending));
                        let flags = halted().map(|queue| Look::now(queue, Role::Paused));
                        for again in pending.chain(flags).collect::<Vec<_>>() {
                            if !std::mem::replace(&mut looked_at[again.queue], true) {
                                looks.push(look(watch, queues, again));
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Role {
    /// Its place among [`SETS`].
    fn place(self) -> usize {
        match self {
            Self::Scheduled => 0,
            Self::Retry => 1,
            Self::Pending | Self::Paused | Self::Completed => 2,
        }
    }
}

impl Look {
    fn now(queue: usize, role: Role) -> Self {
        Self {
            queue,
            role,
            after: Duration::ZERO,
        }
    }
}

async fn look(watch: &Watch, queues: &Queues, look: Look) -> (Look, Result<Found>) {
    if !look.after.is_zero() {
        tokio::time::sleep(look.after).await;
    }
    let queue = queues.get(look.queue);
    let found = match look.role {
        Role::Pending => watch.exists(queue.pending()).await.map(Found::Exists),
        Role::Paused => watch.exists(queue.paused()).await.map(Found::Exists),
        Role::Scheduled => lowest_of(watch, queue.scheduled()).await,
        Role::Retry => lowest_of(watch, queue.retry()).await,
        Role::Completed => lowest_of(watch, queue.completed()).await,
    };
    (look, found)
}

async fn lowest_of(watch: &Watch, key: &str) -> Result<Found> {
    match watch.lowest_score(key).await {
        // a key of a wrong type, which concerns this queue alone
        Err(error) if !error.is_transient() => {
            tracing::warn!(key, %error, "cannot watch a sorted set");
            Ok(Found::Lowest(None))
        }
        found => found.map(Found::Lowest),
    }
}

/// The watched keys of all queues.
fn roles(queues: &Queues) -> HashMap<String, (usize, Role)> {
    let mut roles = HashMap::new();
    for (i, queue) in queues.all().enumerate() {
        for (role, key) in [
            (Role::Pending, queue.pending()),
            (Role::Paused, queue.paused()),
            (Role::Scheduled, queue.scheduled()),
            (Role::Retry, queue.retry()),
            (Role::Completed, queue.completed()),
        ] {
            roles.insert(key.to_owned(), (i, role));
        }
    }
    roles
}

/// A moment of Redis' clock (unix s) on ours (unix ms).
fn ours(at_unix_secs: i64, offset_ms: i64) -> i64 {
    at_unix_secs.saturating_mul(1000).saturating_sub(offset_ms)
}

/// How long to leave an empty queue unwatched: where many idle servers are woken for each task,
/// those that come too late again and again make room.
fn herd_pause(looks_in_vain: u32) -> Duration {
    let Some(doublings) = looks_in_vain.checked_sub(2) else {
        return Duration::ZERO;
    };
    let pause = FIRST_PAUSE * (1 << doublings.min(10));
    pause
        .min(LONGEST_PAUSE)
        .mul_f64(rand::rng().random_range(0.5..1.5))
}
