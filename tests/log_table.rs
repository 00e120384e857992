//! The table of log messages in `docs/operations.md` holds what the sources log, and nothing else:
//! level, target, message and fields of everything above debug.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

const LEVELS: [&str; 3] = ["error", "warn", "info"];

/// A line of the log: in a row of the table, or where the sources write it.
struct Entry {
    level: String,
    target: String,
    /// Where a message is made of parts, `…` stands for what is not said.
    message: String,
    fields: BTreeSet<String>,
    place: String,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            level,
            target,
            message,
            fields,
            place,
        } = self;
        write!(f, "{place}: {level} {target} | {message} | {fields:?}")
    }
}

impl Entry {
    fn is_told_by(&self, row: &Self) -> bool {
        self.level == row.level
            && self.target == row.target
            && self.fields == row.fields
            && (fits(&row.message, &self.message) || fits(&self.message, &row.message))
    }
}

#[test]
fn every_log_message_is_in_the_table_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/operations.md")).expect("docs/operations.md");
    let rows = rows_of(&page);
    let mut logged = Vec::new();
    for file in rust_files(&root.join("src")) {
        let source = fs::read_to_string(&file).expect("a source");
        let below_src = file.strip_prefix(root.join("src")).expect("below src");
        logged.extend(entries_of(&source, below_src));
    }
    assert!(rows.len() > 20 && logged.len() > 20, "nothing was read");

    let lacking = logged
        .iter()
        .filter(|entry| !rows.iter().any(|row| entry.is_told_by(row)))
        .map(|entry| format!("not in the table: {entry}"));
    let stale = rows
        .iter()
        .filter(|row| !logged.iter().any(|entry| entry.is_told_by(row)))
        .map(|row| format!("never logged: {row}"));
    let faults: Vec<String> = lacking.chain(stale).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_reader_understands_the_log_macros() {
    let source = r#"
        /// tracing::info!("an example");
        fn f() {
            tracing::warn!(queue = keys.queue(), %error, "one; line");
            tracing::error!(
                task_id = &*run.id(a, b),
                queues = ?queues,
                "two \
                 {N} lines"
            );
            tracing::debug!("not listed");
        }"#;
    let found = entries_of(source, Path::new("server/mod.rs"));
    let told: Vec<_> = found
        .iter()
        .map(|e| {
            (
                e.level.as_str(),
                e.target.as_str(),
                e.message.as_str(),
                e.fields.len(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("error", "server", "two … lines", 2),
            ("warn", "server", "one; line", 2)
        ]
    );
    assert!(fits("two … lines", "two … lines") && fits("a …", "a b c") && !fits("a … d", "a b c"));
}

/// The rows of the table, one for each target.
fn rows_of(page: &str) -> Vec<Entry> {
    let mut rows = Vec::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, level, targets, message, fields, _] = cells[..] else {
            continue;
        };
        if !LEVELS.contains(&level) {
            continue;
        }
        rows.extend(in_backticks(targets).map(|target| Entry {
            level: level.to_owned(),
            target: target.to_owned(),
            message: message.to_owned(),
            fields: in_backticks(fields).map(str::to_owned).collect(),
            place: "docs/operations.md".to_owned(),
        }));
    }
    rows
}

fn in_backticks(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// What one file logs above debug.
fn entries_of(source: &str, below_src: &Path) -> Vec<Entry> {
    // comments tell of logging too
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect();
    let mut entries = Vec::new();
    for level in LEVELS {
        let call = format!("tracing::{level}!(");
        for (at, _) in code.match_indices(&call) {
            let mut arguments = arguments(&code[at + call.len()..]);
            let message = arguments.pop().expect("a message");
            entries.push(Entry {
                level: level.to_owned(),
                target: target(below_src),
                message: message_of(&message),
                fields: arguments.iter().map(|field| field_name(field)).collect(),
                place: below_src.display().to_string(),
            });
        }
    }
    entries
}

/// The arguments of a macro's call, from behind its opening parenthesis.
fn arguments(code: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let (mut depth, mut in_text, mut escaped) = (0, false, false);
    for letter in code.chars() {
        if in_text {
            in_text = letter != '"' || escaped;
            escaped = letter == '\\' && !escaped;
        } else {
            match letter {
                '"' => in_text = true,
                '(' | '[' | '{' => depth += 1,
                ')' if depth == 0 => break,
                ')' | ']' | '}' => depth -= 1,
                ',' if depth == 0 => {
                    found.push(String::new());
                    continue;
                }
                _ => {}
            }
        }
        if let Some(argument) = found.last_mut() {
            argument.push(letter);
        }
    }
    found.retain(|argument| !argument.trim().is_empty());
    found
}

/// The text of a literal, on one line, with `…` for what is put into it.
fn message_of(literal: &str) -> String {
    let text = literal.trim().trim_matches('"').replace("\\\n", " ");
    let mut message = String::new();
    let mut inside = false;
    for letter in text.chars() {
        match letter {
            '{' => message.push('…'),
            _ if !inside && letter != '}' => message.push(letter),
            _ => {}
        }
        inside = (inside || letter == '{') && letter != '}';
    }
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn field_name(argument: &str) -> String {
    let name = argument.split('=').next().unwrap_or_default();
    name.trim().trim_start_matches(['%', '?']).to_owned()
}

/// The path of a file's module.
fn target(below_src: &Path) -> String {
    let path = below_src.with_extension("");
    let mut parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts.join("::")
}

/// Whether a message is what a pattern says, `…` standing for anything.
fn fits(pattern: &str, message: &str) -> bool {
    let parts: Vec<&str> = pattern.split('…').collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    if parts.len() == 1 {
        return pattern == message;
    }
    let mut rest = match message.strip_prefix(first) {
        Some(rest) if rest.len() >= last.len() && rest.ends_with(last) => rest,
        _ => return false,
    };
    for part in &parts[1..parts.len() - 1] {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
