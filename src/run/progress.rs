//! The progress of a run, and the JSON that asynqmon shows for it.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

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

    /// How many items are done.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// How many items there are. 0: it is not known.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The text that describes the current step.
    pub fn text(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Reads what a run has stored. `None`: it is no progress, but another result.
    pub(crate) fn from_json(json: &[u8]) -> Option<Self> {
        let report: ProgressReport<'_> = serde_json::from_slice(json).ok()?;
        let ProgressFields {
            done,
            total,
            message,
            ..
        } = report.progress;
        Some(Self {
            done,
            total,
            message: message.map(Cow::into_owned),
        })
    }

    pub(super) fn to_json(&self) -> Bytes {
        let report = ProgressReport {
            progress: ProgressFields {
                done: self.done,
                total: self.total,
                percent: self.percent(),
                message: self.message.as_deref().map(Cow::Borrowed),
            },
        };
        // This cannot fail: all fields are numbers or text.
        serde_json::to_vec(&report).unwrap_or_default().into()
    }

    /// How much is done in percent, if the total is known: at most 100.
    pub fn percent(&self) -> Option<u64> {
        (self.total > 0).then(|| {
            let percent = u128::from(self.done) * 100 / u128::from(self.total);
            // At most 100, which a u64 holds.
            percent.min(100) as u64
        })
    }
}

#[derive(Serialize, Deserialize)]
struct ProgressReport<'a> {
    #[serde(borrow)]
    progress: ProgressFields<'a>,
}

#[derive(Serialize, Deserialize)]
struct ProgressFields<'a> {
    done: u64,
    total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u64>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'a, str>>,
}
