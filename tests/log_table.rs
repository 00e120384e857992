//! The table of log messages in `docs/operations.md` and the sources in `src/` have the same entries.
//!
//! An entry has a level (info, warn or error), a target, a message, and the names of its fields. The
//! target is the path of the module that logs: `server::ack` for both `src/server/ack.rs` and
//! `src/server/ack/mod.rs`.

#[expect(unreachable_pub, reason = "tests/common exports these constants")]
#[path = "common/logged.rs"]
mod logged;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

const LEVELS: [&str; 3] = ["error", "warn", "info"];

/// A log message: a row of the table, or a call of a log macro in the sources.
struct Entry {
    level: String,
    target: String,
    /// `…` stands for each inserted value.
    message: String,
    fields: BTreeSet<String>,
    /// The file in which the entry was found.
    found_in: String,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            level,
            target,
            message,
            fields,
            found_in,
        } = self;
        write!(f, "{found_in}: {level} {target} | {message} | {fields:?}")
    }
}

impl Entry {
    /// Whether `row` describes this call of a log macro.
    fn matches(&self, row: &Self) -> bool {
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
    assert!(
        rows.len() > 20 && logged.len() > 20,
        "the table and the sources were read"
    );

    let missing = logged
        .iter()
        .filter(|entry| !rows.iter().any(|row| entry.matches(row)))
        .map(|entry| format!("not in the table: {entry}"));
    let stale = rows
        .iter()
        .filter(|row| !logged.iter().any(|entry| entry.matches(row)))
        .map(|row| format!("never logged: {row}"));
    let differences: Vec<String> = missing.chain(stale).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn phrases_that_tests_look_for_are_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/operations.md")).expect("docs/operations.md");
    let rows = rows_of(&page);
    for phrase in logged::ALL {
        let is_listed = rows.iter().any(|row| row.message.contains(phrase));
        assert!(is_listed, "{phrase:?} is in no row of docs/operations.md");
    }
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
            info!(a, "by its name alone");
            not_info!(a, "another macro");
        }"#;
    let found = entries_of(source, Path::new("server/mod.rs"));
    let entries: Vec<_> = found
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
        entries,
        [
            ("error", "server", "two … lines", 2),
            ("warn", "server", "one; line", 2),
            ("info", "server", "by its name alone", 1)
        ]
    );
    for (file, module) in [
        ("error.rs", "error"),
        ("lib.rs", ""),
        ("server/ack/mod.rs", "server::ack"),
        ("server/ack/acknowledger.rs", "server::ack::acknowledger"),
    ] {
        assert_eq!(target(Path::new(file)), module);
    }
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
            found_in: "docs/operations.md".to_owned(),
        }));
    }
    rows
}

fn in_backticks(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The calls of log macros in one file, above the level debug.
fn entries_of(source: &str, below_src: &Path) -> Vec<Entry> {
    // comments contain log macros, too
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect();
    let mut entries = Vec::new();
    let macros = LEVELS.map(|level| (level, format!("{level}!("), 0));
    // The first argument of these is what decides about the level. The macros' own file defines them.
    let of_ours = match below_src.ends_with("error.rs") {
        true => Vec::new(),
        false => ["warn_unless_outage!(", "warn_if!("]
            .map(|call| ("warn", call.to_owned(), 1))
            .to_vec(),
    };
    for (level, call, skipped) in macros.into_iter().chain(of_ours) {
        for (at, _) in code.match_indices(&call) {
            let is_part_of_a_name = |before: char| before.is_alphanumeric() || before == '_';
            if code[..at].ends_with(is_part_of_a_name) {
                continue;
            }
            let mut arguments = arguments(&code[at + call.len()..]);
            let message = arguments.pop().expect("a message");
            entries.push(Entry {
                level: level.to_owned(),
                target: target(below_src),
                message: message_of(&message),
                fields: arguments[skipped..]
                    .iter()
                    .map(|field| field_name(field))
                    .collect(),
                found_in: below_src.display().to_string(),
            });
        }
    }
    entries
}

/// The arguments of a macro call; `code` begins after the opening parenthesis.
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

/// The text of a string literal, on one line, with `…` for each inserted value.
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

/// The path of the module in a file.
fn target(below_src: &Path) -> String {
    let path = below_src.with_extension("");
    let mut parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    if parts
        .last()
        .is_some_and(|last| last == "mod" || last == "lib")
    {
        parts.pop();
    }
    parts.join("::")
}

/// Whether a pattern matches a message; `…` matches any text.
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
