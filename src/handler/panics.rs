//! A panic in a handler ends one run, as an error that says where it happened.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

use super::answer::Answer;
use super::errors::Panic;
use super::service::{HandlerService, Run};

thread_local! {
    static IN_RUN: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<(String, u32)>> = const { RefCell::new(None) };
}

/// Calls `f`; a panic in it comes back as an error.
pub(super) fn caught<T>(f: impl FnOnce() -> T) -> Result<T, Panic> {
    install_hook();
    let before = IN_RUN.replace(true);
    let caught = catch_unwind(AssertUnwindSafe(f));
    IN_RUN.set(before);
    caught.map_err(|panic| Panic::new(message_of(panic.as_ref()), PLACE.take()))
}

/// Only a panic hook is told the place of a panic, so one is put in front of what is there. It
/// notes the place when a run panics, and hands everything on.
fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // A thread that is ending has no such values any more, and no run either.
            if IN_RUN.try_with(Cell::get).unwrap_or(false) {
                let place = info
                    .location()
                    .map(|place| (place.file().to_owned(), place.line()));
                let _ = PLACE.try_with(|cell| cell.replace(place));
            }
            previous(info);
        }));
    });
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a value that is no text".to_owned()
    }
}

/// One run of a handler. Its panics come out as errors, those of its being dropped are logged.
///
/// Dropping it ends the run, except for what a blocking handler does on its own thread.
#[must_use = "a run does nothing unless polled"]
pub(crate) struct RunFuture(State);

enum State {
    Start(HandlerService, Run),
    Going(BoxFuture<'static, Result<Answer, anyhow::Error>>),
    Over,
}

impl RunFuture {
    pub(super) fn new(service: HandlerService, run: Run) -> Self {
        Self(State::Start(service, run))
    }
}

impl Future for RunFuture {
    type Output = Result<Answer, anyhow::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = caught(|| {
            if let State::Start(..) = self.0
                && let State::Start(service, run) = std::mem::replace(&mut self.0, State::Over)
            {
                self.0 = State::Going(service.call_erased(run));
            }
            match &mut self.0 {
                State::Going(future) => {
                    let polled = future.as_mut().poll(cx);
                    if polled.is_ready() {
                        self.0 = State::Over;
                    }
                    polled
                }
                // Polled after its end, which no caller of ours does; it stays without an answer.
                State::Start(..) | State::Over => Poll::Pending,
            }
        });
        match polled {
            Ok(polled) => polled,
            Err(panic) => Poll::Ready(Err(panic.into())),
        }
    }
}

impl Drop for RunFuture {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut self.0, State::Over);
        if let State::Over = state {
            return;
        }
        if let Err(panic) = caught(|| drop(state)) {
            tracing::error!(error = %panic, "a handler panicked while its run was dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caught_panic_has_its_place_and_an_outer_one_its_own() {
        let (outer, inner_line) = {
            let mut inner_line = 0;
            let outer = caught(|| {
                let inner = caught(|| panic!("inner {}", 1)).expect_err("it panics");
                assert_eq!(inner.message(), "inner 1");
                inner_line = inner.location().expect("the hook is there").1;
                panic!("outer");
            });
            (outer.expect_err("it panics"), inner_line)
        };
        let (file, line) = outer.location().expect("the hook is there");
        assert!(file.ends_with("panics.rs"), "{file}");
        assert!(line > inner_line && inner_line > 0);
        assert_eq!(outer.message(), "outer");
        assert!(!IN_RUN.get());
    }

    #[test]
    fn a_panic_with_a_value_that_is_no_text_has_a_place_too() {
        let panic = caught(|| std::panic::panic_any(7)).expect_err("it panics");
        assert!(panic.to_string().ends_with("a value that is no text"));
        assert!(panic.location().is_some());
    }
}
