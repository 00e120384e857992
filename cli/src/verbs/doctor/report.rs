//! [`Report`]: what `rasynq doctor` says of the damage, as it comes.

use rasynq::{Damage, DamageKind};
use serde::Serialize;

use crate::failure::{Failure, FailureKind};
use crate::output::{Output, json_text, printable};

/// What became of a damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    Found,
    Repaired,
    /// Somebody else has repaired it, or the data has changed.
    Gone,
    /// The repair has failed.
    Failed,
    NotRepairable,
}

impl Treatment {
    fn word(self) -> &'static str {
        match self {
            Treatment::Found => "found",
            Treatment::Repaired => "repaired",
            Treatment::Gone => "gone",
            Treatment::Failed => "failed",
            Treatment::NotRepairable => "not_repairable",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Treatment::NotRepairable => "cannot be repaired",
            Treatment::Failed => "not repaired",
            other => other.word(),
        }
    }
}

/// The members of the JSON document behind the list `damage`.
#[derive(Debug, Default, Serialize)]
struct Counts {
    found: u64,
    repaired: u64,
    /// What is still there.
    left: u64,
    /// How many queues were examined to the end, and how many there are.
    examined_queues: usize,
    queues: usize,
    /// Whether everything was examined.
    complete: bool,
}

#[derive(Debug, Serialize)]
struct DamageView<'d> {
    kind: &'static str,
    queue: Option<&'d str>,
    key: &'d str,
    member: Option<&'d str>,
    detail: &'d str,
    result: &'static str,
}

/// Prints each damage at once, and keeps only what is counted.
pub(super) struct Report<'o> {
    output: &'o Output,
    counts: Counts,
    undecodable: u64,
    wrong_types: u64,
}

impl<'o> Report<'o> {
    pub(super) fn new(output: &'o Output) -> Self {
        Self {
            output,
            counts: Counts::default(),
            undecodable: 0,
            wrong_types: 0,
        }
    }

    /// So many queues are to be examined.
    pub(super) fn expect_queues(&mut self, queues: usize) {
        self.counts.queues = queues;
    }

    /// A queue was examined to the end.
    pub(super) fn note_examined_queue(&mut self) {
        self.counts.examined_queues += 1;
    }

    /// A queue has vanished before it was examined.
    pub(super) fn note_gone_queue(&mut self) {
        self.counts.queues -= 1;
    }

    pub(super) fn note(&mut self, damage: &Damage, treatment: Treatment) -> Result<(), Failure> {
        let counts = &mut self.counts;
        counts.found += 1;
        match treatment {
            Treatment::Repaired => counts.repaired += 1,
            Treatment::Gone => {}
            _ => counts.left += 1,
        }
        match damage.kind {
            DamageKind::Undecodable => self.undecodable += 1,
            DamageKind::WrongType => self.wrong_types += 1,
            _ => {}
        }
        if !self.output.is_json() {
            let text = damage.to_string();
            let line = format!("{}: {}", treatment.text(), printable(&text));
            return self.output.print(&line);
        }
        let view = json_text(&DamageView {
            kind: damage.kind.as_str(),
            queue: damage.queue.as_deref(),
            key: &damage.key,
            member: damage.member.as_deref(),
            detail: &damage.detail,
            result: treatment.word(),
        });
        let view = view.replace('\n', "\n    ");
        match self.counts.found {
            1 => self
                .output
                .print_part(&format!("{{\n  \"damage\": [\n    {view}")),
            _ => self.output.print_part(&format!(",\n    {view}")),
        }
    }

    /// Prints the numbers. Fails if the examination has failed, or damage is left.
    pub(super) fn end(mut self, fixes: bool, result: Result<(), Failure>) -> Result<(), Failure> {
        self.counts.complete = result.is_ok();
        let Counts {
            found,
            repaired,
            left,
            examined_queues,
            queues,
            ..
        } = self.counts;
        let printed = if self.output.is_json() {
            let counts = json_text(&self.counts);
            let members = counts.trim_start_matches('{');
            self.output.print(&match found {
                0 => format!("{{\n  \"damage\": [],{members}"),
                _ => format!("\n  ],{members}"),
            })
        } else {
            let counts = format!("{found} found, {repaired} repaired, {left} left");
            self.output.note(&match (result.is_ok(), found) {
                (true, 0) => "no damage found".to_owned(),
                (true, _) => counts,
                (false, _) => format!("examined {examined_queues} of {queues} queues: {counts}"),
            });
            Ok(())
        };
        // Why it is not complete counts more than a reader that has left.
        result.and(printed)?;
        if left == 0 {
            return Ok(());
        }
        let mut hints = Vec::new();
        if left > self.undecodable + self.wrong_types {
            hints.push(match fixes {
                true => "some of it could not be repaired",
                false => "--fix repairs what can be repaired",
            });
        }
        if self.undecodable > 0 {
            hints.push("`rasynq task delete` removes an undecodable task");
        }
        if self.wrong_types > 0 {
            hints.push("look at a key of another type, and rename or delete it");
        }
        let text = format!("damage is left: {}", hints.join("; "));
        Err(Failure::new(FailureKind::Damage, text))
    }
}
