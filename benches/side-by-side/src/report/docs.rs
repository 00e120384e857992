//! Writes the latest results into a page.

use std::path::Path;

use anyhow::{Context, Result};

const BEGIN: &str = "<!-- results: written by dev/bench --write-docs -->\n";
const END: &str = "<!-- end of results -->\n";

/// Writes the tables between the marks of the page, and the plots into the directory with its name.
pub(super) fn write(page: &Path, tables: &str, plots: &[(String, String)]) -> Result<()> {
    let text = std::fs::read_to_string(page).with_context(|| format!("{}", page.display()))?;
    let dir = page.with_extension("");
    let stem = dir
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    std::fs::create_dir_all(&dir)?;
    let mut results = tables.to_owned();
    if !plots.is_empty() {
        results.push_str("\n### Plots\n\n");
    }
    for (name, plot) in plots {
        std::fs::write(dir.join(format!("{name}.svg")), plot)?;
        results.push_str(&format!("![{name}]({stem}/{name}.svg)\n"));
    }
    let text = between_marks(&text, &results)
        .with_context(|| format!("{} has no marks for the results", page.display()))?;
    Ok(std::fs::write(page, text)?)
}

fn between_marks(text: &str, results: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{results}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_between_the_marks_changes() {
        let page = format!("a\n{BEGIN}old\n{END}z\n");
        let once = between_marks(&page, "new\n").expect("marks");
        assert_eq!(once, format!("a\n{BEGIN}\nnew\n\n{END}z\n"));
        assert_eq!(between_marks(&once, "new\n"), Some(once.clone()));
        assert_eq!(between_marks("a", "new"), None);
    }
}
