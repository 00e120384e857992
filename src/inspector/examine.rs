//! Looking for damage, in bounded steps.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::{self, Stream, StreamExt};
use parking_lot::Mutex;

use super::bulk_progress::{BulkProgress, ProgressHook};
use super::damage::{Damage, DamageKind};
use super::examiner::Examiner;
use super::global_examiner::GlobalExaminer;

use super::{Inspector, queue_not_found};
use crate::broker::{Broker, RepairMode};
use crate::error::Result;
use crate::wire::QueueKeys;

/// The damage that an examination finds, one after the other. It is a [`Stream`], and has a method
/// [`next`](Self::next).
#[must_use = "nothing is examined until this is polled"]
pub struct Examination {
    found: Pin<Box<dyn Stream<Item = Result<Damage>> + Send>>,
    on_progress: Arc<Mutex<ProgressHook>>,
}

impl Examination {
    /// The next damage. `None`: the examination is over. After an error it is over too.
    ///
    /// # Cancel safety
    /// If the future is dropped, nothing is lost: the next call goes on.
    pub async fn next(&mut self) -> Option<Result<Damage>> {
        self.found.next().await
    }

    /// Calls this function after each step. `examined` is how many ids and keys were examined of about `total`, `matched` is
    /// how much damage was found, and `changed` is 0.
    pub fn on_progress(self, hook: impl Fn(BulkProgress) + Send + Sync + 'static) -> Self {
        *self.on_progress.lock() = ProgressHook::new(hook);
        self
    }

    fn of(subject: Subject) -> Self {
        let on_progress = Arc::default();
        let examined = Examined {
            subject,
            found: VecDeque::new(),
            matched: 0,
            on_progress: Arc::clone(&on_progress),
        };
        let found = stream::unfold(examined, |mut examined| async {
            let damage = examined.next().await?;
            Some((damage, examined))
        });
        Self {
            found: Box::pin(found),
            on_progress,
        }
    }
}

impl fmt::Debug for Examination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examination").finish_non_exhaustive()
    }
}

impl Stream for Examination {
    type Item = Result<Damage>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.found.as_mut().poll_next(cx)
    }
}

/// What is examined.
enum Subject {
    /// A queue whose name was not checked yet.
    Name(Inspector, String),
    Queue(Box<Examiner>),
    Global(Box<GlobalExaminer>),
    Over,
}

struct Examined {
    subject: Subject,
    /// What the last step has found.
    found: VecDeque<Damage>,
    /// How much damage was found.
    matched: u64,
    on_progress: Arc<Mutex<ProgressHook>>,
}

impl Examined {
    async fn next(&mut self) -> Option<Result<Damage>> {
        while self.found.is_empty() {
            match self.step().await {
                Ok(Some(found)) => {
                    self.matched += found.len() as u64;
                    self.found.extend(found);
                    self.tell();
                }
                Ok(None) => return None,
                Err(error) => {
                    self.subject = Subject::Over;
                    return Some(Err(error));
                }
            }
        }
        self.found.pop_front().map(Ok)
    }

    fn tell(&self) {
        let (examined, total) = match &self.subject {
            Subject::Queue(examiner) => examiner.progress(),
            Subject::Global(examiner) => examiner.progress(),
            Subject::Name(..) | Subject::Over => return,
        };
        let hook = self.on_progress.lock().clone();
        hook.tell(BulkProgress {
            examined,
            total,
            matched: self.matched,
            changed: 0,
        });
    }

    async fn step(&mut self) -> Result<Option<Vec<Damage>>> {
        match &mut self.subject {
            Subject::Name(inspector, queue) => {
                let keys = inspector.queue_keys(queue)?;
                let broker = inspector.broker.clone();
                let found = first_look(&broker, &keys).await?;
                let examiner = Examiner::new(broker, keys, RepairMode::Check);
                self.subject = Subject::Queue(Box::new(examiner));
                Ok(Some(found))
            }
            Subject::Queue(examiner) => examiner.step().await,
            Subject::Global(examiner) => examiner.step().await,
            Subject::Over => Ok(None),
        }
    }
}

/// Whether there is such a queue, and whether its deletion was interrupted.
async fn first_look(broker: &Broker, keys: &QueueKeys) -> Result<Vec<Damage>> {
    let queue = keys.queue();
    let rest = broker.is_set_aside(keys).await?;
    // A queue with tasks may not be listed: `examine_global` reports that.
    if !rest && !broker.has_tasks(keys).await? && !broker.queue_exists(queue).await? {
        return Err(queue_not_found(queue));
    }
    let rest = rest.then(|| Damage {
        kind: DamageKind::UnfinishedDeletion,
        queue: Some(queue.to_owned()),
        key: keys.deleted().to_owned(),
        member: None,
        detail: "the queue is being deleted, or its deletion was interrupted".to_owned(),
        trace: String::new(),
    });
    Ok(rest.into_iter().collect())
}

impl Inspector {
    /// Looks for damage in a queue: see [`DamageKind`]. asynq has no such call.
    ///
    /// It only reads, and may run beside servers. A step looks at about 500 ids or keys, which takes Redis 1 to 2 ms. Each
    /// damage was seen by one script, so it is no effect of a task that moves meanwhile. Only a
    /// [task without a place](DamageKind::TaskWithoutPlace) is what several steps have not seen: one that has moved since the
    /// first of them is left to the next examination.
    ///
    /// It reads all tasks of the queue, and the names of all keys of the Redis server, so it takes a few seconds for a
    /// million tasks, and longer if other programs have many keys. Messages of more than 1 MiB are not decoded. Ids and names
    /// that are not UTF-8 are left out. It keeps about 20 bytes in memory for each task that is pending, active or
    /// in a group, and the id and the state of each task that may be without a place.
    ///
    /// Damage that a repair of other damage would bring to light is found at once: the members of a group that is not listed
    /// are examined too. So a second examination after all repairs finds nothing, if nothing has changed meanwhile.
    /// A key of [another type](DamageKind::WrongType) is reported, and the examination goes on.
    ///
    /// What moves in a list of more than 2,000 active tasks may be missed. What servers repair by themselves may be gone
    /// when it is to be [repaired](Self::repair).
    ///
    /// ```no_run
    /// # async fn example(inspector: rasynq::Inspector) -> rasynq::Result<()> {
    /// let mut examination = inspector.examine("default");
    /// while let Some(damage) = examination.next().await {
    ///     let damage = damage?;
    ///     println!("{damage}");
    ///     if damage.kind.is_repairable() {
    ///         inspector.repair(&damage).await?;
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The stream has an error if the name is blank ([`ErrorKind::Invalid`](crate::ErrorKind::Invalid)), or there is no such
    /// queue ([`ErrorKind::QueueNotFound`](crate::ErrorKind::QueueNotFound)), and the errors of [`queues`](Self::queues).
    ///
    /// # Cancel safety
    /// It only reads; the stream may be dropped at any time.
    pub fn examine(&self, queue: impl Into<String>) -> Examination {
        Examination::of(Subject::Name(self.clone(), queue.into()))
    }

    /// Looks for damage in the global keys: servers and schedulers that are over and still listed, their keys and the
    /// histories of entries without a time to live, queues with tasks that are not listed, and old pauses of queues that do
    /// not exist; and global keys of [another type](DamageKind::WrongType). asynq has no such call.
    ///
    /// It only reads, in bounded steps. It reads the names of all keys of Redis; on a cluster, of all its masters. Of
    /// rasynq's own keys it looks at none: they have a time to live, or belong to an
    /// [unfinished deletion](DamageKind::UnfinishedDeletion).
    ///
    /// # Errors
    /// The stream may have the errors of [`queues`](Self::queues).
    ///
    /// # Cancel safety
    /// It only reads; the stream may be dropped at any time.
    pub fn examine_global(&self) -> Examination {
        let examiner = GlobalExaminer::new(self.broker.clone());
        Examination::of(Subject::Global(Box::new(examiner)))
    }
}
