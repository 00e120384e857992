//! Servers, schedulers and groups.

use chrono::TimeDelta;

use super::on_queues;
use crate::dash::model::fixtures::{read_at, server, worker};
use crate::dash::model::rows::{EntryRow, GroupRow, SchedulerRow};
use crate::dash::model::screen::{Content, GroupList};

#[test]
fn servers_are_shown_with_what_the_selected_one_runs() {
    let mut stage = on_queues(80, 24);
    stage.press("2");
    stage.read(
        Vec::new(),
        Content::Servers(vec![server("web-1", vec![worker("t1")])]),
    );
    let lines = stage.lines();
    let row = " web-1:7                      active     2h00m      1/10 critical 6, default 3";
    assert_eq!(lines[3], row);
    stage.shows("── runs of web-1:7 ─");
    stage.shows(" t1            video:encode       default          43s in 4m59s   {}");
}

#[test]
fn entries_are_shown_with_their_next_and_last_ticks_the_next_first() {
    let mut stage = on_queues(80, 24);
    stage.press("3");
    let entry = |spec: &str, next: Option<i64>| EntryRow {
        id: spec.to_owned(),
        spec: spec.to_owned(),
        task_type: "report:daily".to_owned(),
        payload: bytes::Bytes::new(),
        options: vec!["Queue(\"low\")".to_owned()],
        next: next.map(|secs| read_at() + TimeDelta::seconds(secs)),
        previous: Some(read_at() - TimeDelta::seconds(59)),
    };
    let scheduler = SchedulerRow {
        host: "web-1".to_owned(),
        pid: 9,
        is_leader: true,
        entries: 3,
    };
    let entries = vec![
        entry("never", None),
        entry("0 9 * * *", Some(3601)),
        entry("@every 1m", Some(6)),
    ];
    stage.read(Vec::new(), Content::Schedulers(vec![scheduler], entries));
    let lines = stage.lines();
    assert_eq!(lines[2], " web-1:9 leads (3 entries)");
    assert_eq!(
        lines[4],
        " @every 1m          in 5s      1m00s ago    report:daily         low"
    );
    assert!(
        lines[5].starts_with(" 0 9 * * *          in 1h00m"),
        "{}",
        lines[5]
    );
    assert!(
        lines[6].starts_with(" never              never"),
        "{}",
        lines[6]
    );
}

#[test]
fn too_many_groups_are_counted_but_not_listed() {
    let mut stage = on_queues(80, 24);
    stage.press("g");
    let groups = GroupList::Rows(vec![GroupRow {
        name: "mail".to_owned(),
        size: 1_234,
    }]);
    stage.read(Vec::new(), Content::Groups(groups));
    stage.shows("1,234");
    stage.read(Vec::new(), Content::Groups(GroupList::TooMany(1_000_000)));
    stage.shows("1,000,000 groups");
    stage.shows("More than 10,000 groups are not listed. o opens one by its name.");
}
