//! Writes the lines on stdout.

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// Sends whole lines to a thread that writes them. The senders never wait for a slow reader.
#[derive(Clone)]
pub(crate) struct Lines {
    /// `None` ends the thread.
    lines: Sender<Option<Vec<u8>>>,
}

impl Lines {
    /// Starts the thread. It ends after [`end`](Self::end).
    pub(crate) fn start() -> (Self, JoinHandle<()>) {
        let (lines, receiver) = channel();
        let writer = std::thread::spawn(move || {
            if let Err(error) = write(&receiver) {
                tracing::error!(%error, "writing a line");
            }
        });
        (Self { lines }, writer)
    }

    /// Ends the thread once all earlier lines are written.
    pub(crate) fn end(&self) {
        // sending fails only if the thread has ended already
        let _ = self.lines.send(None);
    }

    /// Answers a request.
    pub(crate) fn answer(&self, id: &Value, answer: Result<Value, Failure>) {
        self.line(&match answer {
            Ok(value) => json!({"id": id, "ok": value}),
            Err(failure) => json!({"id": id, "err": failure}),
        });
    }

    /// Writes an event. `event` and `at` replace given fields of these names.
    pub(crate) fn event(&self, name: &str, mut fields: Map<String, Value>) {
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |at| at.as_millis() as u64);
        fields.insert("event".to_owned(), name.into());
        fields.insert("at".to_owned(), at.into());
        self.line(&Value::Object(fields));
    }

    fn line(&self, line: &Value) {
        let mut text = line.to_string().into_bytes();
        text.push(b'\n');
        // sending fails only if the thread has ended because stdout was closed
        let _ = self.lines.send(Some(text));
    }
}

fn write(lines: &Receiver<Option<Vec<u8>>>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    while let Ok(Some(line)) = lines.recv() {
        out.write_all(&line)?;
        out.flush()?;
    }
    Ok(())
}
