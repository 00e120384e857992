//! Calls the user's functions: a panic in one of them must not end a service.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls a user's hook. If the hook panics, the panic is logged and `fallback` is returned.
pub(crate) fn guarded<T>(hook: &str, fallback: T, call: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        tracing::error!(hook, "a hook panicked");
        fallback
    })
}
