//! Looking for damage, in bounded steps.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, Stream, StreamExt};

use super::Inspector;
use super::damage::{Damage, DamageKind};
use super::examiner::Examiner;
use super::server_examiner::ServerExaminer;
use crate::broker::{Broker, Todo};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::QueueKeys;

/// The damage that an examination finds, one after the other. It is a [`Stream`], and has a method
/// [`next`](Self::next).
#[must_use = "nothing is examined until this is polled"]
pub struct Examination {
    found: Pin<Box<dyn Stream<Item = Result<Damage>> + Send>>,
}

impl Examination {
    /// The next damage. `None`: the examination is over. After an error it is over too.
    ///
    /// # Cancel safety
    /// If the future is dropped, nothing is lost: the next call goes on.
    pub async fn next(&mut self) -> Option<Result<Damage>> {
        self.found.next().await
    }

    fn of(examined: Examined) -> Self {
        let found = stream::unfold(examined, |mut examined| async {
            let damage = examined.next().await?;
            Some((damage, examined))
        });
        Self {
            found: Box::pin(found),
        }
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
    Servers(Box<ServerExaminer>),
    Over,
}

struct Examined {
    subject: Subject,
    /// What the last step has found.
    found: VecDeque<Damage>,
}

impl Examined {
    async fn next(&mut self) -> Option<Result<Damage>> {
        while self.found.is_empty() {
            match self.step().await {
                Ok(Some(found)) => self.found.extend(found),
                Ok(None) => return None,
                Err(error) => {
                    self.subject = Subject::Over;
                    return Some(Err(error));
                }
            }
        }
        self.found.pop_front().map(Ok)
    }

    async fn step(&mut self) -> Result<Option<Vec<Damage>>> {
        match &mut self.subject {
            Subject::Name(inspector, queue) => {
                let keys = inspector.queue_keys(queue)?;
                let broker = inspector.broker.clone();
                let found = first_look(&broker, &keys).await?;
                let examiner = Examiner::new(broker, keys, Todo::Check);
                self.subject = Subject::Queue(Box::new(examiner));
                Ok(Some(found))
            }
            Subject::Queue(examiner) => examiner.step().await,
            Subject::Servers(examiner) => examiner.step().await,
            Subject::Over => Ok(None),
        }
    }
}

/// Whether there is such a queue, and whether its deletion was interrupted.
async fn first_look(broker: &Broker, keys: &QueueKeys) -> Result<Vec<Damage>> {
    let queue = keys.queue();
    let rest = broker.is_set_aside(keys).await?;
    // A queue with tasks may not be listed: `examine_servers` reports that.
    if !rest && !broker.queue_exists(queue).await? && !broker.has_tasks(keys).await? {
        let text = format!("no queue {queue:?}");
        return Err(Error::new(ErrorKind::QueueNotFound, text));
    }
    let rest = rest.then(|| Damage {
        kind: DamageKind::StaleKey,
        queue: Some(queue.to_owned()),
        key: keys.deleted().to_owned(),
        member: None,
        detail: "the queue is being deleted, or its deletion was interrupted".to_owned(),
    });
    Ok(rest.into_iter().collect())
}

impl Inspector {
    /// Looks for damage in a queue: see [`DamageKind`]. asynq has no such call.
    ///
    /// It only reads, in steps of about 500 tasks or keys, and may run beside servers. Each damage was seen by one
    /// script, so it is no effect of a task that moves meanwhile. It reads all tasks of the queue, and the names of all
    /// keys of the Redis server, so it takes a few seconds for a million tasks. Messages of more than 1 MiB are not
    /// decoded. For each pending task it keeps about 20 bytes in memory.
    ///
    /// What moves in a long list of active tasks may be missed. What servers repair by themselves may be gone when it
    /// is to be [repaired](Self::repair).
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
    /// The stream has an error if the name is blank ([`ErrorKind::Invalid`]), or there is no such queue
    /// ([`ErrorKind::QueueNotFound`]), and the errors of [`queues`](Self::queues).
    pub fn examine(&self, queue: impl Into<String>) -> Examination {
        Examination::of(Examined {
            subject: Subject::Name(self.clone(), queue.into()),
            found: VecDeque::new(),
        })
    }

    /// Looks for damage that belongs to no queue that is listed: servers and schedulers that are over and still listed,
    /// their keys and the histories of entries without a time to live, and queues with tasks that are not listed. asynq
    /// has no such call.
    ///
    /// It only reads, in bounded steps. It reads the names of all keys of Redis; on a cluster, of all its masters.
    ///
    /// # Errors
    /// The stream may have the errors of [`queues`](Self::queues).
    pub fn examine_servers(&self) -> Examination {
        Examination::of(Examined {
            subject: Subject::Servers(Box::new(ServerExaminer::new(self.broker.clone()))),
            found: VecDeque::new(),
        })
    }
}
