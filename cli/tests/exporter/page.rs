//! The page `docs/metrics.md` and real scrapes have the same series. The series of the library are tested in
//! `tests/measuring/page.rs`.

use std::collections::{BTreeMap, BTreeSet};

use crate::process::{Exporter, kinds, series};
use crate::promtool::{docs, promtool};
use crate::sample::Sample;

/// The series in a section of the page, with their kinds.
fn rows(title: &str) -> BTreeMap<String, String> {
    let page = std::fs::read_to_string(docs().join("metrics.md")).unwrap();
    let mut sections = page.split("\n## ");
    let section = sections.find(|section| section.starts_with(&format!("{title}\n")));
    let rows = section
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    let rows = rows.filter(|row| row.starts_with("rasynq_") || row.starts_with("asynq_"));
    rows.map(|row| {
        let (name, rest) = row.split_once("` | ").unwrap();
        (name.to_owned(), rest.split(' ').next().unwrap().to_owned())
    })
    .collect()
}

/// Whether the page has this series; of a histogram it has `_bucket`, `_sum` and `_count`.
pub(crate) fn is_known(name: &str) -> bool {
    let mut all = rows("The exporter");
    all.append(&mut rows("The library"));
    ["_bucket", "_sum", "_count"]
        .iter()
        .filter_map(|end| name.strip_suffix(end))
        .any(|name| all.get(name).is_some_and(|kind| kind == "histogram"))
        || all.get(name).is_some_and(|kind| kind != "histogram")
}

/// The names of rasynq's and asynq's series in an expression.
pub(crate) fn series_in(expression: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(|c| !is_name(c));
    let names = words.filter(|word| word.starts_with("rasynq_") || word.starts_with("asynq_"));
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_page_has_the_series_of_a_real_scrape_and_promtool_takes_it() {
    let sample = Sample::new().await;
    let exporter = Exporter::start(&sample.redis, &[]).await;
    let scrape = exporter.scrape().await;
    assert_eq!(rows("The exporter"), kinds(&scrape));
    for name in kinds(&scrape).into_keys() {
        let has_one = series(&scrape)
            .keys()
            .any(|series| series.split('{').next() == Some(&name));
        assert!(has_one, "{name}");
    }
    let complaint = "non-counter metrics should not have \"_total\" suffix";
    let asynq = ["asynq_queue_paused_total", "asynq_tasks_enqueued_total"];
    let expected: Vec<_> = asynq
        .iter()
        .map(|name| format!("{name} {complaint}"))
        .collect();
    if let Some((_, text)) = promtool(&docs(), &["check", "metrics"], &scrape) {
        let mut complaints: Vec<_> = text.lines().collect();
        complaints.sort_unstable();
        assert_eq!(complaints, expected);
    }
}
