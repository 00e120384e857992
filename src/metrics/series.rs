//! Single series of the caller's recorder. A recorder is code of the caller, so it is called behind the guard.
//! Without the feature `metrics` a series is nothing.
//!
//! What is kept of a series is its key, with its hash, and not the recorder's handle: a recorder may be installed
//! later, and may forget series that are idle.

/// The names of the labels with their values.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

/// A number that only grows.
pub(super) struct Counter(SeriesKey);

/// A number that grows and shrinks.
pub(super) struct Gauge(SeriesKey);

/// The distribution of a value.
pub(super) struct Histogram(SeriesKey);

impl Counter {
    pub(super) fn new(name: &'static str, labels: Labels<'_>) -> Self {
        Self(SeriesKey::new(name, labels))
    }

    pub(super) fn add(&self, n: u64) {
        self.0.count(n);
    }
}

impl Gauge {
    pub(super) fn new(name: &'static str, labels: Labels<'_>) -> Self {
        Self(SeriesKey::new(name, labels))
    }

    pub(super) fn add(&self, n: f64) {
        self.0.add(n);
    }
}

impl Histogram {
    pub(super) fn new(name: &'static str, labels: Labels<'_>) -> Self {
        Self(SeriesKey::new(name, labels))
    }

    pub(super) fn record(&self, value: f64) {
        self.0.record(value);
    }
}

#[cfg(feature = "metrics")]
use recording::SeriesKey;
#[cfg(feature = "metrics")]
pub(super) use recording::guarded_recorder;
#[cfg(not(feature = "metrics"))]
use silent::SeriesKey;

#[cfg(feature = "metrics")]
mod recording {
    use std::sync::atomic::{AtomicBool, Ordering};

    use metrics::{Key, Label, Level, Metadata, Recorder, with_recorder};

    use super::Labels;
    use crate::guard::{caught, told};

    static METADATA: Metadata<'static> = Metadata::new("rasynq", Level::INFO, Some(module_path!()));

    pub(in crate::metrics) struct SeriesKey(Key);

    impl SeriesKey {
        pub(super) fn new(name: &'static str, labels: Labels<'_>) -> Self {
            let labels = labels.iter();
            let labels = labels.map(|(name, value)| Label::new(*name, (*value).to_owned()));
            Self(Key::from_parts(name, labels.collect::<Vec<_>>()))
        }

        pub(super) fn count(&self, n: u64) {
            guarded_recorder(|to| to.register_counter(&self.0, &METADATA).increment(n));
        }

        pub(super) fn add(&self, n: f64) {
            guarded_recorder(|to| to.register_gauge(&self.0, &METADATA).increment(n));
        }

        pub(super) fn record(&self, value: f64) {
            guarded_recorder(|to| to.register_histogram(&self.0, &METADATA).record(value));
        }
    }

    /// Calls the recorder behind the guard. The first panic is told in the log.
    pub(in crate::metrics) fn guarded_recorder(call: impl FnOnce(&dyn Recorder)) {
        static IS_TOLD: AtomicBool = AtomicBool::new(false);
        if let Err(panic) = caught(|| with_recorder(call))
            && !IS_TOLD.swap(true, Ordering::Relaxed)
        {
            told(|| {
                tracing::error!(
                    error = panic.logged_text(),
                    "the recorder of metrics panicked, its further panics are not logged"
                );
            });
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod silent {
    use super::Labels;

    pub(super) struct SeriesKey;

    impl SeriesKey {
        pub(super) fn new(_name: &'static str, _labels: Labels<'_>) -> Self {
            Self
        }

        pub(super) fn count(&self, _n: u64) {}

        pub(super) fn add(&self, _n: f64) {}

        pub(super) fn record(&self, _value: f64) {}
    }
}
