//! The chain of a handler's error: how the error passes through tower layers, and how another error is
//! found in the chain.

use std::error::Error as StdError;
use std::fmt;

use super::control::{RetryAfter, Revoke, SkipRetry, transparent};
use crate::guard::caught;

/// The error of a handler, as [layers](crate::Mux::layer) see it.
///
/// It wraps an `anyhow::Error` and is itself a [`std::error::Error`], so that it can pass unchanged
/// through any tower layer. It dereferences to the `anyhow::Error`, and [`find_error`] searches that
/// too.
pub struct HandlerError {
    error: anyhow::Error,
}

impl HandlerError {
    /// Returns the wrapped error.
    pub fn into_inner(self) -> anyhow::Error {
        self.error
    }
}

impl std::ops::Deref for HandlerError {
    type Target = anyhow::Error;

    fn deref(&self) -> &anyhow::Error {
        &self.error
    }
}

impl From<anyhow::Error> for HandlerError {
    fn from(error: anyhow::Error) -> Self {
        Self { error }
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

transparent!(HandlerError);

/// The most causes of one error that are searched: the sources of an error may have no end.
const MAX_CAUSES: usize = 1_000;

/// The boxed error of a layer. anyhow itself can wrap a box, but then [`find_error`] could not see the
/// type of the error in the box.
#[derive(Debug)]
pub(in crate::handler) struct Boxed {
    error: Box<dyn StdError + Send + Sync>,
}

impl Boxed {
    pub(in crate::handler) fn new(error: Box<dyn StdError + Send + Sync>) -> Self {
        Self { error }
    }
}

impl fmt::Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl StdError for Boxed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

/// Finds the outermost error of type `T`: the error itself, one of its contexts, or one of its
/// sources.
///
/// It also searches the errors that [`SkipRetry`], [`Revoke`], [`RetryAfter`], [`HandlerError`] and
/// the boxed errors of tower layers wrap.
///
/// ```
/// use rasynq::{SkipRetry, find_error};
/// let error = anyhow::Error::new(SkipRetry::new("no such user")).context("sending");
/// assert!(find_error::<SkipRetry>(&error).is_some());
/// ```
pub fn find_error<T: StdError + Send + Sync + 'static>(error: &anyhow::Error) -> Option<&T> {
    // anyhow's own search finds the error itself and its contexts. The second search finds its
    // sources, and the errors that these wrap.
    if let Some(found) = error.downcast_ref::<T>() {
        return Some(found);
    }
    // Not `error.chain()`: it asks a cause for its source, which may panic, before it returns the cause.
    let mut cause: &(dyn StdError + 'static) = &**error;
    for _ in 0..MAX_CAUSES {
        let found = cause
            .downcast_ref::<T>()
            .or_else(|| wrapped(cause).and_then(find_error::<T>))
            .or_else(|| cause.downcast_ref::<Boxed>()?.error.downcast_ref::<T>());
        if found.is_some() {
            return found;
        }
        cause = cause.source()?;
    }
    None
}

/// Finds an error as [`find_error`] does, and reads something from it. Sources are code of the caller: if they
/// panic before the error is found, it is not there. Each search is on its own, so what can be found counts.
pub(in crate::handler) fn read_from<T: StdError + Send + Sync + 'static, R>(
    error: &anyhow::Error,
    read: impl FnOnce(&T) -> R,
) -> Option<R> {
    caught(|| find_error(error).map(read)).ok().flatten()
}

/// The error that one of rasynq's transparent errors wraps. `source` of the transparent error skips the
/// wrapped error.
fn wrapped<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a anyhow::Error> {
    None.or_else(|| Some(&error.downcast_ref::<HandlerError>()?.error))
        .or_else(|| Some(&error.downcast_ref::<SkipRetry>()?.error))
        .or_else(|| Some(&error.downcast_ref::<Revoke>()?.error))
        .or_else(|| Some(&error.downcast_ref::<RetryAfter>()?.error))
}

#[cfg(test)]
mod tests {
    use super::super::HandlerNotFound;
    use super::*;

    #[test]
    fn an_error_within_a_control_error_is_found() {
        let error = anyhow::Error::new(SkipRetry::from_error(HandlerNotFound::new("a")));
        assert_eq!(
            find_error::<HandlerNotFound>(&error.context("outer")).map(HandlerNotFound::task_type),
            Some("a")
        );
    }
}
