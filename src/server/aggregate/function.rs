//! The caller's function that makes one task out of many.

use std::any::type_name;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::guard::caught;
use crate::task::{Decode, Task, TaskKind};

/// Makes one task out of the tasks of a group, for [`Server::aggregate`](crate::Server::aggregate).
///
/// An `async fn(String, Vec<Task>) -> Result<Task, _>`, or a closure of that kind, is one. A closure must name the
/// types of its parameters. asynq: `GroupAggregator`, `GroupAggregatorFunc`.
///
/// ```
/// use rasynq::{GroupAggregator, Task};
///
/// /// Joins the payloads, a line each.
/// struct Lines;
///
/// impl GroupAggregator for Lines {
///     async fn aggregate(&self, group: String, tasks: Vec<Task>) -> anyhow::Result<Task> {
///         let lines: Vec<&[u8]> = tasks.iter().map(Task::payload).collect();
///         Ok(Task::new("digest", lines.join(&b'\n')).header("group", group))
///     }
/// }
/// # fn check(_: impl GroupAggregator) {}
/// # check(Lines);
/// # async fn function(group: String, tasks: Vec<Task>) -> rasynq::Result<Task> { Ok(Task::new(group, "")) }
/// # check(function);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not aggregate groups",
    label = "not an aggregator",
    note = "an aggregator is `async fn(String, Vec<Task>) -> Result<Task, E>`",
    note = "a function of typed payloads belongs into `aggregate_typed`",
    note = "its future must be `Send`: keep nothing that is not `Send` across an `.await`",
    note = "a closure must name the types of its parameters, and be `Send + Sync + 'static`"
)]
pub trait GroupAggregator: Send + Sync + 'static {
    /// Makes one task out of these tasks of the group. They come in the order in which they were added to the
    /// group, to the second.
    fn aggregate(
        &self,
        group: String,
        tasks: Vec<Task>,
    ) -> impl Future<Output = anyhow::Result<Task>> + Send;
}

impl<F, Fut, E> GroupAggregator for F
where
    F: Fn(String, Vec<Task>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Task, E>> + Send,
    E: Into<anyhow::Error>,
{
    async fn aggregate(&self, group: String, tasks: Vec<Task>) -> anyhow::Result<Task> {
        self(group, tasks).await.map_err(Into::into)
    }
}

/// The caller's function, whose type is erased.
pub(in crate::server) trait AggregateFunction: Send + Sync {
    /// Prepares a call for these tasks of a group. Runs code of the caller.
    fn prepare(self: Arc<Self>, group: String, tasks: Vec<Task>) -> Prepared;
}

/// A call of the function.
pub(in crate::server) struct Prepared {
    /// The tasks that it cannot take, by their positions, with the reasons.
    pub(super) refused: Vec<(usize, String)>,
    /// The call for the other tasks. `None`: there are none.
    pub(super) call: Option<BoxFuture<'static, anyhow::Result<Task>>>,
}

impl<A: GroupAggregator> AggregateFunction for A {
    fn prepare(self: Arc<Self>, group: String, tasks: Vec<Task>) -> Prepared {
        Prepared {
            refused: Vec::new(),
            call: (!tasks.is_empty())
                .then(|| Box::pin(async move { self.aggregate(group, tasks).await }) as _),
        }
    }
}

/// A function that takes decoded payloads.
pub(in crate::server) struct TypedFunction<F, T, C> {
    function: F,
    input: PhantomData<fn(C) -> T>,
}

impl<F, T, C> TypedFunction<F, T, C> {
    pub(in crate::server) fn new(function: F) -> Self {
        let input = PhantomData;
        Self { function, input }
    }
}

impl<F, Fut, E, T, C> AggregateFunction for TypedFunction<F, T, C>
where
    F: Fn(String, Vec<T>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Task, E>> + Send,
    E: Into<anyhow::Error>,
    T: TaskKind<C> + Send + 'static,
    C: Decode<T> + 'static,
{
    fn prepare(self: Arc<Self>, group: String, tasks: Vec<Task>) -> Prepared {
        let (mut values, mut refused) = (Vec::with_capacity(tasks.len()), Vec::new());
        for (position, task) in tasks.iter().enumerate() {
            match decode::<T, C>(task) {
                Ok(value) => values.push(value),
                Err(reason) => refused.push((position, reason)),
            }
        }
        let call = async move { (self.function)(group, values).await.map_err(Into::into) };
        Prepared {
            call: (refused.len() < tasks.len()).then(|| Box::pin(call) as _),
            refused,
        }
    }
}

/// The payload of a task, or why it is not a `T`.
fn decode<T: TaskKind<C>, C: Decode<T>>(task: &Task) -> Result<T, String> {
    if task.task_type() != T::TYPE {
        return Err(format!(
            "the aggregate function takes tasks of type {:?} ({}), not {:?}",
            T::TYPE,
            type_name::<T>(),
            task.task_type()
        ));
    }
    match caught(|| task.decode()) {
        Ok(decoded) => decoded.map_err(|error| error.to_string()),
        Err(panic) => Err(panic.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Note {
        text: String,
    }

    impl TaskKind for Note {
        const TYPE: &'static str = "note";
    }

    async fn join(group: String, notes: Vec<Note>) -> anyhow::Result<Task> {
        let texts: Vec<_> = notes.into_iter().map(|note| note.text).collect();
        Ok(Task::new(group, texts.join(" ")))
    }

    fn prepared(tasks: Vec<Task>) -> Prepared {
        Arc::new(TypedFunction::<_, Note, _>::new(join)).prepare("digest".to_owned(), tasks)
    }

    #[test]
    fn a_typed_function_gets_what_decodes_and_the_others_are_refused_with_their_reasons() {
        let call = prepared(vec![
            Task::new("note", r#"{"text":"a"}"#),
            Task::new("note", "{}"),
            Task::new("other", r#"{"text":"b"}"#),
            Task::new("note", r#"{"text":"c"}"#),
        ]);
        let digest = call.call.expect("two are left").now_or_never();
        let digest = digest.expect("it is ready").expect("a task");
        assert_eq!(digest, Task::new("digest", "a c"));
        let [(1, undecodable), (2, other)] = &call.refused[..] else {
            panic!("{:?}", call.refused)
        };
        assert!(
            undecodable.contains("missing field `text`"),
            "{undecodable}"
        );
        assert!(other.starts_with(r#"the aggregate function takes tasks of type "note" ("#));
        assert!(other.ends_with(r#"), not "other""#), "{other}");
    }

    #[test]
    fn if_no_task_is_left_the_function_is_not_called() {
        let call = prepared(vec![Task::new("note", "?")]);
        assert!(call.call.is_none());
        assert_eq!(call.refused.len(), 1);
    }
}
