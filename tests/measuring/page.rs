//! The page `docs/metrics.md` and what a recorder is told have the same series.

use std::collections::BTreeMap;

use crate::batches::refuse;
use crate::connections::outage;
use crate::recorder::{described, recorder, series};
use crate::runs::recover;

/// The series in the section of the page about the library, with their kinds.
fn rows() -> BTreeMap<String, String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let section = page
        .split("\n## ")
        .find(|section| section.starts_with("The library\n"));
    let rows = section
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter(|row| row.starts_with("rasynq_"));
    rows.map(|row| {
        let (name, rest) = row.split_once("` | ").unwrap();
        (name.to_owned(), rest.split(' ').next().unwrap().to_owned())
    })
    .collect()
}

#[tokio::test]
async fn the_page_has_the_series_of_the_library_and_each_is_in_a_real_scrape() {
    recorder();
    refuse("page").await;
    recover("page2").await;
    outage().await;
    let rows = rows();
    let described: BTreeMap<String, String> = described()
        .into_iter()
        .map(|(name, kind)| (name, kind.to_owned()))
        .collect();
    assert_eq!(rows, described);
    for (name, kind) in rows {
        let name = if kind == "histogram" {
            format!("{name}_bucket")
        } else {
            name
        };
        assert!(!series(&[&format!("{name}{{")]).is_empty(), "{name}");
    }
}
