//! `rasynq task inspect`

use std::fmt::Write;

use chrono::{DateTime, Utc};
use rasynq::{Inspector, TaskDetails};

use crate::args::TaskIdArguments;
use crate::failure::Failure;
use crate::output::{
    Output, duration, indented_json, printable, printable_bytes, printable_lines, relative, time,
};
use crate::views::DetailsView;

pub(super) async fn run(
    task: &TaskIdArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let details = inspector.task_details(&task.queue, &task.id).await?;
    if output.is_json() {
        return output.print_json(&DetailsView::from(&details));
    }
    output.print(&text(&details, inspector.redis_time().await, output))
}

/// Lines of names and values, in sections.
struct Sections<'o> {
    text: String,
    output: &'o Output,
}

impl Sections<'_> {
    fn heading(&mut self, heading: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&self.output.heading(heading));
        self.text.push('\n');
    }

    fn line(&mut self, name: &str, value: &str) {
        let name = format!("{name}:");
        // Writing into a string cannot fail.
        let _ = writeln!(self.text, "{name:<16} {value}");
    }

    fn maybe_time(&mut self, name: &str, at: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        if let Some(at) = at {
            self.line(name, &format!("{} ({})", time(at), relative(at, now)));
        }
    }

    fn block(&mut self, heading: &str, bytes: &[u8]) {
        self.heading(heading);
        self.text.push_str(&data(bytes));
        self.text.push('\n');
    }
}

/// A payload or result for people: a JSON object or list is indented.
fn data(bytes: &[u8]) -> String {
    let indented = std::str::from_utf8(bytes).ok().and_then(indented_json);
    match indented {
        Some(lines) => printable_lines(&lines),
        None => printable_bytes(bytes),
    }
}

fn text(details: &TaskDetails, now: DateTime<Utc>, output: &Output) -> String {
    let info = &details.info;
    let text = String::new();
    let mut sections = Sections { text, output };
    sections.heading("Task Info");
    sections.line("Queue", &printable(&info.queue));
    sections.line("ID", &printable(&info.id));
    sections.line("Type", &printable(&info.task_type));
    let state = match info.is_orphaned {
        true => format!("{} (orphaned: its lease has expired)", info.state),
        false => info.state.to_string(),
    };
    sections.line("State", &state);
    sections.line("Retried", &format!("{}/{}", info.retried, info.max_retry));
    if let Some(error) = &details.decode_error {
        sections.line("Undecodable", &printable(error));
    }
    sections.maybe_time("Next process at", info.next_process_at, now);
    sections.maybe_time("Pending since", details.pending_since, now);
    sections.maybe_time("Archived at", details.archived_at, now);
    sections.maybe_time("Completed at", info.completed_at, now);
    sections.maybe_time("Kept until", details.kept_until, now);
    if let Some(timeout) = info.timeout {
        sections.line("Timeout", &duration(timeout));
    }
    sections.maybe_time("Deadline", info.deadline, now);
    if !info.retention.is_zero() {
        sections.line("Retention", &duration(info.retention));
    }
    if !info.group.is_empty() {
        sections.line("Group", &printable(&info.group));
    }
    sections.maybe_time("Grouped at", details.grouped_at, now);
    sections.maybe_time("Lease expires", details.lease_expires_at, now);
    if let Some(owner) = &details.owner {
        sections.line("Server", &printable(owner));
    }
    if let Some(progress) = &details.progress {
        let total = match progress.total() {
            0 => String::new(),
            total => format!(" of {total}"),
        };
        let words = progress.text().map(|text| format!(": {}", printable(text)));
        let line = format!("{}{total}{}", progress.done(), words.unwrap_or_default());
        sections.line("Progress", &line);
    }
    unique_lock(&mut sections, details, now);
    if !info.last_error.is_empty() {
        sections.heading("Last Failure");
        sections.maybe_time("Failed at", info.last_failed_at, now);
        sections.line("Error message", &printable(&info.last_error));
    }
    if !info.headers.is_empty() {
        sections.heading("Headers");
        for (name, value) in &info.headers {
            sections.line(&printable(name), &printable(value));
        }
    }
    sections.block("Payload", &info.payload);
    if !info.result.is_empty() {
        sections.block("Result", &info.result);
    }
    sections.text.truncate(sections.text.trim_end().len());
    sections.text
}

fn unique_lock(sections: &mut Sections<'_>, details: &TaskDetails, now: DateTime<Utc>) {
    let Some(lock) = &details.lock else { return };
    sections.heading("Unique Lock");
    sections.line("Key", &printable(&lock.key));
    let holder = match (&lock.holder, lock.is_held_by_task) {
        (None, _) => "nobody".to_owned(),
        (Some(_), true) => "this task".to_owned(),
        (Some(id), false) => format!("task {}", printable(id)),
    };
    sections.line("Held by", &holder);
    sections.maybe_time("Until", lock.expires_at, now);
}
