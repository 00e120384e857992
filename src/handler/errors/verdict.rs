//! What the error of a failed run asks the server to do with the task.

use std::time::Duration;

use super::chain::read_from;
use super::control::{RetryAfter, Revoke, SkipRetry};

/// What a failed run asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Delete the task as if it were done: neither retry nor archive it.
    Revoke,
    /// Archive the task at once.
    SkipRetry,
    /// Retry the task after this long, or archive it if no retry is left.
    RetryAfter(Duration),
    /// Retry the task after the server's retry delay, or archive it if no retry is left.
    Retry,
}

impl Verdict {
    /// Reads the verdict from an error, behind the guard. If the error asks for several things, the variant that is
    /// declared first wins.
    ///
    /// COMPAT: asynq v0.26.0 `processor.handleFailedMessage` tests for revoke first too
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if read_from(error, |_: &Revoke| ()).is_some() {
            Self::Revoke
        } else if read_from(error, |_: &SkipRetry| ()).is_some() {
            Self::SkipRetry
        } else if let Some(delay) = read_from(error, RetryAfter::delay) {
            Self::RetryAfter(delay)
        } else {
            Self::Retry
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::HandlerError;
    use super::super::text::stored_text;
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("sending mail")]
    struct Sending(#[source] anyhow::Error);

    #[test]
    fn a_control_error_counts_anywhere_in_the_chain() {
        let skip = || anyhow::Error::new(SkipRetry::new("no such user"));
        let in_layers = anyhow::Error::new(HandlerError::from(skip()));
        for error in [
            skip(),
            skip().context("sending"),
            Sending(skip()).into(),
            Sending(Sending(skip()).into()).into(),
            anyhow::anyhow!("no such user")
                .context(SkipRetry::new("x"))
                .context("y"),
            in_layers,
        ] {
            assert_eq!(Verdict::of(&error), Verdict::SkipRetry, "{error:?}");
        }
        assert_eq!(Verdict::of(&anyhow::anyhow!("boom")), Verdict::Retry);
    }

    #[test]
    fn revoke_wins_over_skip_retry_and_that_over_retry_after() {
        let delay = Duration::from_secs(7);
        let error = anyhow::Error::new(RetryAfter::new(delay, "busy"));
        assert_eq!(Verdict::of(&error), Verdict::RetryAfter(delay));
        let error = anyhow::Error::new(SkipRetry::from_error(error));
        assert_eq!(Verdict::of(&error), Verdict::SkipRetry);
        let error = anyhow::Error::new(RetryAfter::from_error(delay, Revoke::from_error(error)));
        assert_eq!(Verdict::of(&error), Verdict::Revoke);
        assert_eq!(stored_text(&error), "busy");
    }

    /// An error whose sources cannot be read.
    #[derive(Debug)]
    struct Unreadable;

    impl std::fmt::Display for Unreadable {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("unreadable")
        }
    }

    impl std::error::Error for Unreadable {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            panic!("the source")
        }
    }

    #[test]
    fn what_is_around_an_error_whose_sources_panic_counts() {
        let delay = Duration::from_secs(7);
        let skip = || anyhow::Error::new(SkipRetry::from_error(Unreadable));
        for (error, verdict) in [
            (Revoke::from_error(Unreadable).into(), Verdict::Revoke),
            (skip(), Verdict::SkipRetry),
            (skip().context("sending"), Verdict::SkipRetry),
            (Sending(skip()).into(), Verdict::SkipRetry),
            (HandlerError::from(skip()).into(), Verdict::SkipRetry),
            (
                RetryAfter::from_error(delay, Unreadable).into(),
                Verdict::RetryAfter(delay),
            ),
            (
                RetryAfter::from_error(delay, skip()).into(),
                Verdict::SkipRetry,
            ),
            (Unreadable.into(), Verdict::Retry),
        ] {
            assert_eq!(Verdict::of(&error), verdict, "{verdict:?}");
        }
    }
}
