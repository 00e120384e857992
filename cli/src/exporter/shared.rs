//! Scrapes at the same time share one reading: however many there are, Redis has the work of one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use super::reading::{Reader, Reading};

/// How long a reading may take. Prometheus waits 10 s by default.
const READING_TIMEOUT: Duration = Duration::from_secs(9);

/// What a reading came to: its figures, or why there are none.
pub(super) type SharedReading = Arc<Result<Reading, String>>;

/// `None` as long as the reading goes on.
type ReadingInFlight = watch::Receiver<Option<SharedReading>>;

pub(super) struct SharedReadings {
    reader: Arc<Mutex<Reader>>,
    /// The reading that was begun last.
    last: Mutex<Option<ReadingInFlight>>,
}

impl SharedReadings {
    pub(super) fn new(reader: Reader) -> Self {
        Self {
            reader: Arc::new(Mutex::new(reader)),
            last: Mutex::new(None),
        }
    }

    /// The result of the reading that goes on, or of a new one. Cancel-safe: a reading goes on to its end, also if
    /// nobody waits for it any more.
    pub(super) async fn next(&self) -> SharedReading {
        let mut reading = {
            let mut last = self.last.lock().await;
            match &*last {
                Some(reading) if goes_on(reading) => reading.clone(),
                _ => last.insert(self.begin()).clone(),
            }
        };
        let done = reading.wait_for(Option::is_some).await;
        let done = done.ok().and_then(|done| done.clone());
        done.unwrap_or_else(|| Arc::new(Err("the reading has ended early".to_owned())))
    }

    fn begin(&self) -> ReadingInFlight {
        let reader = Arc::clone(&self.reader);
        let (done, reading) = watch::channel(None);
        tokio::spawn(async move {
            let mut reader = reader.lock().await;
            let result = match timeout(READING_TIMEOUT, reader.read()).await {
                Ok(result) => result.map_err(|failure| failure.message),
                Err(_) => Err(format!(
                    "Redis has not told everything within {} s",
                    READING_TIMEOUT.as_secs()
                )),
            };
            // Perhaps nobody waits any more.
            let _ = done.send(Some(Arc::new(result)));
        });
        reading
    }
}

/// Whether the reading has no result yet, and will have one.
fn goes_on(reading: &ReadingInFlight) -> bool {
    reading.borrow().is_none() && reading.has_changed().is_ok()
}
