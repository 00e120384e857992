//! The fixtures, and the firings of a schedule as they have them.

use std::fs;

use serde::de::DeserializeOwned;

/// How many firings of a schedule a fixture has.
pub(crate) const COUNT: usize = 20;

/// The firings in Unix seconds. `60*19,3600` are, after the second of the start, 19 that are a minute later each, and
/// one an hour later.
pub(crate) fn decode(start_millis: i64, deltas: &str) -> Vec<i64> {
    let mut at = start_millis.div_euclid(1_000);
    let mut firings = Vec::new();
    for part in deltas.split(',').filter(|part| !part.is_empty()) {
        let (seconds, count) = part.split_once('*').unwrap_or((part, "1"));
        let seconds: i64 = seconds.parse().expect("seconds");
        for _ in 0..count.parse().expect("a count") {
            at += seconds;
            firings.push(at);
        }
    }
    firings
}

/// A file of `compat/fixtures`.
pub(crate) fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let text = read(&format!("compat/fixtures/{name}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The numbers on the page are those of the fixtures.
pub(crate) fn assert_page_says(sentence: &str) {
    let page = read("docs/scheduling.md");
    let page: Vec<&str> = page.split_whitespace().collect();
    assert!(
        page.join(" ").contains(sentence),
        "docs/scheduling.md does not say: {sentence}"
    );
}

fn read(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `14979` as `14,979`.
pub(crate) fn in_thousands(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}
