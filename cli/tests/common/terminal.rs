//! A real terminal, by tmux.

use std::process::Command as Process;

use super::{Command, DEADLINE, poll_until};

/// A terminal of 100 columns and 30 lines with a shell. Dropping it ends all its processes.
pub struct Terminal {
    socket: String,
}

impl Terminal {
    /// `None`: there is no tmux here. With `CI=true` that is a failure.
    pub fn open(name: &str, command: &Command, variables: &[(&str, &str)]) -> Option<Self> {
        let socket = format!("rasynq-{}-{name}", std::process::id());
        let mut tmux = Process::new("tmux");
        tmux.args([
            "-L",
            &socket,
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "100",
            "-y",
            "30",
        ]);
        for (name, value) in command.process(&[]).get_envs() {
            if let Some(value) = value {
                tmux.env(name, value);
            }
        }
        for (name, value) in variables {
            tmux.args(["-e", &format!("{name}={value}")]);
        }
        tmux.arg("PS1='$ ' sh");
        match tmux.status() {
            Ok(status) => assert!(status.success(), "tmux: {status}"),
            Err(error) => {
                assert!(
                    std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                    "tmux: {error}"
                );
                eprintln!("left out: there is no tmux");
                return None;
            }
        }
        Some(Self { socket })
    }

    /// Types a line, and Enter.
    pub fn type_line(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.tmux(&["send-keys", "Enter"]);
    }

    /// Types the line of the command with these arguments.
    pub fn run(&self, arguments: &str) {
        self.type_line(&format!("{} {arguments}; echo code=$?", Command::binary()));
    }

    /// What is on the screen now, with its colours as escape sequences.
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// Waits until the text is on the screen.
    pub async fn until(&self, text: &str) -> String {
        let shows = async || Some(self.screen()).filter(|screen| screen.contains(text));
        poll_until(&format!("the terminal shows {text:?}"), DEADLINE, shows).await
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Process::new("tmux")
            .args(["-L", &self.socket])
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
