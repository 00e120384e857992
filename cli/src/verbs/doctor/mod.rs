//! `rasynq doctor`

mod report;

use std::collections::BTreeSet;

use rasynq::{Damage, DamageKind, ErrorKind, Examination, Inspector, Repair};
use report::{Report, Treatment};

use crate::args::DoctorArguments;
use crate::away::AwayNodes;
use crate::failure::{Failure, FailureKind};
use crate::output::{Output, Progress};

pub(super) async fn run(
    options: &DoctorArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let mut doctor = Doctor {
        fixes: options.fix,
        inspector,
        output,
        progress: Progress::start("examining"),
        report: Report::new(output),
        unlisted: BTreeSet::new(),
        first_failure: None,
    };
    let result = tokio::select! {
        result = doctor.examine_all(&options.queues) => result,
        _ = tokio::signal::ctrl_c() => {
            Err(Failure::new(FailureKind::Interrupted, "interrupted"))
        }
    };
    doctor.progress.end();
    let result = result.and(doctor.first_failure.map_or(Ok(()), Err));
    doctor.report.end(options.fix, result)
}

struct Doctor<'a> {
    fixes: bool,
    inspector: &'a Inspector,
    output: &'a Output,
    progress: Progress,
    report: Report<'a>,
    /// Queues that are not listed, and were found.
    unlisted: BTreeSet<String>,
    first_failure: Option<Failure>,
}

impl Doctor<'_> {
    /// These queues; without names all of them, and the global keys. What cannot be examined hides nothing else.
    async fn examine_all(&mut self, names: &[String]) -> Result<(), Failure> {
        let away = AwayNodes::new(self.inspector);
        let is_named = !names.is_empty();
        let mut queues: BTreeSet<String> = names.iter().cloned().collect();
        if !is_named {
            // It finds queues that are not in the list of queues, so it comes first.
            let examined = self.examine(self.inspector.examine_global()).await;
            let examined = away.unless_all_is_away(examined).await?;
            self.value(examined)?;
            queues.append(&mut self.unlisted);
            let listed = self.inspector.queues().await.map_err(Failure::from);
            queues.extend(self.unless_over(listed)?.unwrap_or_default());
        }
        self.report.expect_queues(queues.len());
        for queue in queues {
            let examined = self.examine(self.inspector.examine(&queue));
            let mut examined = away.read(&queue, examined).await?;
            if let Err(failure) = &mut examined
                && !is_named
                && failure.kind == FailureKind::Library(ErrorKind::QueueNotFound)
            {
                if !queue.contains(char::REPLACEMENT_CHARACTER) {
                    // Somebody has deleted it meanwhile.
                    self.report.note_gone_queue();
                    continue;
                }
                let text = "a queue whose name is not UTF-8 cannot be examined";
                *failure = Failure::new(FailureKind::Library(ErrorKind::Undecodable), text);
                failure.name_queue(&queue);
            }
            if self.value(examined)?.is_some() {
                self.report.note_examined_queue();
            }
        }
        Ok(())
    }

    /// The value. `None`: it failed, which is printed, and the rest goes on. A failure of Redis as a whole is returned.
    fn unless_over<T>(&mut self, result: Result<T, Failure>) -> Result<Option<T>, Failure> {
        match result {
            Err(failure) if failure.is_unavailable() => Err(failure),
            result => self.value(result),
        }
    }

    /// The same, but Redis as a whole is there.
    fn value<T>(&mut self, result: Result<T, Failure>) -> Result<Option<T>, Failure> {
        let mut failure = match result {
            Ok(value) => return Ok(Some(value)),
            Err(failure) if failure.kind == FailureKind::ClosedOutput => return Err(failure),
            Err(failure) => failure,
        };
        self.progress
            .around(|| self.output.print_failure(&mut failure));
        self.first_failure.get_or_insert(failure);
        Ok(None)
    }

    async fn examine(&mut self, examination: Examination) -> Result<(), Failure> {
        let shown = self.progress.clone();
        let mut examination = examination.on_progress(move |now| shown.show_examined(&now));
        while let Some(damage) = examination.next().await {
            let damage = damage?;
            let treatment = self.treat(&damage).await?;
            if damage.kind == DamageKind::UnlistedQueue {
                self.unlisted.extend(damage.queue.clone());
            }
            let report = &mut self.report;
            self.progress.around(|| report.note(&damage, treatment))?;
        }
        Ok(())
    }

    async fn treat(&mut self, damage: &Damage) -> Result<Treatment, Failure> {
        if !damage.kind.is_repairable() {
            return Ok(Treatment::NotRepairable);
        }
        if !self.fixes {
            return Ok(Treatment::Found);
        }
        let repair = self.inspector.repair(damage).await.map_err(Failure::from);
        Ok(match self.unless_over(repair)? {
            Some(Repair::Repaired) => Treatment::Repaired,
            Some(_) => Treatment::Gone,
            None => Treatment::Failed,
        })
    }
}
