//! The terminal: taken over at the beginning, and given back whatever happens.

use std::io::{self, BufWriter, IsTerminal, Stdout};
use std::mem::ManuallyDrop;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::sync::Notify;

use crate::failure::Failure;

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// The terminal while the dashboard has it. Dropping it gives the terminal back.
pub(super) struct Screen {
    /// Never dropped: it would show the cursor once more, and panic if the terminal is gone.
    pub(super) terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<Stdout>>>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    is_taken: AtomicBool,
    has_panicked: Notify,
}

/// Whether there is a terminal.
pub(super) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Refuses to begin without a terminal.
pub(crate) fn check() -> Result<(), Failure> {
    match is_there() {
        true => Ok(()),
        false => {
            let text = "dash needs a terminal as its standard input and output";
            Err(Failure::usage(text))
        }
    }
}

impl Screen {
    /// Takes the terminal over. A panic, of whatever thread, gives it back before its message is printed.
    pub(super) fn take() -> Result<Self, Failure> {
        check()?;
        let state = Arc::new(State::default());
        let before: Arc<Hook> = Arc::from(std::panic::take_hook());
        let of_hook = Arc::clone(&state);
        std::panic::set_hook(Box::new(move |info| {
            of_hook.give_back();
            before(info);
            of_hook.has_panicked.notify_one();
        }));
        state.is_taken.store(true, Ordering::SeqCst);
        let begun = enable_raw_mode().and_then(|()| {
            let mut out = io::stdout();
            execute!(
                out,
                EnterAlternateScreen,
                EnableBracketedPaste,
                cursor::Hide
            )?;
            Terminal::new(CrosstermBackend::new(BufWriter::new(out)))
        });
        match begun {
            Ok(terminal) => Ok(Self {
                terminal: ManuallyDrop::new(terminal),
                state,
            }),
            Err(error) => {
                state.give_back();
                Err(Failure::io(error))
            }
        }
    }

    /// Waits until something has panicked.
    pub(super) async fn panicked(&self) {
        self.state.has_panicked.notified().await;
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.state.give_back();
    }
}

impl State {
    fn give_back(&self) {
        if self.is_taken.swap(false, Ordering::SeqCst) {
            // If the terminal is gone, there is nothing to give back.
            let _ = execute!(
                io::stdout(),
                cursor::Show,
                DisableBracketedPaste,
                LeaveAlternateScreen
            );
            let _ = disable_raw_mode();
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    use super::*;

    /// Runs in the terminal of the test below.
    #[test]
    #[ignore = "needs a terminal"]
    fn panic_on_a_terminal() {
        let screen = Screen::take().unwrap();
        let drawn = std::thread::spawn(|| panic!("on purpose")).join();
        drawn.unwrap_err();
        // Only the hook has given the terminal back.
        std::mem::forget(screen);
    }

    #[test]
    fn a_panic_of_any_thread_gives_the_terminal_back() {
        let dir = tempfile::tempdir().unwrap();
        let tmux = |arguments: &[&str]| {
            let mut tmux = Command::new("tmux");
            tmux.env_remove("TMUX").env("TMUX_TMPDIR", dir.path());
            tmux.args(["-L", "panic", "-f", "/dev/null"]);
            tmux.args(arguments).output()
        };
        let test = std::env::current_exe().unwrap();
        let script = format!(
            "echo before; '{}' --ignored --exact dash::terminal::tests::panic_on_a_terminal --nocapture; \
             stty -a; echo end; exec cat",
            test.display()
        );
        let size = ["-x", "100", "-y", "40"];
        let started = tmux(&[&["new-session", "-d"][..], &size, &["sh", "-c", &script]].concat());
        let Ok(started) = started else {
            let is_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!is_ci, "there is no tmux");
            return;
        };
        assert!(started.status.success(), "{started:?}");
        let begun = std::time::Instant::now();
        let screen = loop {
            let captured = tmux(&["capture-pane", "-p"]).unwrap();
            let screen = String::from_utf8(captured.stdout).unwrap();
            if screen.lines().any(|line| line.trim_end() == "end") {
                break screen;
            }
            assert!(begun.elapsed().as_secs() < 60, "not in time:\n{screen}");
            // the interval of the poll; the loop ends at the deadline
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        tmux(&["kill-server"]).unwrap();
        for expected in ["before", "on purpose", " icanon ", " echo "] {
            assert!(
                screen.contains(expected),
                "{expected:?} is not in:\n{screen}"
            );
        }
        assert!(screen.contains("1 passed"), "{screen}");
    }
}
