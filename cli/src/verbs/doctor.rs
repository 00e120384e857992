//! `rasynq doctor`

use rasynq::{Damage, ErrorKind, Examination, Inspector, Repair};
use serde::Serialize;

use crate::args::DoctorArguments;
use crate::failure::{Failure, FailureKind};
use crate::output::{Output, printable};

#[derive(Debug, Default, Serialize)]
struct DoctorView {
    found: u64,
    repaired: u64,
    /// What is still there.
    left: u64,
    #[serde(skip)]
    not_repairable: u64,
    /// Whether everything was examined.
    complete: bool,
    damage: Vec<DamageView>,
}

#[derive(Debug, Serialize)]
struct DamageView {
    kind: &'static str,
    queue: Option<String>,
    key: String,
    member: Option<String>,
    detail: String,
    result: &'static str,
}

/// What became of a damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treatment {
    Found,
    Repaired,
    /// Somebody else has repaired it, or the data has changed.
    Gone,
    NotRepairable,
}

impl Treatment {
    fn word(self) -> &'static str {
        match self {
            Treatment::Found => "found",
            Treatment::Repaired => "repaired",
            Treatment::Gone => "gone",
            Treatment::NotRepairable => "not_repairable",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Treatment::NotRepairable => "cannot be repaired",
            other => other.word(),
        }
    }
}

pub(super) async fn run(
    options: &DoctorArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let mut doctor = Doctor {
        fixes: options.fix,
        inspector,
        output,
        report: DoctorView::default(),
    };
    let result = tokio::select! {
        result = doctor.examine_all(&options.queues) => result,
        _ = tokio::signal::ctrl_c() => {
            Err(Failure::new(FailureKind::Interrupted, "interrupted: not everything is examined"))
        }
    };
    doctor.end(result)
}

struct Doctor<'a> {
    fixes: bool,
    inspector: &'a Inspector,
    output: &'a Output,
    report: DoctorView,
}

impl Doctor<'_> {
    /// These queues; without names all of them, and the servers and schedulers. What cannot be examined hides nothing
    /// else.
    async fn examine_all(&mut self, names: &[String]) -> Result<(), Failure> {
        let mut first_failure = None;
        let is_named = !names.is_empty();
        let queues = match is_named {
            true => names.to_vec(),
            false => {
                // It finds queues that are not in the list of queues, so it comes first.
                self.examine(self.inspector.examine_global()).await?;
                self.inspector.queues().await?
            }
        };
        for queue in queues {
            let examined = self.examine(self.inspector.examine(&queue)).await;
            let Err(mut failure) = examined else { continue };
            let kind = failure.kind;
            if kind == FailureKind::Library(ErrorKind::QueueNotFound) && !is_named {
                continue;
            }
            failure.name_queue(&queue);
            let is_over = FailureKind::Library(ErrorKind::Unavailable) == kind;
            if is_over || kind == FailureKind::ClosedOutput {
                return Err(failure);
            }
            self.output.print_failure(&mut failure);
            first_failure.get_or_insert(failure);
        }
        first_failure.map_or(Ok(()), Err)
    }

    async fn examine(&mut self, mut examination: Examination) -> Result<(), Failure> {
        while let Some(damage) = examination.next().await {
            let damage = damage?;
            let treatment = self.treat(&damage).await?;
            self.note(&damage, treatment)?;
        }
        Ok(())
    }

    async fn treat(&self, damage: &Damage) -> Result<Treatment, Failure> {
        if !damage.kind.is_repairable() {
            return Ok(Treatment::NotRepairable);
        }
        if !self.fixes {
            return Ok(Treatment::Found);
        }
        match self.inspector.repair(damage).await? {
            Repair::Repaired => Ok(Treatment::Repaired),
            _ => Ok(Treatment::Gone),
        }
    }

    /// People see it at once; JSON comes at the end.
    fn note(&mut self, damage: &Damage, treatment: Treatment) -> Result<(), Failure> {
        self.report.found += 1;
        match treatment {
            Treatment::Repaired => self.report.repaired += 1,
            Treatment::Gone => {}
            Treatment::Found => self.report.left += 1,
            Treatment::NotRepairable => {
                self.report.left += 1;
                self.report.not_repairable += 1;
            }
        }
        if self.output.is_json() {
            self.report.damage.push(DamageView {
                kind: damage.kind.as_str(),
                queue: damage.queue.clone(),
                key: damage.key.clone(),
                member: damage.member.clone(),
                detail: damage.detail.clone(),
                result: treatment.word(),
            });
            return Ok(());
        }
        let text = damage.to_string();
        self.output
            .print(&format!("{}: {}", treatment.text(), printable(&text)))
    }

    fn end(mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        self.report.complete = result.is_ok();
        let DoctorView {
            found,
            repaired,
            left,
            ..
        } = self.report;
        if self.output.is_json() {
            self.output.print_json(&self.report)?;
        } else {
            let counts = format!("{found} found, {repaired} repaired, {left} left");
            self.output.note(&match (result.is_ok(), found) {
                (true, 0) => "no damage found".to_owned(),
                (true, _) => counts,
                (false, _) => format!("not everything was examined: {counts}"),
            });
        }
        result?;
        if left == 0 {
            return Ok(());
        }
        let hint = match self.fixes || self.report.not_repairable == left {
            true => "it cannot be repaired; `rasynq task delete` removes an undecodable task",
            false => "--fix repairs what can be repaired",
        };
        let text = format!("damage is left: {hint}");
        Err(Failure::new(FailureKind::Damage, text))
    }
}
