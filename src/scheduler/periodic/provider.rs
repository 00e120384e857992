//! Where the entries of a periodic task manager come from.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::timeout;

use crate::error::Error;
use crate::guard::{CaughtPanic, Foreign, caught, caught_polls};
use crate::scheduler::Entry;

/// Tells a [`PeriodicTaskManager`](super::PeriodicTaskManager) which entries there shall be. asynq:
/// `PeriodicTaskConfigProvider`.
///
/// Ready providers: [`MemoryConfigs`](super::MemoryConfigs), and `YamlFile` with the feature `yaml`. A provider
/// of your own reads, for example, a table:
///
/// ```
/// use rasynq::{ConfigProvider, Entry, Task};
/// # struct Pool;
/// # struct Row { name: String, spec: String, user_id: u64 }
/// # impl Pool { async fn rows(&self) -> anyhow::Result<Vec<Row>> { Ok(Vec::new()) } }
///
/// struct Reports(Pool);
///
/// impl ConfigProvider for Reports {
///     async fn configs(&self) -> anyhow::Result<Vec<Entry>> {
///         let rows = self.0.rows().await?;
///         Ok(rows.into_iter().map(|row| {
///             Entry::new(row.spec, Task::new("report", row.user_id.to_string())).name(row.name)
///         }).collect())
///     }
/// }
/// ```
pub trait ConfigProvider: Send + Sync + 'static {
    /// All entries that there shall be now. Two equal ones are two entries.
    ///
    /// The manager calls this at its start and at each sync. An error at the start ends the start; later it is
    /// logged, and the entries stay as they are. A panic counts as an error, and so does no answer within the
    /// [sync interval](super::PeriodicTaskManager::sync_interval) and 30 s: then the future is dropped. It is also
    /// dropped when the manager shuts down.
    fn configs(&self) -> impl Future<Output = anyhow::Result<Vec<Entry>>> + Send;

    /// Waits until [`configs`](Self::configs) would answer something else than last time. Then the manager asks at
    /// once, and not only after its sync interval. Default: waits for ever.
    ///
    /// # Cancel safety
    /// The manager drops the future at each sync and calls this again: a change in between must not be lost.
    fn changed(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

type ProviderFuture<'p, T> = Pin<Box<dyn Future<Output = T> + Send + 'p>>;

/// A [`ConfigProvider`] behind a pointer.
trait AnyProvider: Send + Sync {
    fn configs(&self) -> ProviderFuture<'_, anyhow::Result<Vec<Entry>>>;
    fn changed(&self) -> ProviderFuture<'_, ()>;
}

impl<P: ConfigProvider> AnyProvider for P {
    fn configs(&self) -> ProviderFuture<'_, anyhow::Result<Vec<Entry>>> {
        Box::pin(ConfigProvider::configs(self))
    }

    fn changed(&self) -> ProviderFuture<'_, ()> {
        Box::pin(ConfigProvider::changed(self))
    }
}

/// A provider of the caller. All its code runs behind the guard.
pub(super) struct GuardedProvider(Foreign<Box<dyn AnyProvider>>);

/// Why there are no entries from a provider.
pub(super) struct ProviderFailure {
    /// For the log.
    pub(super) text: String,
    /// The error of a start.
    pub(super) error: Error,
}

impl GuardedProvider {
    pub(super) fn new(provider: impl ConfigProvider) -> Self {
        Self(Foreign::new(Box::new(provider)))
    }

    /// The entries that there shall be. All are valid but for their specs. The provider has this long to answer.
    pub(super) async fn ask(&self, limit: Duration) -> Result<Vec<Entry>, ProviderFailure> {
        let answer = timeout(limit, guarded_call(|| self.0.configs())).await;
        let entries = answer
            .map_err(|_| ProviderFailure::new(format!("no answer within {limit:?}"), None))?
            .map_err(ProviderFailure::panicked)?
            .map_err(ProviderFailure::of)?;
        match entries.iter().try_for_each(Entry::check) {
            Ok(()) => Ok(entries),
            Err(error) => Err(ProviderFailure {
                text: error.to_string(),
                error,
            }),
        }
    }

    /// Waits for a change. A panic counts as none.
    pub(super) async fn changed(&self) {
        if let Err(panic) = guarded_call(|| self.0.changed()).await {
            let error = panic.logged_text();
            tracing::error!(
                error,
                "a provider panicked while it waited for a change, the next sync comes at its interval"
            );
            std::future::pending().await
        }
    }
}

impl ProviderFailure {
    fn new(text: String, source: Option<Foreign<anyhow::Error>>) -> Self {
        let error = Error::invalid(format!("the provider of periodic tasks failed: {text}"));
        let error = match source {
            Some(source) => error.with_source(source.into_inner()),
            None => error,
        };
        Self { text, error }
    }

    fn of(error: anyhow::Error) -> Self {
        let error = Foreign::new(error);
        match caught(|| format!("{:#}", *error)) {
            Ok(text) => Self::new(text, Some(error)),
            Err(panic) => Self::panicked(panic),
        }
    }

    fn panicked(panic: CaughtPanic) -> Self {
        Self::new(panic.to_string(), None)
    }
}

/// Calls a method of the provider and polls its future.
async fn guarded_call<'p, T>(
    call: impl FnOnce() -> ProviderFuture<'p, T>,
) -> Result<T, CaughtPanic> {
    let mut future = Foreign::new(caught(call)?);
    caught_polls(&mut future).await
}
