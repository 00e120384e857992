//! The queues.

use super::{Stage, on_queues};
use crate::dash::model::fixtures::queue;
use crate::dash::model::screen::Content;

#[test]
fn queues_are_shown_with_sizes_rates_and_latency_in_80_columns() {
    let stage = on_queues(80, 24);
    let lines = stage.lines();
    assert_eq!(lines.len(), 24);
    assert!(
        lines[0].starts_with(" rasynq  1 Queues  2 Servers  3 Schedulers"),
        "{}",
        lines[0]
    );
    assert!(
        lines[0].ends_with("redis://localhost:6379/0 live"),
        "{}",
        lines[0]
    );
    assert_eq!(lines[1], format!(" Queues{:>72}", "2 queues"));
    let titles = " queue           pend activ sched retry archv compl  aggr done/s fail/s latency";
    assert_eq!(lines[2], titles);
    assert!(lines[3].starts_with(" default"), "{}", lines[3]);
    let numbers: Vec<&str> = lines[3].split_whitespace().skip(1).collect();
    let expected = [
        "12", "3", "0", "7", "1.2M", "40", "9", "25.0", "2.0", "1.5s",
    ];
    assert_eq!(numbers, expected);
    assert!(lines[4].starts_with(" ‖ mail"), "{}", lines[4]);
    assert!(
        lines[23].starts_with(" Enter open  / search  p pause  d delete"),
        "{}",
        lines[23]
    );
    assert!(lines[23].ends_with("? help  q quit"), "{}", lines[23]);
}

#[test]
fn the_selected_queue_is_shown_in_a_panel_with_sparklines() {
    let mut stage = on_queues(80, 24);
    let lines = stage.lines();
    assert!(lines[17].starts_with("── default ───"), "{}", lines[17]);
    assert!(
        lines[18].starts_with(" processed   25.0/s"),
        "{}",
        lines[18]
    );
    assert!(lines[18].contains('█'), "{}", lines[18]);
    assert!(lines[18].contains("1,000 today"), "{}", lines[18]);
    assert!(
        lines[19].starts_with(" failed       2.0/s"),
        "{}",
        lines[19]
    );
    assert!(
        lines[20].starts_with(" latency       1.5s"),
        "{}",
        lines[20]
    );
    assert_eq!(lines[21], " 1,234,638 tasks, 2 groups, 1 orphaned");
    stage.press("j");
    stage.shows("── mail, paused for 3m01s ─");
}

#[test]
fn wide_terminals_have_a_sparkline_in_each_row() {
    let stage = on_queues(120, 30);
    stage.shows("done/s lately");
}

#[test]
fn narrow_terminals_leave_columns_out_so_that_names_are_seen() {
    let stage = on_queues(60, 20);
    let expected = format!(
        " {:<19} {}",
        "queue", " pend activ retry archv done/s latency"
    );
    assert_eq!(stage.lines()[2], expected);
    let stage = on_queues(50, 12);
    let titles: Vec<String> = stage.lines()[2]
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    assert_eq!(
        titles,
        ["queue", "pend", "activ", "retry", "archv", "done/s"]
    );
    stage.shows(" ‖ mail ");
}

#[test]
fn names_that_are_too_long_are_cut_and_control_characters_are_escaped() {
    let mut stage = Stage::new(80, 24);
    let names = ["a-very-long-name-of-a-queue-in-this-place", "evil\u{1b}[2J"];
    let rows = names.iter().map(|name| queue(name)).collect();
    stage.read(rows, Content::Queues);
    stage.shows(" a-very-long-n…  ");
    stage.shows(" evil\\u{1b}[2J");
}
