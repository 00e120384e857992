//! Panics of handlers.

use std::time::Duration;

use rasynq::{Mux, Panic, Task, TaskContext, TestRun, blocking, find_error, is_panic};
use tower::timeout::TimeoutLayer;

use crate::text;

#[tokio::test]
async fn a_panic_is_an_error_with_its_location() {
    async fn explode(_cx: TaskContext, task: Task) -> anyhow::Result<()> {
        tokio::task::yield_now().await;
        panic!("cannot do {}", task.task_type())
    }
    let line = line!() - 2;
    let run = TestRun::new("a");
    let on_thread =
        blocking(|_: TaskContext, _: Task| -> anyhow::Result<()> { panic!("on a thread") });
    let at_once = |_: TaskContext, _: Task| -> std::future::Ready<anyhow::Result<()>> {
        panic!("before the future")
    };

    let error = run.call(explode, "").await.unwrap_err();
    assert!(is_panic(&error));
    assert_eq!(
        text(&error),
        format!(
            "panic error cause by: panic [{}:{line}]: cannot do a",
            file!()
        )
    );
    let error = run.call(on_thread, "").await.unwrap_err();
    assert_eq!(
        find_error::<Panic>(&error).unwrap().location().unwrap().0,
        file!()
    );
    assert!(text(&error).ends_with("]: on a thread"), "{error:#}");
    let error = run.call(at_once, "").await.unwrap_err();
    assert!(text(&error).ends_with("]: before the future"), "{error:#}");
    // the same inside a mux with layers
    let mux = Mux::new()
        .layer(TimeoutLayer::new(Duration::from_secs(60)))
        .route("a", explode);
    assert!(is_panic(&run.call(mux, "").await.unwrap_err()));
}

#[tokio::test]
async fn a_handler_that_panics_while_it_is_dropped_stops_nothing_else() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let handler = |_: TaskContext, _: Task| async {
        let _bomb = Bomb;
        std::future::pending::<()>().await;
        anyhow::Ok(())
    };
    let run = TestRun::new("any");
    tokio::select! {
        biased;
        answer = run.call(handler, "") => panic!("the run ended: {answer:?}"),
        () = std::future::ready(()) => {}
    }
}
