//! The guard: code of the caller that runs on rasynq's own tokio tasks and threads runs behind it. Handlers,
//! layers, hooks, the texts and sources of errors, the end of values (`Drop`), and what the tracing subscriber does
//! with the span of a run and the lines about it are such code. A panic
//! in it becomes a value here, so it cannot end a part of rasynq.
//!
//! A process-wide panic hook records where a panic was raised. It also calls the previous hook.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};

use futures_util::future::FutureExt;
use tracing::Span;
use tracing::dispatcher::{self, DefaultGuard, Dispatch};
use tracing::subscriber::NoSubscriber;

use crate::bounded_text::logged_text;

thread_local! {
    /// Whether this thread is in a call of [`caught`].
    static IN_GUARD: Cell<bool> = const { Cell::new(false) };
    /// The file and line of the last panic in such a call.
    static LOCATION: RefCell<Option<(String, u32)>> = const { RefCell::new(None) };
}

/// A panic that was caught.
#[derive(Debug)]
pub(crate) struct CaughtPanic {
    pub(crate) message: String,
    /// The file and line, if they are known.
    pub(crate) location: Option<(String, u32)>,
}

impl CaughtPanic {
    /// Reads the value that a panic was raised with, and drops it. The location is not known.
    pub(crate) fn of(payload: Box<dyn Any + Send>) -> Self {
        let message = message_of(payload.as_ref());
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            // The value has panicked while it was dropped. Who knows what dropping the next value does.
            std::mem::forget(second);
        }
        Self {
            message,
            location: None,
        }
    }

    /// The beginning of its text, for the log.
    pub(crate) fn logged_text(&self) -> String {
        logged_text(&self.to_string()).into_owned()
    }
}

impl fmt::Display for CaughtPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some((file, line)) => write!(f, "panic [{file}:{line}]: {}", self.message),
            None => write!(f, "panic: {}", self.message),
        }
    }
}

/// Calls `f`. Returns a panic of `f` as an error.
pub(crate) fn caught<T>(f: impl FnOnce() -> T) -> Result<T, CaughtPanic> {
    install_hook();
    let before = IN_GUARD.replace(true);
    if !before {
        // A run may have caught a panic of its own earlier. Its location must not be taken for that of another
        // panic which this run resumes: no hook is called for a resumed panic.
        LOCATION.take();
    }
    let caught = catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let location = LOCATION.take();
        let panic = CaughtPanic::of(payload);
        // If the value has panicked as well, that location is not wanted.
        LOCATION.take();
        CaughtPanic { location, ..panic }
    });
    IN_GUARD.set(before);
    caught
}

/// Polls a future until it is ready. Returns a panic of the future as an error, without its location.
pub(crate) fn caught_future<F: Future>(
    future: F,
) -> impl Future<Output = Result<F::Output, CaughtPanic>> {
    let polled = AssertUnwindSafe(future).catch_unwind();
    polled.map(|polled| polled.map_err(CaughtPanic::of))
}

/// Polls a future of the caller until it is ready. It is dropped behind the guard, too.
pub(crate) fn caught_polls<F: Future + ?Sized>(
    future: &mut Foreign<Pin<Box<F>>>,
) -> impl Future<Output = Result<F::Output, CaughtPanic>> + Unpin {
    poll_fn(move |cx| match caught(|| future.as_mut().poll(cx)) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
}

/// Writes a line to the log. The subscriber is code of the caller: if it panics, the line is lost.
pub(crate) fn told(write: impl FnOnce()) {
    let _ = caught(write);
}

/// Calls a hook of the caller. If the hook panics, the panic is logged and `fallback` is returned.
pub(crate) fn guarded<T>(hook: &str, fallback: T, call: impl FnOnce() -> T) -> T {
    caught(call).unwrap_or_else(|panic| {
        told(|| tracing::error!(hook, error = panic.logged_text(), "a hook panicked"));
        fallback
    })
}

/// A value of the caller. It is dropped behind the guard.
pub(crate) struct Foreign<T>(Option<T>);

impl<T> Foreign<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    pub(crate) fn into_inner(mut self) -> T {
        self.0.take().expect(IS_THERE)
    }
}

/// Only `into_inner` and the drop take the value out, and they are the last use.
const IS_THERE: &str = "the value is there until the end";

impl<T> Deref for Foreign<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect(IS_THERE)
    }
}

impl<T> DerefMut for Foreign<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect(IS_THERE)
    }
}

impl<T> Drop for Foreign<T> {
    fn drop(&mut self) {
        let Some(value) = self.0.take() else { return };
        if let Err(panic) = caught(|| drop(value)) {
            told(|| {
                tracing::error!(
                    error = panic.logged_text(),
                    "a value of the program panicked while it was dropped"
                );
            });
        }
    }
}

/// A span. Whatever the subscriber does with it happens behind the guard.
pub(crate) struct GuardedSpan(Foreign<Span>);

impl GuardedSpan {
    /// If the subscriber panics, there is no span.
    pub(crate) fn new(make: impl FnOnce() -> Span) -> Self {
        Self(Foreign::new(caught(make).unwrap_or_else(|_| Span::none())))
    }

    pub(crate) fn in_scope<T>(&self, call: impl FnOnce() -> T) -> T {
        // The end of the scope is behind the guard as well.
        let _scope = caught(|| self.0.enter()).map(Foreign::new);
        call()
    }

    /// A future that is polled and dropped in this span.
    pub(crate) fn around<F: Future + Unpin>(&self, future: F) -> InSpan<'_, F> {
        InSpan {
            span: self,
            future: Some(future),
        }
    }
}

pub(crate) struct InSpan<'s, F> {
    span: &'s GuardedSpan,
    /// Only the drop takes it.
    future: Option<F>,
}

impl<F: Future + Unpin> Future for InSpan<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { span, future } = &mut *self;
        match future {
            Some(future) => span.in_scope(|| Pin::new(future).poll(cx)),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for InSpan<'_, F> {
    fn drop(&mut self) {
        let future = self.future.take();
        self.span.in_scope(|| drop(future));
    }
}

/// The subscriber of the thread that starts another one, for the log lines of the other thread.
pub(crate) struct CallersLog(Dispatch);

impl CallersLog {
    /// The subscriber of this thread.
    pub(crate) fn here() -> Self {
        Self(dispatcher::get_default(Clone::clone))
    }

    /// Makes it the subscriber of the other thread until the returned value is dropped. Without a subscriber, the
    /// thread uses the global one, which may be set later.
    pub(crate) fn enter(&self) -> Option<DefaultGuard> {
        (!self.0.is::<NoSubscriber>()).then(|| dispatcher::set_default(&self.0))
    }
}

/// Installs the panic hook, once. Only a hook sees the location of a panic. If code behind the guard panics,
/// the hook records the location. Then it calls the previous hook.
fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // A thread that is exiting no longer has thread-locals, and has no run.
            if IN_GUARD.try_with(Cell::get).unwrap_or(false) {
                let location = info
                    .location()
                    .map(|location| (location.file().to_owned(), location.line()));
                let _ = LOCATION.try_with(|cell| cell.replace(location));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caught_panic_has_its_location_and_an_outer_panic_its_own() {
        let (outer, inner_line) = {
            let mut inner_line = 0;
            let outer = caught(|| {
                let inner = caught(|| panic!("inner {}", 1)).expect_err("it panics");
                assert_eq!(inner.message, "inner 1");
                inner_line = inner.location.expect("the hook is there").1;
                panic!("outer");
            });
            (outer.expect_err("it panics"), inner_line)
        };
        let (file, line) = outer.location.expect("the hook is there");
        assert!(file.ends_with("guard.rs"), "{file}");
        assert!(line > inner_line && inner_line > 0);
        assert_eq!(outer.message, "outer");
        assert!(!IN_GUARD.get());
    }

    #[test]
    fn a_resumed_panic_does_not_have_the_location_of_another() {
        let swallowed = caught(|| catch_unwind(|| panic!("swallowed")).is_err());
        assert!(swallowed.expect("it is swallowed"));
        let elsewhere = std::thread::spawn(|| panic!("elsewhere")).join();
        let resume = || -> () { std::panic::resume_unwind(elsewhere.expect_err("it panics")) };
        let resumed = caught(resume).expect_err("it is resumed");
        assert_eq!(resumed.message, "elsewhere");
        assert_eq!(resumed.location, None);
    }

    #[test]
    fn a_panic_with_a_value_that_is_no_text_has_a_location_too() {
        let panic = caught(|| std::panic::panic_any(7)).expect_err("it panics");
        assert_eq!(panic.message, "a value that is no text");
        assert!(panic.location.is_some());
    }

    /// Panics while it is dropped, with another value that does the same.
    struct Matryoshka(u32);

    impl Drop for Matryoshka {
        fn drop(&mut self) {
            std::panic::panic_any(Self(self.0 + 1));
        }
    }

    #[test]
    fn a_panic_whose_value_panics_in_its_drop_is_caught_once() {
        let panic = caught(|| std::panic::panic_any(Matryoshka(0))).expect_err("it panics");
        assert_eq!(panic.message, "a value that is no text");
        assert!(LOCATION.take().is_none());
    }

    #[test]
    fn a_foreign_value_that_panics_in_its_drop_stops_nothing() {
        drop(Foreign::new(Matryoshka(0)));
        std::mem::forget(Foreign::new(Matryoshka(0)).into_inner());
    }
}
