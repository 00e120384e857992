//! Where and with what a run was made.

use std::process::Command;

use serde_json::{Value, json};

use crate::lab::{BOTH, Lab};
use crate::peer::Peer;

/// Names and versions, each with what it is.
pub(crate) struct Machine(Vec<(&'static str, String)>);

impl Machine {
    /// Looks around.
    pub(crate) fn look(lab: &Lab) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let first = |text: &str, name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|rest| rest.trim_start_matches([' ', '\t', ':']).trim().to_owned())
                .unwrap_or_default()
        };
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let kib: u64 = first(&read("/proc/meminfo"), "MemTotal")
            .trim_end_matches(" kB")
            .parse()
            .unwrap_or(0);
        let server = lab.redis_server.to_string_lossy().into_owned();
        let mut rows = vec![
            (
                "processor",
                format!(
                    "{}, {cores} cores",
                    first(&read("/proc/cpuinfo"), "model name")
                ),
            ),
            ("memory", format!("{:.1} GiB", kib as f64 / 1048576.0)),
            (
                "system",
                format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            ),
            ("date", said("date", &["-u", "+%Y-%m-%d"])),
            ("Redis", version_of_redis(&said(&server, &["--version"]))),
            ("Go", said("go", &["env", "GOVERSION"])),
            ("Rust", said("rustc", &["--version"])),
            (
                "commit",
                said("git", &["describe", "--always", "--dirty", "--abbrev=10"]),
            ),
            (
                "rounds",
                format!(
                    "{}{}",
                    lab.rounds,
                    if lab.quick {
                        ", with fewer tasks (--quick)"
                    } else {
                        ""
                    }
                ),
            ),
        ];
        if let Ok(bed) = lab.bed() {
            for side in BOTH {
                let hello = Peer::start(&bed, side).and_then(|mut p| p.ask("hello", json!({})));
                let version = hello.map_or_else(|e| e.to_string(), |h| text(&h["version"]));
                rows.push((if side == BOTH[0] { "asynq" } else { "rasynq" }, version));
            }
        }
        Self(rows)
    }

    /// As a table.
    pub(crate) fn markdown(&self) -> String {
        let rows: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("| {name} | {value} |\n"))
            .collect();
        format!("| | |\n|---|---|\n{}", rows.concat())
    }

    /// As an object.
    pub(crate) fn json(&self) -> Value {
        self.0
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What a program prints; nothing if it is not there.
fn said(program: &str, args: &[&str]) -> String {
    Command::new(program)
        .args(args)
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}

fn version_of_redis(text: &str) -> String {
    text.split_whitespace()
        .find_map(|word| word.strip_prefix("v="))
        .unwrap_or(text)
        .to_owned()
}
