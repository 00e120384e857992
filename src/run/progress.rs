//! The progress of a run, and the JSON that asynqmon shows for it.

use bytes::Bytes;
use serde::Serialize;

/// How far a run has come; see [`TaskContext::progress`](crate::TaskContext::progress).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    done: u64,
    total: u64,
    message: Option<String>,
}

impl Progress {
    /// `done` of `total` items are done. You choose what an item is. A total of 0 means that the total
    /// is unknown.
    pub fn new(done: u64, total: u64) -> Self {
        Self {
            done,
            total,
            message: None,
        }
    }

    /// Adds a text that describes the current step.
    #[must_use]
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.message = Some(text.into());
        self
    }

    pub(super) fn to_json(&self) -> Bytes {
        let report = ProgressReport {
            progress: ProgressFields {
                done: self.done,
                total: self.total,
                percent: self.percent(),
                message: self.message.as_deref(),
            },
        };
        // This cannot fail: all fields are numbers or text.
        serde_json::to_vec(&report).unwrap_or_default().into()
    }

    fn percent(&self) -> Option<u64> {
        (self.total > 0).then(|| {
            let percent = u128::from(self.done) * 100 / u128::from(self.total);
            // At most 100, which a u64 holds.
            percent.min(100) as u64
        })
    }
}

#[derive(Serialize)]
struct ProgressReport<'a> {
    progress: ProgressFields<'a>,
}

#[derive(Serialize)]
struct ProgressFields<'a> {
    done: u64,
    total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}
