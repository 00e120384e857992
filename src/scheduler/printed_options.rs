//! The options of an entry in Go's printed form, which is what asynqmon shows of them.

use std::time::Duration;

use crate::task::TaskOption;
use crate::wire::{GoDuration, PrintedOption};

/// Go's longest duration.
const LONGEST: Duration = Duration::from_nanos(i64::MAX as u64);

pub(super) fn printed_options(options: &[TaskOption]) -> Vec<String> {
    options
        .iter()
        .map(|option| printed(option).to_string())
        .collect()
}

fn printed(option: &TaskOption) -> PrintedOption {
    match option {
        TaskOption::Queue(name) => PrintedOption::Queue(name.clone()),
        TaskOption::MaxRetry(n) => PrintedOption::MaxRetry((*n).into()),
        TaskOption::TaskId(id) => PrintedOption::TaskId(id.clone()),
        TaskOption::Timeout(limit) => PrintedOption::Timeout(go_duration(*limit)),
        TaskOption::Deadline(at) => PrintedOption::Deadline(*at),
        TaskOption::Unique(ttl) => PrintedOption::Unique(go_duration(*ttl)),
        TaskOption::ProcessAt(at) => PrintedOption::ProcessAt(*at),
        TaskOption::ProcessIn(delay) => PrintedOption::ProcessIn(go_duration(*delay)),
        TaskOption::Retention(keep) => PrintedOption::Retention(go_duration(*keep)),
        TaskOption::Group(name) => PrintedOption::Group(name.clone()),
        TaskOption::Header(name, value) => PrintedOption::Header(name.clone(), value.clone()),
    }
}

/// A valid task has no duration that is longer than Go's longest one, except a TTL of a lock, which is
/// printed as that one.
fn go_duration(duration: Duration) -> GoDuration {
    GoDuration::try_from(duration.min(LONGEST)).unwrap_or_default()
}
