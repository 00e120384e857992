//! All that is known of one task.

use chrono::{DateTime, Utc};
use rasynq::TaskState;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::dash::format;
use crate::dash::model::Model;
use crate::dash::model::rows::TaskFacts;
use crate::dash::model::screen::Content;
use crate::dash::text;
use crate::dash::theme::Theme;

/// Columns of the names of the facts.
const LABEL_COLUMNS: usize = 11;

pub(super) fn draw(model: &Model, theme: Theme, body: Rect, buffer: &mut Buffer) {
    match &model.place().content {
        Content::Task(_) => {
            let lines = lines(model, theme);
            super::draw_lines(&lines, model.place().first, body, buffer);
        }
        _ => super::draw_empty(super::unread(model), theme, body, buffer),
    }
}

/// The lines of the task, in the width of the screen. None before it was read.
pub(super) fn lines(model: &Model, theme: Theme) -> Vec<Line<'static>> {
    let Content::Task(facts) = &model.place().content else {
        return Vec::new();
    };
    let columns = usize::from(model.size.0.saturating_sub(2));
    let mut page = Page {
        theme,
        columns,
        now: model.redis_now(),
        lines: Vec::new(),
    };
    page.add_facts(facts);
    page.add_contents(facts);
    page.lines
}

struct Page {
    theme: Theme,
    columns: usize,
    now: DateTime<Utc>,
    lines: Vec<Line<'static>>,
}

impl Page {
    fn add_facts(&mut self, facts: &TaskFacts) {
        let row = &facts.row;
        self.fact("id", &row.id, Style::new());
        if let Some(error) = &facts.decode_error {
            let text = format!("its message does not decode: {error}");
            self.fact("damage", &text, self.theme.bad());
        }
        self.fact("type", &row.task_type, self.theme.bold());
        self.fact("queue", &row.queue, Style::new());
        self.add_state(facts);
        let tries = format!("{} of {} used", row.retried, row.max_retry);
        self.fact("retries", &tries, Style::new());
        if !row.last_error.is_empty() {
            self.fact("last error", &row.last_error, self.theme.bad());
        }
        self.moment("failed", row.last_failed_at);
        self.moment("archived", facts.archived_at);
        self.moment("completed", row.completed_at);
        self.moment("kept until", facts.kept_until);
        let timeout = match facts.timeout {
            Some(timeout) => format::span(timeout),
            None => "none".to_owned(),
        };
        self.fact("timeout", &timeout, Style::new());
        self.moment("deadline", facts.deadline);
        if !facts.retention.is_zero() {
            let retention = format!("kept {} after completion", format::span(facts.retention));
            self.fact("retention", &retention, Style::new());
        }
        if !row.group.is_empty() {
            self.fact("group", &row.group, Style::new());
        }
        self.add_run(facts);
        self.add_lock(facts);
    }

    fn add_state(&mut self, facts: &TaskFacts) {
        let row = &facts.row;
        let mut state = row.state.to_string();
        let due = row.next_process_at;
        match (row.state, due) {
            (TaskState::Scheduled | TaskState::Retry, Some(due)) => {
                state += &format!(
                    ", due {} ({})",
                    format::relative(due, self.now),
                    format::moment(due)
                );
            }
            (TaskState::Pending, _) => {
                if let Some(since) = facts.pending_since {
                    let waited = format::since(since, self.now);
                    state += &format!(" for {}", format::span(waited));
                }
            }
            _ => {}
        }
        self.fact("state", &state, self.theme.state(row.state));
    }

    fn add_run(&mut self, facts: &TaskFacts) {
        if facts.row.is_orphaned {
            self.fact("orphaned", "its lease has expired", self.theme.bad());
        }
        if let Some(owner) = &facts.owner {
            self.fact("runs on", owner, Style::new());
        }
        self.moment("lease ends", facts.lease_expires_at);
        if let Some(progress) = &facts.progress {
            let done = match progress.total {
                0 => format!("{} done", format::full_count(progress.done)),
                total => {
                    let percent = u128::from(progress.done) * 100 / u128::from(total);
                    format!(
                        "{} of {} ({percent}%)",
                        format::full_count(progress.done),
                        format::full_count(total)
                    )
                }
            };
            let text = match progress.message.is_empty() {
                true => done,
                false => format!("{done}: {}", progress.message),
            };
            self.fact("progress", &text, self.theme.good());
        }
    }

    fn add_lock(&mut self, facts: &TaskFacts) {
        let Some(lock) = &facts.lock else { return };
        let (held, style) = match (&lock.holder, lock.is_held_by_task) {
            (_, true) => ("held by this task".to_owned(), Style::new()),
            (Some(holder), _) => (format!("held by task {holder}"), self.theme.warning()),
            (None, _) => ("free".to_owned(), self.theme.dim()),
        };
        let until = lock.expires_at.map(|end| {
            format!(
                " until {} ({})",
                format::moment(end),
                format::relative(end, self.now)
            )
        });
        self.fact(
            "lock",
            &format!("{held}{}", until.unwrap_or_default()),
            style,
        );
        self.fact("", &lock.key, self.theme.dim());
    }

    fn add_contents(&mut self, facts: &TaskFacts) {
        let row = &facts.row;
        self.add_bytes("payload", &row.payload);
        if !row.result.is_empty() {
            self.add_bytes("result", &row.result);
        }
        if !facts.headers.is_empty() {
            self.head(&format!("headers ({})", facts.headers.len()));
            for (name, value) in &facts.headers {
                let mut lines = Vec::new();
                let line = format!("{}: {}", text::printable(name), text::printable(value));
                text::wrap(&line, self.columns, &mut lines);
                self.lines.extend(lines.into_iter().map(Line::raw));
            }
        }
    }

    fn add_bytes(&mut self, name: &str, bytes: &[u8]) {
        let size = match bytes.len() {
            0 => "empty".to_owned(),
            1 => "1 byte".to_owned(),
            count => format!("{} bytes", format::full_count(count as u64)),
        };
        self.head(&format!("{name} ({size})"));
        if !bytes.is_empty() {
            let lines = text::lines(bytes, self.columns);
            self.lines.extend(lines.into_iter().map(Line::raw));
        }
    }

    fn head(&mut self, title: &str) {
        self.lines.push(Line::default());
        self.lines
            .push(Line::styled(title.to_owned(), self.theme.title()));
    }

    fn moment(&mut self, label: &'static str, moment: Option<DateTime<Utc>>) {
        if let Some(moment) = moment {
            let text = format!(
                "{} ({})",
                format::moment(moment),
                format::relative(moment, self.now)
            );
            self.fact(label, &text, Style::new());
        }
    }

    fn fact(&mut self, label: &'static str, value: &str, style: Style) {
        let mut parts = Vec::new();
        let room = self.columns.saturating_sub(LABEL_COLUMNS);
        text::wrap(&text::printable(value), room, &mut parts);
        for (index, part) in parts.into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            self.lines.push(Line::from(vec![
                Span::styled(format!("{label:<LABEL_COLUMNS$}"), self.theme.dim()),
                Span::styled(part, style),
            ]));
        }
    }
}
