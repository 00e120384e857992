//! `rasynq man`: the pages of the manual, in the language of `man`. No Redis.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use serde::Serialize;

use super::examples::examples;
use crate::args::{Arguments, ManArguments};
use crate::failure::Failure;
use crate::output::Output;

/// When the pages changed last. A page of the manual has a date, and it must not be that of the reader.
const DATE: &str = "2026-12-01";

/// An apostrophe that is one in every formatter.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

const EXIT_STATUS: [(&str, &str); 10] = [
    ("0", "done"),
    ("1", "another failure"),
    (
        "2",
        "wrong usage: an argument, a setting, the file; or a question was answered with no",
    ),
    ("3", "not found"),
    ("4", "not possible in this state"),
    ("5", "Redis is away, too old, or refuses"),
    ("6", "doctor has found damage that is still there"),
    ("7", "task wait: the task was archived"),
    ("8", "task wait: the task has not ended in time"),
    ("130", "Ctrl-C"),
];

const ENVIRONMENT: [(&str, &str); 4] = [
    (
        "REDIS_URL",
        "The URI of Redis, unless --uri is given. It counts before the file.",
    ),
    ("NO_COLOR", "If it is set, headings are not bold."),
    (
        "RUST_LOG",
        "What the library logs on standard error, for example rasynq=debug.",
    ),
    ("HOME", "Where the file .asynq.yaml is."),
];

const FILES: [(&str, &str); 1] = [(
    "$HOME/.asynq.yaml",
    "The settings of the connection, as name: value. They are those of the long flags, such as uri and password; \
     asynq's own command reads the same file. --config names another one.",
)];

#[derive(Debug, Serialize)]
struct PageView<'a> {
    page: &'a str,
}

#[derive(Debug, Serialize)]
struct PagesView {
    files: Vec<String>,
}

pub(super) fn run(arguments: &ManArguments, output: &Output) -> Result<(), Failure> {
    let mut root = Arguments::command();
    root.build();
    if let Some(folder) = &arguments.out {
        fs::create_dir_all(folder).map_err(|error| in_folder(folder, &error))?;
        let mut files = Vec::new();
        write_pages(&root, folder, &mut files)?;
        return match output.is_json() {
            true => output.print_json(&PagesView { files }),
            false => Ok(()),
        };
    }
    let mut command = &root;
    for name in &arguments.verb {
        let found = command.get_subcommands().find(|verb| {
            verb.get_name() == name || verb.get_all_aliases().any(|alias| alias == name)
        });
        command = found.ok_or_else(|| Failure::usage(format!("there is no verb {name:?}")))?;
    }
    let page = page(command)?;
    match output.is_json() {
        true => output.print_json(&PageView { page: &page }),
        false => output.print(page.trim_end()),
    }
}

fn write_pages(command: &Command, folder: &Path, files: &mut Vec<String>) -> Result<(), Failure> {
    let path = folder.join(format!("{}.1", name_of_page(command)));
    fs::write(&path, page(command)?).map_err(|error| in_folder(&path, &error))?;
    files.push(path.display().to_string());
    for verb in verbs(command) {
        write_pages(verb, folder, files)?;
    }
    Ok(())
}

/// The verbs that have pages.
pub(super) fn verbs(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
}

/// `rasynq-task-ls`
pub(super) fn name_of_page(command: &Command) -> &str {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
}

fn page(command: &Command) -> Result<String, Failure> {
    let name = name_of_page(command);
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage).to_owned();
    let command_of_page = command
        .clone()
        // Otherwise all flags are listed, in no order.
        .override_usage(usage)
        // Otherwise what is hidden from the short help has no text.
        .mut_args(|argument| argument.hide_short_help(false));
    let man = Man::new(command_of_page)
        .title(name.to_uppercase())
        .section("1")
        .date(DATE)
        .source(concat!("rasynq ", env!("CARGO_PKG_VERSION")))
        .manual("rasynq manual");
    let mut page = String::from(PREAMBLE);
    add_section(&mut page, |out| man.render_title(out))?;
    add_section(&mut page, |out| man.render_name_section(out))?;
    add_section(&mut page, |out| man.render_synopsis_section(out))?;
    add_section(&mut page, |out| man.render_description_section(out))?;
    add_section(&mut page, |out| man.render_options_section(out))?;
    if verbs(command).next().is_some() {
        add_section(&mut page, |out| man.render_subcommands_section(out))?;
    }
    add_terms(&mut page, "EXIT STATUS", &EXIT_STATUS);
    add_terms(&mut page, "ENVIRONMENT", &ENVIRONMENT);
    add_terms(&mut page, "FILES", &FILES);
    add_examples(&mut page, name);
    add_see_also(&mut page, command);
    Ok(page)
}

/// A section that clap_mangen renders. Each of them begins with the preamble.
fn add_section(
    page: &mut String,
    render: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut section = Vec::new();
    render(&mut section).map_err(Failure::io)?;
    let section = String::from_utf8_lossy(&section);
    page.push_str(section.strip_prefix(PREAMBLE).unwrap_or(&section));
    Ok(())
}

/// A section of terms and what they mean.
fn add_terms(page: &mut String, heading: &str, terms: &[(&str, &str)]) {
    let _ = writeln!(page, ".SH {}", quoted(heading));
    for (term, meaning) in terms {
        let _ = writeln!(page, ".TP\n\\fB{}\\fR\n{}", escaped(term), escaped(meaning));
    }
}

fn add_examples(page: &mut String, name: &str) {
    page.push_str(".SH EXAMPLES\n");
    for (what, line) in examples(name) {
        let (what, line) = (escaped(what), escaped(line));
        let _ = writeln!(page, "{what}\n.PP\n.RS 4\n.nf\n{line}\n.fi\n.RE\n.PP");
    }
    // A paragraph without text is a fault.
    page.truncate(page.len() - ".PP\n".len());
}

fn add_see_also(page: &mut String, command: &Command) {
    let name = name_of_page(command);
    let above = name.rsplit_once('-').map(|(above, _)| above.to_owned());
    let pages = above
        .into_iter()
        .chain(verbs(command).map(|verb| name_of_page(verb).to_owned()));
    let pages: Vec<String> = pages
        .map(|name| format!("\\fB{}\\fR(1)", escaped(&name)))
        .collect();
    let _ = writeln!(page, ".SH {}\n{}", quoted("SEE ALSO"), pages.join(",\n"));
}

fn quoted(heading: &str) -> String {
    format!("\"{heading}\"")
}

/// Text as roff reads it: a hyphen that can be copied, and no line that is taken for a request.
fn escaped(text: &str) -> String {
    let text = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq");
    match text.starts_with('.') {
        true => format!("\\&{text}"),
        false => text,
    }
}

fn in_folder(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_is_ascii_and_has_all_sections() {
        let mut root = Arguments::command();
        root.build();
        let mut left = vec![&root];
        while let Some(command) = left.pop() {
            let name = name_of_page(command);
            let page = page(command).expect("a page");
            assert!(page.is_ascii(), "{name}");
            let title = format!(".TH {} 1 {DATE}", name.to_uppercase());
            assert!(page.contains(&title), "{page}");
            for heading in ["\"EXIT STATUS\"", "ENVIRONMENT", "FILES", "EXAMPLES"] {
                assert!(
                    page.contains(&format!(".SH {heading}"))
                        || page.contains(&format!(".SH \"{heading}\"")),
                    "{name}: {heading}"
                );
            }
            left.extend(verbs(command));
        }
    }
}
