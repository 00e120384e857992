//! What is known of connections that are lost: for how long, and why. An outage is told once, however many
//! connections and commands it stops.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::in_flight::InFlight;
use crate::clock;
use crate::metrics::{connection_lost, connection_opened, connection_restored};

/// An outage that ended sooner is told in milliseconds.
const SHORT_OUTAGE_SECS: u64 = 2;
/// The pause before connections to a wrong server are opened anew for the second time in a row. It doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// An answer of a wrong server that comes this long after the last one begins a new row.
const SAME_INCIDENT: Duration = Duration::from_secs(30);

/// The connections of one link to one address, and which of them are lost.
pub(super) struct Outages {
    /// The address of Redis, for messages.
    address: String,
    state: Mutex<OutageState>,
    /// Fires when nobody is to wait for a lost connection any more.
    gives_up: CancellationToken,
}

#[derive(Default)]
struct OutageState {
    next_number: u64,
    /// How many connections there are.
    connections: usize,
    states: Vec<Weak<ConnectionState>>,
    /// When all connections were, or will be, opened anew because of a wrong server, and the pause until the
    /// next time.
    renewed: Option<(Instant, Duration)>,
    /// The numbers of the connections that are lost.
    lost: BTreeSet<u64>,
    /// When the first of them was lost.
    since: Option<Instant>,
    cause: String,
    /// The outage is in the log.
    is_told: bool,
}

/// What is known of one connection. The tokio task that keeps it alive writes it; those who send commands
/// read it.
pub(super) struct ConnectionState {
    number: u64,
    outages: Arc<Outages>,
    /// Why the connection is lost; `None` while it is open.
    lost: watch::Sender<Option<Loss>>,
    /// The same as `lost`, cheaper to read.
    is_lost: AtomicBool,
    in_flight: InFlight,
    /// Redis has answered since [`was_answered`](Self::was_answered) was called last.
    answered: AtomicBool,
    /// How many times the connection was opened.
    opened: AtomicU64,
    /// The request to open it anew, and a notice of that.
    renewal: Mutex<Option<RenewalRequest>>,
    renewal_requested: Notify,
}

/// Why a connection is lost.
#[derive(Clone)]
pub(super) struct Loss {
    since: Instant,
    pub(super) cause: Arc<str>,
    /// Redis is silent, or an attempt to connect again has failed. Otherwise that attempt may succeed at once.
    pub(super) is_certain: bool,
}

/// When, and why, the connection is to be opened anew.
#[derive(Clone, Copy)]
struct RenewalRequest {
    at: Instant,
    cause: RenewalCause,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RenewalCause {
    /// Redis has not answered in time.
    Silence,
    /// Redis has answered that this is not the server to write to.
    WrongServer,
}

impl Outages {
    pub(super) fn new(address: String, gives_up: CancellationToken) -> Arc<Self> {
        connection_opened(&address);
        Arc::new(Self {
            address,
            state: Mutex::default(),
            gives_up,
        })
    }

    /// The address of Redis, for messages.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The state of another connection. It is open, until the contrary is known.
    pub(super) fn connection(self: &Arc<Self>) -> Arc<ConnectionState> {
        let number = {
            let mut state = self.state.lock();
            state.next_number += 1;
            state.connections += 1;
            state.next_number
        };
        let connection = Arc::new(ConnectionState {
            number,
            outages: Arc::clone(self),
            lost: watch::Sender::new(None),
            is_lost: AtomicBool::new(false),
            in_flight: InFlight::new(),
            answered: AtomicBool::new(false),
            opened: AtomicU64::new(0),
            renewal: Mutex::default(),
            renewal_requested: Notify::new(),
        });
        self.state.lock().states.push(Arc::downgrade(&connection));
        connection
    }

    /// Redis has answered that it is not the server to write to, or a proxy has. All connections are opened
    /// anew, because the name of the server may lead to another one by now. While the answer stays the same,
    /// the pauses grow.
    fn renew_all(&self, answer: &str) {
        let mut state = self.state.lock();
        let now = clock::monotonic();
        let at = match state.renewed {
            Some((last, _)) if last > now => return,
            Some((last, pause)) if now - last < SAME_INCIDENT => {
                let at = now.max(last + pause);
                state.renewed = Some((at, (pause * 2).min(LONGEST_PAUSE)));
                at
            }
            _ => {
                let address = &self.address;
                tracing::warn!(
                    answer,
                    "{address} is not the server to write to, connecting again"
                );
                state.renewed = Some((now, FIRST_PAUSE));
                now
            }
        };
        state
            .states
            .retain(|connection| connection.strong_count() > 0);
        let states: Vec<_> = state.states.iter().filter_map(Weak::upgrade).collect();
        drop(state);
        for connection in states {
            let cause = RenewalCause::WrongServer;
            connection.renew(connection.generation(), RenewalRequest { at, cause });
        }
    }

    fn lost(&self, number: u64, cause: &str, is_certain: bool) {
        let mut state = self.state.lock();
        let begins = state.since.is_none();
        if state.lost.is_empty() {
            state.since = Some(clock::monotonic());
            state.is_told = false;
        }
        state.lost.insert(number);
        cause.clone_into(&mut state.cause);
        if is_certain {
            state.tell(&self.address);
        }
        drop(state);
        if begins {
            connection_lost(&self.address);
        }
    }

    fn opened(&self, number: u64) {
        let mut state = self.state.lock();
        state.lost.remove(&number);
        let has_ended = state.end_unless_lost(&self.address);
        drop(state);
        if has_ended {
            connection_restored(&self.address);
        }
    }

    /// A connection is closed for good.
    fn closed(&self, number: u64) {
        let mut state = self.state.lock();
        state.connections -= 1;
        // The outage ends when another connection is opened in its place.
        state.lost.remove(&number);
        if state.connections == 0 {
            *state = OutageState::default();
        }
    }
}

impl OutageState {
    fn tell(&mut self, address: &str) {
        if !self.is_told {
            let cause = &self.cause;
            tracing::warn!("lost the connection to {address}: {cause}; retrying");
            self.is_told = true;
        }
    }

    /// A connection was opened. The outage ends if none is lost any more. Returns whether it has ended.
    fn end_unless_lost(&mut self, address: &str) -> bool {
        let Some(since) = self.since.take_if(|_| self.lost.is_empty()) else {
            return false;
        };
        self.tell(address);
        self.is_told = false;
        let after = Lasted(clock::monotonic().saturating_duration_since(since));
        tracing::info!("reconnected to {address} after {after}");
        true
    }
}

impl ConnectionState {
    /// How much is in flight on the connection.
    pub(super) fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// Redis has answered a command on this connection.
    pub(super) fn set_answered(&self) {
        // A connection that is busy writes it once in each interval.
        if !self.answered.load(Ordering::Relaxed) {
            self.answered.store(true, Ordering::Relaxed);
        }
    }

    /// Whether Redis has answered a command since this was called last.
    pub(super) fn was_answered(&self) -> bool {
        self.answered.swap(false, Ordering::Relaxed)
    }

    /// The connection is lost. If the loss is certain, it is told at once. Otherwise it is told when the first
    /// attempt to connect again has an end: that attempt may know a better cause.
    pub(super) fn set_lost(&self, cause: &str, is_certain: bool) {
        self.set_loss(cause, is_certain);
        self.outages.lost(self.number, cause, is_certain);
    }

    /// The connection is being opened for the first time. That is no outage.
    pub(super) fn set_connecting(&self) {
        self.set_loss("not connected yet", false);
    }

    fn set_loss(&self, cause: &str, is_certain: bool) {
        self.lost.send_modify(|lost| {
            let since = lost
                .as_ref()
                .map_or_else(clock::monotonic, |lost| lost.since);
            *lost = Some(Loss {
                since,
                cause: cause.into(),
                is_certain,
            });
        });
        self.is_lost.store(true, Ordering::Release);
    }

    /// The connection is open again.
    pub(super) fn set_open(&self) {
        self.in_flight.release_abandoned();
        self.opened.fetch_add(1, Ordering::AcqRel);
        self.is_lost.store(false, Ordering::Release);
        self.lost.send_replace(None);
        self.outages.opened(self.number);
    }

    /// Why the connection is lost. `None`: it is open, as far as is known.
    pub(super) fn lost(&self) -> Option<Loss> {
        if !self.is_lost.load(Ordering::Acquire) {
            return None;
        }
        self.lost.borrow().clone()
    }

    /// Waits while the connection is lost. Returns early if that is certain and nobody is to wait any more.
    /// Cancel-safe.
    pub(super) async fn open(&self) {
        if !self.is_lost.load(Ordering::Acquire) {
            return;
        }
        let mut lost = self.lost.subscribe();
        let may_open = |lost: &Option<Loss>| lost.as_ref().is_some_and(|loss| !loss.is_certain);
        tokio::select! {
            // The sender is in `self`, so it is not dropped meanwhile.
            _ = lost.wait_for(Option::is_none) => return,
            () = self.outages.gives_up.cancelled() => {}
        }
        let _ = lost.wait_for(|lost| !may_open(lost)).await;
    }

    /// Waits until the connection is open, or is certainly lost, and has been lost for `patience`. Waits no longer
    /// than `limit` in all. Cancel-safe.
    pub(super) async fn open_within(&self, patience: Duration, limit: Duration) {
        if !self.is_lost.load(Ordering::Acquire) {
            return;
        }
        let mut lost = self.lost.subscribe();
        let until = clock::monotonic() + limit;
        loop {
            let until = match &*lost.borrow_and_update() {
                None => return,
                Some(loss) if loss.is_certain => until.min(loss.since + patience),
                Some(_) => until,
            };
            tokio::select! {
                // The sender is in `self`, so it is not dropped meanwhile.
                _ = lost.changed() => {}
                () = tokio::time::sleep_until(until) => return,
                () = self.outages.gives_up.cancelled() => return,
            }
        }
    }

    /// Waits until the connection is lost. Cancel-safe.
    pub(super) async fn becomes_lost(&self) {
        // The sender is in `self`, so it is not dropped meanwhile.
        let _ = self.lost.subscribe().wait_for(Option::is_some).await;
    }

    /// How many times the connection was opened: names the present one for [`renew`](Self::renew).
    pub(super) fn generation(&self) -> u64 {
        self.opened.load(Ordering::Acquire)
    }

    /// Asks for a new connection in place of the one with this generation. The first request counts.
    fn renew(&self, generation: u64, request: RenewalRequest) {
        let mut renewal = self.renewal.lock();
        if self.generation() == generation && renewal.is_none() {
            *renewal = Some(request);
            drop(renewal);
            self.renewal_requested.notify_one();
        }
    }

    /// Redis has not answered in time on the connection with this generation.
    pub(super) fn is_silent(&self, generation: u64) {
        let (at, cause) = (clock::monotonic(), RenewalCause::Silence);
        self.renew(generation, RenewalRequest { at, cause });
    }

    /// Redis has answered, on the connection with this generation, that it is not the server to write to.
    pub(super) fn is_at_wrong_server(&self, generation: u64, answer: &str) {
        // Hundreds of commands may have got the same answer.
        if self.generation() == generation && self.renewal.lock().is_none() {
            self.outages.renew_all(answer);
        }
    }

    /// Waits until a new connection is to be opened, and returns why. Cancel-safe.
    pub(super) async fn renewal_due(&self) -> RenewalCause {
        loop {
            let request = *self.renewal.lock();
            match request {
                Some(request) if request.at <= clock::monotonic() => return request.cause,
                Some(request) => tokio::time::sleep_until(request.at).await,
                None => self.renewal_requested.notified().await,
            }
        }
    }

    /// The connection is being opened anew: earlier requests for that are met.
    pub(super) fn renewal_begins(&self) {
        self.in_flight.release_abandoned();
        let mut renewal = self.renewal.lock();
        self.opened.fetch_add(1, Ordering::AcqRel);
        *renewal = None;
    }
}

impl Drop for ConnectionState {
    fn drop(&mut self) {
        self.outages.closed(self.number);
    }
}

/// A duration for people: whole seconds, or milliseconds if it is short.
struct Lasted(Duration);

impl fmt::Display for Lasted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            secs if secs < SHORT_OUTAGE_SECS => write!(f, "{} ms", self.0.as_millis()),
            secs => write!(f, "{secs} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_seconds_or_milliseconds() {
        assert_eq!(Lasted(Duration::from_millis(8_900)).to_string(), "8 s");
        assert_eq!(Lasted(Duration::from_millis(250)).to_string(), "250 ms");
    }

    #[tokio::test]
    async fn an_answer_on_an_earlier_connection_is_ignored() {
        let connection = Outages::new("here".to_owned(), CancellationToken::new()).connection();
        let earlier = connection.generation();
        connection.renewal_begins();
        connection.is_at_wrong_server(earlier, "READONLY");
        connection.is_silent(earlier);
        assert!(connection.renewal.lock().is_none());
        connection.is_at_wrong_server(connection.generation(), "READONLY");
        assert!(connection.renewal_due().await == RenewalCause::WrongServer);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_to_a_wrong_server_are_opened_anew_together_and_after_growing_pauses() {
        let outages = Outages::new("here".to_owned(), CancellationToken::new());
        let connections = [outages.connection(), outages.connection()];
        let (begin, mut opened_at) = (clock::monotonic(), Vec::new());
        while clock::monotonic() - begin < Duration::from_secs(14) {
            for _ in 0..100 {
                let generation = connections[0].generation();
                connections[0].is_at_wrong_server(generation, "READONLY");
            }
            for connection in &connections {
                assert!(connection.renewal_due().await == RenewalCause::WrongServer);
                connection.renewal_begins();
            }
            opened_at.push((clock::monotonic() - begin).as_millis());
        }
        assert_eq!(
            opened_at,
            [0, 100, 300, 700, 1_500, 3_100, 6_300, 11_300, 16_300]
        );
    }
}
