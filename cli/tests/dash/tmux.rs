//! A real terminal, by tmux, in which the command runs.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::support::{DEADLINE, poll_until};

/// A terminal with the dashboard. Dropping it ends all its processes.
pub struct Terminal {
    /// Holds the socket of tmux, and the file with the id of the dashboard's process.
    dir: TempDir,
}

impl Terminal {
    /// Starts `rasynq dash` with these arguments and variables in a terminal of this size. After its end, the shell that
    /// has started it prints `code=` with its exit code, and the settings of the terminal.
    ///
    /// `None`: there is no tmux here. With `CI=true` that is a failure.
    pub fn open(size: (u16, u16), arguments: &[&str], variables: &[(&str, &str)]) -> Option<Self> {
        let arguments: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
        let binary = env!("CARGO_BIN_EXE_rasynq");
        Self::run(
            size,
            &format!("'{binary}' dash {}", arguments.join(" ")),
            variables,
        )
    }

    /// The same with any command of the shell.
    pub fn run(size: (u16, u16), command: &str, variables: &[(&str, &str)]) -> Option<Self> {
        let dir = tempfile::Builder::new()
            .prefix("rasynq-tmux-")
            .tempdir()
            .unwrap();
        let pid = dir.path().join("pid").display().to_string();
        let script = format!(
            "echo before; sh -c 'echo $$ >{pid}; exec \"$@\"' sh {command}; echo code=$?; stty -a; exec cat"
        );
        let (columns, lines) = (size.0.to_string(), size.1.to_string());
        let mut tmux = tmux(dir.path());
        tmux.args(["-u", "new-session", "-d", "-x", &columns, "-y", &lines]);
        tmux.env_remove("NO_COLOR").env("LC_ALL", "C.UTF-8");
        for (name, value) in variables {
            tmux.args(["-e", &format!("{name}={value}")]);
        }
        match tmux.args(["sh", "-c", &script]).status() {
            Ok(status) => assert!(status.success(), "tmux: {status}"),
            Err(error) => {
                let is_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
                assert!(!is_ci, "tmux: {error}");
                eprintln!("left out: there is no tmux");
                return None;
            }
        }
        let terminal = Self { dir };
        terminal.tmux(&["set-option", "-g", "window-size", "manual"]);
        Some(terminal)
    }

    /// Presses keys by tmux' names for them: `Enter`, `Down`, `C-c`, `d`.
    pub fn press(&self, keys: &[&str]) {
        for key in keys {
            self.tmux(&["send-keys", key]);
        }
    }

    /// Types a text.
    pub fn type_text(&self, text: &str) {
        self.tmux(&["send-keys", "-l", "--", text]);
    }

    /// Changes the size.
    pub fn resize(&self, columns: u16, lines: u16) {
        let (columns, lines) = (columns.to_string(), lines.to_string());
        self.tmux(&["resize-window", "-x", &columns, "-y", &lines]);
    }

    /// The lines of the screen.
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// The lines of the screen with its colours as escape sequences.
    pub fn coloured(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e", "-N"])
    }

    /// Waits until the screen shows all these texts, and returns it.
    #[track_caller]
    pub fn shows(&self, texts: &[&str]) -> impl Future<Output = String> {
        let what = format!("the screen shows {texts:?}");
        self.until(what, |screen| {
            texts.iter().all(|text| screen.contains(text))
        })
    }

    /// Waits until the screen does not show this text.
    #[track_caller]
    pub fn hides(&self, text: &str) -> impl Future<Output = String> {
        let (what, text) = (format!("the screen hides {text:?}"), text.to_owned());
        self.until(what, move |screen| !screen.contains(&text))
    }

    /// Waits until the screen is as it should be. If it does not become so, the failure shows it.
    #[track_caller]
    pub fn until(
        &self,
        what: String,
        is_right: impl Fn(&str) -> bool,
    ) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let started = std::time::Instant::now();
            let probe = async || {
                let screen = self.screen();
                let is_late = started.elapsed() > DEADLINE;
                assert!(
                    is_right(&screen) || !is_late,
                    "{caller}: not in time: {what}\n{screen}"
                );
                is_right(&screen).then_some(screen)
            };
            poll_until(&what, DEADLINE * 2, probe).await
        }
    }

    /// Sends a signal to the dashboard.
    pub fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.dir.path().join("pid")).unwrap();
        let kill = Command::new("kill")
            .args([&format!("-{name}"), pid.trim()])
            .status();
        assert!(kill.unwrap().success());
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = tmux(self.dir.path()).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// tmux with a socket of its own, and without anybody's settings.
fn tmux(dir: &Path) -> Command {
    let mut tmux = Command::new("tmux");
    tmux.env_remove("TMUX")
        .env("TMUX_TMPDIR", dir)
        .args(["-L", "dash", "-f", "/dev/null"]);
    tmux
}
