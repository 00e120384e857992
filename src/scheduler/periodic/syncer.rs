//! Makes the entries of a running scheduler those that the provider tells.

use std::cell::LazyCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::plan::SyncPlan;
use super::provider::GuardedProvider;
use crate::background::{Backoff, Service, ToldFailures};
use crate::clock;
use crate::error::{Result, warn_if};
use crate::guard::caught_future;
use crate::scheduler::{Entry, RunningScheduler};

/// The shortest pause between two syncs, for a provider that always says that something has changed.
const MIN_PAUSE: Duration = Duration::from_millis(100);
/// The shortest time that a provider has for its answer.
const MIN_ANSWER_TIME: Duration = Duration::from_secs(30);

/// How long a provider has for its answer.
pub(super) fn answer_time(sync_interval: Duration) -> Duration {
    sync_interval.max(MIN_ANSWER_TIME)
}

/// How many steps of one kind a sync has made.
#[derive(Default)]
struct Steps {
    made: usize,
    failed: usize,
}

pub(super) struct Syncer {
    provider: GuardedProvider,
    scheduler: Arc<RunningScheduler>,
    /// The location of the scheduler.
    zone: Tz,
    interval: Duration,
    /// When the provider is asked again, at the latest.
    ask_at: Instant,
    /// What is registered, with the ids that the scheduler gave. Entries with the same key but for its number are in the
    /// order of their numbers.
    registered: Vec<(String, Entry)>,
    /// What the last sync could not make true, because of Redis. It is tried again.
    unfinished: Option<Vec<Entry>>,
    backoff: Backoff,
    /// How the provider fails now.
    failure: Option<String>,
    /// The entries that Redis fails for now.
    refused: ToldFailures<String>,
    /// What is wrong with the specs that were left out at the last sync.
    unreadable: HashSet<String>,
}

impl Syncer {
    pub(super) fn new(
        provider: GuardedProvider,
        scheduler: Arc<RunningScheduler>,
        zone: Tz,
        interval: Duration,
    ) -> Self {
        Self {
            provider,
            scheduler,
            zone,
            interval,
            ask_at: clock::monotonic() + interval,
            registered: Vec::new(),
            unfinished: None,
            backoff: Backoff::new(),
            failure: None,
            refused: ToldFailures::default(),
            unreadable: HashSet::new(),
        }
    }

    /// Waits until it is time for a sync, and makes it.
    async fn step(&mut self) {
        let retry_at = self
            .unfinished
            .is_some()
            .then(|| clock::monotonic() + self.backoff.pause());
        let until = retry_at.map_or(self.ask_at, |at| at.min(self.ask_at));
        let has_changed = timeout_at(until, self.provider.changed()).await.is_ok();
        let mut wanted = None;
        if has_changed || clock::monotonic() >= self.ask_at {
            wanted = self.ask().await;
        }
        if let Some(wanted) = wanted.or_else(|| self.unfinished.take()) {
            self.sync(wanted).await;
        }
        sleep(MIN_PAUSE).await;
    }

    /// Asks the provider. `None`: it has failed, and the entries stay as they are.
    async fn ask(&mut self) -> Option<Vec<Entry>> {
        let answer = self.provider.ask(answer_time(self.interval)).await;
        self.ask_at = clock::monotonic() + self.interval;
        match answer {
            Ok(entries) => {
                if self.failure.take().is_some() {
                    tracing::info!("the provider of periodic tasks answers again");
                }
                Some(entries)
            }
            Err(failure) => {
                let error = failure.text;
                let is_news = self.failure.as_ref() != Some(&error);
                warn_if!(
                    is_news,
                    error,
                    "the provider of periodic tasks failed, the entries stay as they are"
                );
                self.failure = Some(error);
                None
            }
        }
    }

    /// Makes the registered entries those that are wanted. What Redis fails for is left for the next step.
    pub(super) async fn sync(&mut self, wanted: Vec<Entry>) {
        let plan = SyncPlan::new(&self.registered, wanted.clone(), self.zone);
        self.tell_unreadable(&plan.unreadable);
        self.forget_refusals(&wanted);
        let changed = self.replace(plan.replaced).await;
        // Before the others are added: one of them may have the name of a removed one.
        let removed = self.remove(plan.removed).await;
        let added = self.add(plan.added).await;
        let has_failed = added.failed + changed.failed + removed.failed > 0;
        let [added, changed, removed] = [added.made, changed.made, removed.made];
        if added + changed + removed > 0 {
            tracing::info!(
                added,
                changed,
                removed,
                "synced the entries of periodic tasks"
            );
            self.scheduler.show_changes().await;
        }
        if has_failed {
            self.unfinished = Some(wanted);
        } else {
            self.backoff.reset();
        }
    }

    /// Forgets the refusals of entries that are neither wanted nor registered.
    fn forget_refusals(&mut self, wanted: &[Entry]) {
        let registered = self.registered.iter().map(|(_, entry)| entry);
        let (all, zone) = (wanted.iter().chain(registered), self.zone);
        // As a rule nothing is refused, and no entry is looked at.
        let known = LazyCell::new(|| -> HashSet<String> {
            all.map(|entry| entry.contents(zone)).collect()
        });
        self.refused.retain(|contents| known.contains(contents));
    }

    async fn replace(&mut self, pairs: Vec<(String, Entry)>) -> Steps {
        let mut steps = Steps::default();
        for (old, entry) in pairs {
            let replacing = self.scheduler.replace(&old, entry.clone()).await;
            if let Some(id) = self.outcome(&entry, replacing, &mut steps) {
                if id == old {
                    if let Some(one) = self.registered.iter_mut().find(|one| one.0 == id) {
                        one.1 = entry;
                    }
                } else {
                    // Its key has the highest number of its group.
                    self.registered.retain(|one| one.0 != old);
                    self.registered.push((id, entry));
                }
            }
        }
        steps
    }

    async fn remove(&mut self, ids: Vec<String>) -> Steps {
        let mut steps = Steps::default();
        // The highest numbers go first: if one of them fails, those before it stay too.
        for id in ids.into_iter().rev() {
            let removing = self.scheduler.remove(&id).await;
            let Some(at) = self.registered.iter().position(|one| one.0 == id) else {
                continue;
            };
            let entry = self.registered.remove(at).1;
            if self.outcome(&entry, removing, &mut steps).is_none() {
                self.registered.insert(at, (id, entry));
            }
        }
        steps
    }

    async fn add(&mut self, entries: Vec<Entry>) -> Steps {
        let mut steps = Steps::default();
        let all = self.scheduler.add(entries.clone()).await;
        let mut ids = all.ok().map(Vec::into_iter);
        for entry in entries {
            let adding = match &mut ids {
                Some(ids) => Ok(ids.next()),
                // None is registered. One by one, those are that Redis accepts.
                None => self
                    .scheduler
                    .add(vec![entry.clone()])
                    .await
                    .map(|mut ids| ids.pop()),
            };
            if let Some(id) = self.outcome(&entry, adding, &mut steps).flatten() {
                self.registered.push((id, entry));
            }
        }
        steps
    }

    /// The result of a step for an entry. `None`: it failed, and is tried again.
    fn outcome<T>(&mut self, entry: &Entry, result: Result<T>, steps: &mut Steps) -> Option<T> {
        let thing = entry.contents(self.zone);
        match result {
            Ok(value) => {
                self.refused.succeeded(&thing);
                steps.made += 1;
                Some(value)
            }
            Err(error) => {
                let is_news = self.refused.failed(thing, &error);
                warn_if!(
                    is_news,
                    spec = entry.spec,
                    %error,
                    "could not register, change or remove an entry, trying again"
                );
                steps.failed += 1;
                None
            }
        }
    }

    /// Tells of the specs that do not parse, once each.
    fn tell_unreadable(&mut self, entries: &[Entry]) {
        let mut texts = HashSet::new();
        for entry in entries {
            let Err(error) = entry.readable() else {
                continue;
            };
            let error = error.to_string();
            if !self.unreadable.contains(&error) && !texts.contains(&error) {
                tracing::error!(error, "left out a periodic task: its spec does not parse");
            }
            texts.insert(error);
        }
        self.unreadable = texts;
    }
}

impl Service for Syncer {
    const NAME: &'static str = "periodic task manager";

    async fn run(mut self, stop: CancellationToken) {
        let scheduler = Arc::clone(&self.scheduler);
        let syncs = async {
            loop {
                if let Err(panic) = caught_future(self.step()).await {
                    let error = panic.logged_text();
                    tracing::error!(
                        error,
                        "a sync of periodic tasks panicked, the next one will try again"
                    );
                    sleep(MIN_PAUSE).await;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = scheduler.wait() => {}
            () = syncs => {}
        }
    }
}
