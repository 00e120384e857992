//! The results: tables, JSON and plots.

mod acceptance;
mod docs;
mod json;
mod markdown;
mod plots;
mod svg;

use std::path::Path;

use anyhow::{Context, Result};

use crate::machine::Machine;
use crate::record::Case;

/// The results of a run.
pub(crate) struct Report {
    /// The machine and the versions.
    pub(crate) machine: Machine,
    /// The measured cases.
    pub(crate) cases: Vec<Case>,
    /// Scenarios that failed, with the reason.
    pub(crate) failures: Vec<String>,
}

impl Report {
    /// Writes `results.json`, `results.md` and the plots into a directory.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir).with_context(|| format!("{}", dir.display()))?;
        let json = serde_json::to_string_pretty(&json::report(self))?;
        std::fs::write(dir.join("results.json"), json + "\n")?;
        std::fs::write(dir.join("results.md"), self.markdown())?;
        for (name, plot) in plots::plots(&self.cases) {
            std::fs::write(dir.join(format!("{name}.svg")), plot)?;
        }
        Ok(())
    }

    /// Writes the results between the marks of the page, and the plots next to it.
    pub(crate) fn write_docs(&self, page: &Path) -> Result<()> {
        docs::write(page, &self.markdown(), &plots::plots(&self.cases))
    }

    /// The tables.
    pub(crate) fn markdown(&self) -> String {
        let mut out = self.machine.markdown();
        for failure in &self.failures {
            out.push_str(&format!("\n**Not measured:** {failure}\n"));
        }
        out.push_str(&format!("\n### Required\n\n{}", self.acceptance()));
        out.push_str(&markdown::tables(&self.cases));
        out
    }

    /// The requirements, and whether they are met.
    pub(crate) fn acceptance(&self) -> String {
        acceptance::table(&self.cases)
    }
}
