//! Golden texts: files with real outputs. Times, durations, ids and sizes of memory are not compared.
//!
//! `RASYNQ_WRITE_OUTPUT=1` writes the files anew.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

/// What differs from run to run, and what stands for it.
static CHANGING: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uuid>"),
        (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "<time>"),
        (r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2} UTC", "<time>"),
        (r"\d{4}-\d{2}-\d{2}", "<date>"),
        (r"\bin (\d+[smhdy])+\b", "<when>"),
        (r"\b(\d+[smhdy])+ ago\b", "<when>"),
        (r"\bnow\b", "<when>"),
        (r"\b\d+ms\b", "<duration>"),
        (r"\b(\d+\.)?(\d+[smhdy])+\b", "<duration>"),
        (r"\b\d+(\.\d+)? ([KMGTP]i)?B\b", "<size>"),
        (r#"("(latency|uptime|used_memory|used_memory_peak|memory_usage|pid|connected_clients)": ?)[\d.]+"#, "$1<number>"),
        (r#""version": ?"[^"]*""#, "\"version\": <version>"),
        (r#""host": ?"[^"]*""#, "\"host\": <host>"),
        (r"\b\d+\.\d+\.\d+\b", "<version>"),
        (r"(\d+ days +)\d+", "$1<number>"),
        // The width of a column depends on its longest cell.
        (r" {2,}", "  "),
        (r"-{4,}", "----"),
        (r"(?m) +$", ""),
    ]
    .map(|(pattern, name)| (Regex::new(pattern).unwrap(), name))
    .into()
});

/// The text without what differs from run to run.
pub fn masked(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, name) in CHANGING.iter() {
        text = pattern.replace_all(&text, *name).into_owned();
    }
    text
}

/// Compares with the file of this name in `cli/tests/output`.
#[track_caller]
pub fn assert_golden(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/output");
    let path = folder.join(name);
    if std::env::var_os("RASYNQ_WRITE_OUTPUT").is_some() {
        fs::write(&path, text).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; the output is:\n{text}", path.display()));
    assert_eq!(
        masked(&expected),
        masked(text),
        "{name} differs; the output is:\n{text}"
    );
}

/// The text with one host and one process for those of this machine. The columns of tables stay aligned.
pub fn without_pids(text: &str) -> String {
    let pid = std::process::id().to_string();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let columns = [
        ("Host", host.trim(), "worker-1"),
        ("PID", pid.as_str(), "4711"),
    ];
    let mut is_table = false;
    let mut lines = Vec::new();
    for line in text.split('\n') {
        is_table = line.starts_with("Host ") || (is_table && !line.is_empty());
        let mut line = line.to_owned();
        let mut start = 0;
        for (name, value, stand_in) in columns.into_iter().filter(|_| is_table) {
            let end = start + name.len().max(value.len());
            let cell = line.get(start..end).unwrap_or_default().trim_end();
            let cell = if cell == value { stand_in } else { cell };
            let width = name.len().max(stand_in.len());
            line = format!("{}{cell:width$}{}", &line[..start], &line[end..]);
            start += width + 2;
        }
        lines.push(line);
    }
    let text = lines.join("\n").replace(&pid, "4711");
    match host.trim() {
        "" => text,
        host => text.replace(host, "worker-1"),
    }
}
