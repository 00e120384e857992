//! promtool, the checker of Prometheus. Without it, a test is left out; in CI it fails.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs promtool in a folder. Returns whether it was content, and what it printed. `None`: there is no promtool.
pub(crate) fn promtool(folder: &Path, arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let mut process = Command::new("promtool");
    process.args(arguments).current_dir(folder);
    process
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match process.spawn() {
        Ok(child) => child,
        Err(error) => {
            let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!is_ci, "CI needs promtool: {error}");
            eprintln!("left out: there is no promtool");
            return None;
        }
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8(printed).unwrap()))
}

/// The folder of the pages.
pub(crate) fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}
