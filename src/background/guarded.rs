//! Calls of the user's functions, whose panics must not end a background task.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls a hook of the user's. If it panics, the panic is logged and `fallback` is returned.
pub(crate) fn guarded<T>(hook: &str, fallback: T, call: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        tracing::error!(hook, "a hook panicked");
        fallback
    })
}
