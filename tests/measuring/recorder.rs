//! The recorder of the process, and what it says of one queue.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use crate::common::{DEADLINE, eventually};

/// The recorder panics for series with this label.
pub(crate) const PANICS: &str = "panics";

/// The series that were described, each with its kind.
static DESCRIBED: Mutex<BTreeMap<String, &'static str>> = Mutex::new(BTreeMap::new());

/// The recorder of Prometheus, which panics now and then.
struct Picky(PrometheusRecorder);

/// Installs the recorder, once.
pub(crate) fn recorder() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let mut builder = PrometheusBuilder::new();
        for (name, buckets) in rasynq::METRIC_BUCKETS {
            let matcher = Matcher::Full((*name).to_owned());
            builder = builder.set_buckets_for_metric(matcher, buckets).unwrap();
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(Picky(recorder)).ok().unwrap();
        handle
    })
}

/// All series whose names and labels contain each of these words, with their values.
pub(crate) fn series(words: &[&str]) -> BTreeMap<String, f64> {
    let scrape = recorder().render();
    let lines = scrape.lines().filter(|line| !line.starts_with('#'));
    let found = lines.filter(|line| words.iter().all(|word| line.contains(word)));
    let pairs = found.map(|line| line.rsplit_once(' ').unwrap());
    pairs
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

/// The value of the series whose name and labels contain each of these words; 0 if there is none.
pub(crate) fn value(words: &[&str]) -> f64 {
    let found = series(words);
    assert!(found.len() < 2, "{words:?}: {found:#?}");
    found.into_values().next().unwrap_or_default()
}

/// Waits until the series whose name and labels contain each of these words has this value.
#[track_caller]
pub(crate) fn becomes<'w>(words: &'w [&'w str], expected: f64) -> impl Future<Output = ()> + 'w {
    becomes_within(words, expected, DEADLINE)
}

/// The same, within a time.
#[track_caller]
pub(crate) fn becomes_within<'w>(
    words: &'w [&'w str],
    expected: f64,
    within: Duration,
) -> impl Future<Output = ()> + 'w {
    let what = format!("{words:?} is {expected}");
    let is_so = move || async move { (value(words) - expected).abs() < f64::EPSILON };
    let caller = std::panic::Location::caller();
    async move {
        let what = format!("{caller}: {what}");
        eventually(&what, within, is_so).await;
    }
}

/// The series that were described, each with its kind.
pub(crate) fn described() -> BTreeMap<String, &'static str> {
    DESCRIBED.lock().unwrap().clone()
}

fn note(key: &KeyName, kind: &'static str) {
    DESCRIBED
        .lock()
        .unwrap()
        .insert(key.as_str().to_owned(), kind);
}

fn check(key: &Key) {
    let panics = key.labels().any(|label| label.value() == PANICS);
    assert!(!panics, "the recorder panics");
}

impl Recorder for Picky {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        note(&key, "counter");
        self.0.describe_counter(key, unit, text);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        note(&key, "gauge");
        self.0.describe_gauge(key, unit, text);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        note(&key, "histogram");
        self.0.describe_histogram(key, unit, text);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        check(key);
        self.0.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        check(key);
        self.0.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        check(key);
        self.0.register_histogram(key, metadata)
    }
}
