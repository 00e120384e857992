//! A real terminal, by tmux.

use std::path::Path;
use std::process::Command as Process;

use tempfile::TempDir;

use super::{Command, DEADLINE, poll_until};

/// The size of a terminal: columns and lines.
pub type Size = (u16, u16);

/// A terminal. Dropping it ends all its processes.
pub struct Terminal {
    /// Holds the socket of tmux, and the file `pid`.
    dir: TempDir,
}

impl Terminal {
    /// One of 100 columns and 30 lines with a shell, which has the environment of this command, and these variables.
    ///
    /// `None`: there is no tmux here. With `CI=true` that is a failure.
    pub fn open(command: &Command, variables: &[(&str, &str)]) -> Option<Self> {
        let process = command.process(&[]);
        let mut all: Vec<(&str, &str)> = process
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)))
            // tmux says what it is
            .filter(|(name, _)| *name != "TERM")
            .collect();
        all.extend(variables);
        Self::start((100, 30), "PS1='$ ' exec sh", &all)
    }

    /// One of this size in which `sh` runs a script. The script finds the name of a file in `$PID_FILE`, into which it
    /// may write the id of the process that [`signal`](Self::signal) is for.
    pub fn start(size: Size, script: &str, variables: &[(&str, &str)]) -> Option<Self> {
        let mut dir = tempfile::Builder::new();
        let dir = dir.prefix("rasynq-tmux-").tempdir().unwrap();
        let terminal = Self { dir };
        let (columns, lines) = (size.0.to_string(), size.1.to_string());
        let mut tmux = tmux(terminal.dir.path());
        tmux.args(["-u", "new-session", "-d", "-x", &columns, "-y", &lines]);
        tmux.env_remove("NO_COLOR").env("LC_ALL", "C.UTF-8");
        let pid_file = terminal.pid_file();
        let pid_file = [("PID_FILE", pid_file.as_str())];
        for (name, value) in variables.iter().chain(&pid_file) {
            tmux.args(["-e", &format!("{name}={value}")]);
        }
        match tmux.args(["sh", "-c", script]).status() {
            Ok(status) => assert!(status.success(), "tmux: {status}"),
            Err(error) => {
                let is_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
                assert!(!is_ci, "tmux: {error}");
                eprintln!("left out: there is no tmux");
                return None;
            }
        }
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

    /// Types a line, and Enter.
    pub fn type_line(&self, line: &str) {
        self.type_text(line);
        self.press(&["Enter"]);
    }

    /// Types the line of the command with these arguments.
    pub fn run(&self, arguments: &str) {
        self.type_line(&format!("{} {arguments}; echo code=$?", Command::binary()));
    }

    /// Changes the size.
    pub fn resize(&self, (columns, lines): Size) {
        let (columns, lines) = (columns.to_string(), lines.to_string());
        self.tmux(&["resize-window", "-x", &columns, "-y", &lines]);
    }

    /// Sends a signal to the process whose id is in the file; `name` is without `SIG`.
    pub fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.pid_file()).unwrap();
        let kill = Process::new("kill")
            .args([&format!("-{name}"), pid.trim()])
            .status();
        assert!(kill.unwrap().success());
    }

    /// Ends the terminal. A process that ignores SIGHUP goes on without it.
    pub fn close(&self) {
        self.tmux(&["kill-server"]);
    }

    /// The lines of the screen.
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// The lines of the screen with their colours as escape sequences.
    pub fn coloured(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e", "-N"])
    }

    /// Waits until the screen shows all these texts, and returns it.
    #[track_caller]
    pub fn shows(&self, texts: &[&str]) -> impl Future<Output = String> {
        let what = format!("the screen shows {texts:?}");
        self.becomes(what, |screen| {
            texts.iter().all(|text| screen.contains(text))
        })
    }

    /// Waits until the screen does not show this text.
    #[track_caller]
    pub fn hides(&self, text: &str) -> impl Future<Output = String> {
        let (what, text) = (format!("the screen hides {text:?}"), text.to_owned());
        self.becomes(what, move |screen| !screen.contains(&text))
    }

    /// Waits until the screen is as it should be. If it does not become so, the failure shows it.
    #[track_caller]
    pub fn becomes(
        &self,
        what: String,
        is_right: impl Fn(&str) -> bool,
    ) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let started = std::time::Instant::now();
            let probe = async || {
                let screen = self.screen();
                let is_right = is_right(&screen);
                let is_late = started.elapsed() > DEADLINE;
                assert!(
                    is_right || !is_late,
                    "{caller}: not in time: {what}\n{screen}"
                );
                is_right.then_some(screen)
            };
            poll_until(&what, DEADLINE * 2, probe).await
        }
    }

    fn pid_file(&self) -> String {
        self.dir.path().join("pid").display().to_string()
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = tmux(self.dir.path()).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.close();
    }
}

/// tmux with a socket of its own, and without anybody's settings.
fn tmux(dir: &Path) -> Process {
    let mut tmux = Process::new("tmux");
    tmux.env_remove("TMUX")
        .env("TMUX_TMPDIR", dir)
        .args(["-L", "test", "-f", "/dev/null"]);
    tmux
}
