//! A peer: an implementation in a child process, controlled by lines of JSON (see `compat/PEER.md`).

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use crate::process::{cpu_time, resident_bytes};
use crate::setup::{Side, Testbed};

/// The longest time to wait for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(180);

/// The longest time to wait for an event.
const STALL_TIME: Duration = Duration::from_secs(30);

/// An event of a peer, and when it was received.
pub(crate) struct ReceivedEvent {
    /// When the line was read.
    pub(crate) at: Instant,
    /// The event.
    pub(crate) event: Value,
}

/// Waits for the next event of this name.
pub(crate) fn wait_for(events: &Receiver<ReceivedEvent>, name: &str) -> Result<ReceivedEvent> {
    loop {
        let received = events
            .recv_timeout(STALL_TIME)
            .with_context(|| format!("no event {name:?} was received"))?;
        if received.event["event"] == name {
            return Ok(received);
        }
    }
}

/// A running peer. Dropping it kills the process.
pub(crate) struct Peer {
    side: Side,
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<Value>,
    early: HashMap<u64, Value>,
    last_id: u64,
}

impl Peer {
    /// Starts a peer and ignores its events.
    pub(crate) fn start(bed: &Testbed<'_>, side: Side) -> Result<Self> {
        Self::start_with_events(bed, side, None)
    }

    /// Starts a peer and sends its events to this channel.
    pub(crate) fn start_with_events(
        bed: &Testbed<'_>,
        side: Side,
        events: Option<Sender<ReceivedEvent>>,
    ) -> Result<Self> {
        let (program, first) = bed.setup.peer(side)?;
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(bed.redis.dir().join(format!("{side}.log")))?;
        let mut child = Command::new(program)
            .args(first)
            .args(["--redis", &bed.uri])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let stdin = child.stdin.take().context("the peer has no stdin")?;
        let stdout = child.stdout.take().context("the peer has no stdout")?;
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let at = Instant::now();
                let Ok(line) = line else { return };
                let Ok(line) = serde_json::from_str::<Value>(&line) else {
                    continue;
                };
                // an error means that nobody receives any more
                if line.get("event").is_none() {
                    let _ = sender.send(line);
                } else if let Some(events) = &events {
                    let _ = events.send(ReceivedEvent { at, event: line });
                }
            }
        });
        let mut peer = Self {
            side,
            child,
            stdin,
            answers,
            early: HashMap::new(),
            last_id: 0,
        };
        peer.ask("hello", json!({}))?;
        Ok(peer)
    }

    /// Sends a request without waiting for its answer. Returns its id.
    pub(crate) fn send(&mut self, op: &str, mut with: Value) -> Result<u64> {
        self.last_id += 1;
        with["id"] = self.last_id.into();
        with["op"] = op.into();
        let mut line = with.to_string();
        line.push('\n');
        self.stdin.write_all(line.as_bytes())?;
        self.stdin.flush()?;
        Ok(self.last_id)
    }

    /// Waits for the answer to a request.
    pub(crate) fn answer(&mut self, id: u64) -> Result<Value> {
        let end = Instant::now() + ANSWER_TIME;
        while !self.early.contains_key(&id) {
            let left = end.saturating_duration_since(Instant::now());
            let answer = self
                .answers
                .recv_timeout(left)
                .map_err(|_| anyhow!("the {} peer does not answer", self.side))?;
            let of = answer["id"].as_u64().unwrap_or_default();
            self.early.insert(of, answer);
        }
        let mut answer = self.early.remove(&id).unwrap_or_default();
        if answer.get("err").is_some_and(|error| !error.is_null()) {
            bail!("the {} peer refuses: {}", self.side, answer["err"]);
        }
        Ok(answer["ok"].take())
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn ask(&mut self, op: &str, with: Value) -> Result<Value> {
        let id = self.send(op, with)?;
        self.answer(id)
    }

    /// The CPU time of the process so far.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        cpu_time(self.child.id())
    }

    /// The resident memory of the process, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        resident_bytes(self.child.id())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // no orderly shutdown: it is not measured, and the data are deleted anyway
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
