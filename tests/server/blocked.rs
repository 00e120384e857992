//! Handlers that block the threads of the server's runtime: leases are renewed all the same.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rasynq::{IntoHandler, RunningServer, Server, Task, TaskContext, blocking};
use tokio::runtime::Runtime;
use tracing::instrument::WithSubscriber;

use crate::common::logged::{BLOCKS_ITS_THREAD, GIVEN_UP, LEASE_LOST};
use crate::common::{DEADLINE, Log, Scripted, World, eventually};

/// The number of threads of a server's own runtime.
const THREADS: usize = 2;

/// A server on a runtime of its own, so that its handlers do not block the test.
struct Apart {
    runtime: Option<Runtime>,
    server: RunningServer,
}

impl Apart {
    async fn start<M>(server: Server, handler: impl IntoHandler<M> + Send + 'static) -> Self
    where
        M: 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .enable_all()
            .build()
            .unwrap();
        let start = async move { server.start(handler).await.unwrap() };
        let server = runtime.spawn(start.with_current_subscriber());
        Self {
            server: server.await.unwrap(),
            runtime: Some(runtime),
        }
    }

    fn end_runtime(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Blocks a thread until the test releases it. If the test fails, it goes on.
#[derive(Clone)]
struct Blocks {
    begins: mpsc::Sender<String>,
    released: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Blocks {
    fn new() -> (Self, mpsc::Receiver<String>, mpsc::Sender<()>) {
        let (begins, begun) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let released = Arc::new(Mutex::new(released));
        (Self { begins, released }, begun, release)
    }

    fn block(&self, cx: &TaskContext) {
        self.begins.send(cx.task_id().to_owned()).unwrap();
        let _ = self.released.lock().unwrap().recv();
    }

    /// An async handler that blocks.
    fn handler(
        &self,
    ) -> impl Fn(TaskContext, Task) -> std::future::Ready<Result<(), anyhow::Error>>
    + Send
    + Sync
    + 'static {
        let blocks = self.clone();
        move |cx: TaskContext, _: Task| {
            blocks.block(&cx);
            std::future::ready(Ok(()))
        }
    }
}

async fn enqueue(world: &World, ids: &[&str], timeout: Duration) {
    let client = world.client().await;
    for id in ids {
        let task = Task::new("thumbnail", "").task_id(*id).timeout(timeout);
        client.enqueue(task).await.unwrap();
    }
}

async fn lease_left(world: &World, id: &str) -> i64 {
    world.scores("lease").await[id] as i64 - world.now().await
}

#[tokio::test]
async fn leases_are_renewed_while_handlers_block_every_thread_and_the_tasks_run_once() {
    let world = World::new().await;
    let (blocks, begun, release) = Blocks::new();
    enqueue(&world, &["a", "b", "waits"], Duration::from_secs(600)).await;
    let first = Apart::start(world.server().concurrency(2), blocks.handler()).await;
    for _ in 0..THREADS {
        begun.recv_timeout(DEADLINE).unwrap();
    }
    for id in ["a", "b"] {
        world.shorten_lease(id).await;
    }
    eventually("the leases are renewed", DEADLINE, || async {
        lease_left(&world, "a").await > 22 && lease_left(&world, "b").await > 22
    })
    .await;
    for _ in 0..3 {
        release.send(()).unwrap();
    }
    for id in ["a", "b", "waits"] {
        world.task_is(id, "").await;
    }
    first.server.shutdown().await;
    assert_eq!(
        begun.try_iter().count(),
        1,
        "only `waits` has run since then"
    );
    assert_eq!(world.counter("processed").await, 3);
}

#[tokio::test]
async fn a_handler_that_blocks_its_thread_is_named_once() {
    let world = World::new().await;
    let log = Log::capture();
    let (blocks, begun, release) = Blocks::new();
    enqueue(&world, &["slow"], Duration::from_secs(600)).await;
    let first = Apart::start(world.server(), blocks.handler()).await;
    begun.recv_timeout(DEADLINE).unwrap();
    let words = [BLOCKS_ITS_THREAD, "slow", "thumbnail", "default"];
    log.line_with(&words).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    release.send(()).unwrap();
    world.task_is("slow", "").await;
    first.server.shutdown().await;
    assert_eq!(log.lines_with(&words).len(), 1);
}

#[tokio::test]
async fn a_blocking_handler_is_not_warned_of() {
    let world = World::new().await;
    let log = Log::capture();
    let (blocks, begun, release) = Blocks::new();
    enqueue(&world, &["slow"], Duration::from_secs(600)).await;
    let handler = move |cx: TaskContext, _: Task| {
        blocks.block(&cx);
        Ok::<(), anyhow::Error>(())
    };
    let first = Apart::start(world.server(), blocking(handler)).await;
    begun.recv_timeout(DEADLINE).unwrap();
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    release.send(()).unwrap();
    world.task_is("slow", "").await;
    first.server.shutdown().await;
    assert_eq!(log.lines_with(&[BLOCKS_ITS_THREAD]), Vec::<String>::new());
}

#[tokio::test]
async fn a_handler_that_never_returns_does_not_keep_its_task_for_ever() {
    let world = World::new().await;
    let log = Log::capture();
    let (blocks, begun, release) = Blocks::new();
    enqueue(&world, &["deadlock"], Duration::from_secs(1)).await;
    let first = Apart::start(
        world.server().cancel_grace(Duration::ZERO),
        blocks.handler(),
    )
    .await;
    begun.recv_timeout(DEADLINE).unwrap();
    log.line_with(&[GIVEN_UP, "deadlock", "thumbnail"]).await;
    // As if the rest of the lease, and the grace of the recoverers, were over.
    world.make_due("lease", "deadlock").await;
    let second = world.start(Scripted::new()).await;
    world.task_is("deadlock", "retry").await;
    assert!(log.lines_with(&[LEASE_LOST]).is_empty());
    release.send(()).unwrap();
    first.server.shutdown().await;
    second.shutdown().await;
    assert_eq!(world.state("deadlock").await, "retry");
    assert_eq!(world.message("deadlock").await.retried, 1);
    world.assert_consistent().await;
}

#[tokio::test]
async fn leases_are_not_renewed_after_the_runtime_of_the_server_has_ended() {
    let world = World::new().await;
    let handler = Scripted::new();
    let client = world.client().await;
    client
        .enqueue(Task::new("any", "wait").task_id("left"))
        .await
        .unwrap();
    drop(client);
    let mut first = Apart::start(world.server(), handler.clone()).await;
    handler.has_begun(1).await;
    first.end_runtime();
    eventually(
        "all connections of the server are closed",
        DEADLINE,
        || async {
            let connections: String = world.run(&["CLIENT", "LIST"]).await;
            connections.lines().count() == 1
        },
    )
    .await;
    assert_eq!(world.state("left").await, "active");
}
