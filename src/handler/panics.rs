//! Catches the panics of handlers: a panic fails one run, with an error that names file and line of the
//! panic.
//!
//! A process-wide panic hook records the location. It also calls the previous hook.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use super::errors::Panic;

thread_local! {
    /// Whether this thread is in a call of [`caught`].
    static IN_RUN: Cell<bool> = const { Cell::new(false) };
    /// The file and line of the last panic in such a call.
    static LOCATION: RefCell<Option<(String, u32)>> = const { RefCell::new(None) };
}

/// Calls `f`. Returns a panic of `f` as an error.
pub(super) fn caught<T>(f: impl FnOnce() -> T) -> Result<T, Panic> {
    install_hook();
    let before = IN_RUN.replace(true);
    if !before {
        // A run may have caught a panic of its own earlier. Its location must not be taken for that of another
        // panic which this run resumes: no hook is called for a resumed panic.
        LOCATION.take();
    }
    let caught = catch_unwind(AssertUnwindSafe(f));
    IN_RUN.set(before);
    caught.map_err(|panic| Panic::new(message_of(panic.as_ref()), LOCATION.take()))
}

/// Installs the panic hook, once. Only a hook sees the location of a panic. If a run panics, the hook
/// records the location. Then it calls the previous hook.
fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // A thread that is exiting no longer has thread-locals, and has no run.
            if IN_RUN.try_with(Cell::get).unwrap_or(false) {
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
    fn a_resumed_panic_does_not_have_the_location_of_another() {
        let swallowed = caught(|| catch_unwind(|| panic!("swallowed")).is_err());
        assert!(swallowed.expect("it is swallowed"));
        let elsewhere = std::thread::spawn(|| panic!("elsewhere")).join();
        let resume = || -> () { std::panic::resume_unwind(elsewhere.expect_err("it panics")) };
        let resumed = caught(resume).expect_err("it is resumed");
        assert_eq!(resumed.message(), "elsewhere");
        assert_eq!(resumed.location(), None);
    }

    #[test]
    fn a_panic_with_a_value_that_is_no_text_has_a_location_too() {
        let panic = caught(|| std::panic::panic_any(7)).expect_err("it panics");
        assert!(panic.to_string().ends_with("a value that is no text"));
        assert!(panic.location().is_some());
    }
}
