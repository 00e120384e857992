//! The machine and the versions of a run.

use std::process::Command;

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::setup::{BOTH, Setup};

/// Properties of the machine, each with its name.
pub(crate) struct Machine(Vec<(&'static str, String)>);

impl Machine {
    /// Reads the properties. Starts both peers once for their versions.
    pub(crate) fn inspect(setup: &Setup) -> Self {
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
        let server = setup.redis_server.to_string_lossy().into_owned();
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
            ("date", output_of("date", &["-u", "+%Y-%m-%d"])),
            (
                "Redis",
                version_of_redis(&output_of(&server, &["--version"])),
            ),
            ("Go", output_of("go", &["env", "GOVERSION"])),
            ("Rust", output_of("rustc", &["--version"])),
            (
                "commit",
                output_of("git", &["describe", "--always", "--dirty", "--abbrev=10"]),
            ),
            (
                "rounds",
                format!(
                    "{}{}",
                    setup.rounds,
                    if setup.quick {
                        ", with fewer tasks (--quick)"
                    } else {
                        ""
                    }
                ),
            ),
        ];
        if let Ok(bed) = setup.testbed() {
            for side in BOTH {
                let hello = Peer::start(&bed, side).and_then(|mut p| p.ask("hello", json!({})));
                let version = hello.map_or_else(|e| e.to_string(), |h| text(&h["version"]));
                rows.push((if side == BOTH[0] { "asynq" } else { "rasynq" }, version));
            }
        }
        Self(rows)
    }

    /// The properties as a table.
    pub(crate) fn markdown(&self) -> String {
        let rows: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("| {name} | {value} |\n"))
            .collect();
        format!("| | |\n|---|---|\n{}", rows.concat())
    }

    /// The properties as a JSON object.
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

/// What a program prints; empty if it cannot be started.
fn output_of(program: &str, args: &[&str]) -> String {
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
