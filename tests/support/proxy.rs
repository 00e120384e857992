//! A TCP proxy that can delay and lose replies, hold requests back, and fall silent.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Forwards connections to a port of the loopback interface, and injects faults on demand.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// The port to which later connections go.
    target: AtomicU16,
    accepted: AtomicUsize,
    lose_reply: AtomicBool,
    /// Connections with a lower number forward nothing.
    silent_below: AtomicUsize,
    /// The reply to the next request with these bytes is lost.
    marked_request: Mutex<Option<Vec<u8>>>,
    /// The next reply with these bytes is lost.
    marked_reply: Mutex<Option<Vec<u8>>>,
    lost: AtomicUsize,
    /// How long replies are on their way.
    delay_ms: AtomicU64,
    /// How many bytes a second all connections carry together in each direction; 0 for no limit.
    bytes_per_second: AtomicU64,
    /// When the link is free again: for requests, and for replies.
    link_is_free: Mutex<[Option<Instant>; 2]>,
    /// The next request with these bytes is held back.
    late_request: Mutex<Option<Vec<u8>>>,
    /// All connections are closed, and new ones are closed at once.
    refusing: watch::Sender<bool>,
    held: Mutex<Vec<HeldRequest>>,
}

/// A request that the server has not received yet, and the connection to the server that it arrived on.
struct HeldRequest {
    request: Vec<u8>,
    server_in: OwnedReadHalf,
    server_out: OwnedWriteHalf,
}

/// The state that both directions of a connection share.
struct Flow {
    state: Arc<State>,
    number: usize,
    /// Whether all further replies are lost.
    loses_replies: AtomicBool,
}

impl Flow {
    /// Waits until the proxy refuses connections.
    async fn is_refused(&self) {
        let mut refusing = self.state.refusing.subscribe();
        let _ = refusing.wait_for(|refuses| *refuses).await;
    }
}

/// How long a connection stays open after its marked request, so that the server can run the request.
const TIME_TO_RUN: Duration = Duration::from_millis(100);

impl Proxy {
    /// Starts a proxy for the port `target` on 127.0.0.1.
    pub async fn start(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        state.target.store(target, Ordering::SeqCst);
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
                if *shared.refusing.borrow() {
                    continue;
                }
                let target = shared.target.load(Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else {
                    continue;
                };
                let (mut client_in, mut client_out) = client.into_split();
                let (mut server_in, mut server_out) = server.into_split();
                let flow = Flow {
                    state: shared.clone(),
                    number,
                    loses_replies: AtomicBool::new(false),
                };
                tokio::spawn(async move {
                    // when one direction ends, the other one is dropped
                    let held = tokio::select! {
                        held = forward(&mut client_in, &mut server_out, &flow, false) => held,
                        _ = forward(&mut server_in, &mut client_out, &flow, true) => None,
                        () = flow.is_refused() => None,
                    };
                    if let Some(request) = held {
                        flow.state.held.lock().unwrap().push(HeldRequest {
                            request,
                            server_in,
                            server_out,
                        });
                    }
                });
            }
        });
        Self {
            port,
            state,
            accepting,
        }
    }

    /// The port on 127.0.0.1 to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Forwards later connections to another port of 127.0.0.1. The present ones stay.
    pub fn redirect(&self, target: u16) {
        self.state.target.store(target, Ordering::SeqCst);
    }

    /// How many connections the proxy has accepted.
    pub fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// Loses the next reply on any connection, and closes that connection.
    pub fn lose_next_reply(&self) {
        self.state.lose_reply.store(true, Ordering::SeqCst);
    }

    /// Forwards the next request that contains `mark`, loses the reply, and closes the connection.
    pub fn lose_reply_to(&self, mark: &str) {
        *self.state.marked_request.lock().unwrap() = Some(mark.into());
    }

    /// Loses the next reply that contains `mark`, and closes the connection.
    pub fn lose_reply_with(&self, mark: &str) {
        *self.state.marked_reply.lock().unwrap() = Some(mark.into());
    }

    /// Limits what all connections carry together, in each direction.
    pub fn limit_rate(&self, bytes_per_second: u64) {
        let limit = &self.state.bytes_per_second;
        limit.store(bytes_per_second, Ordering::SeqCst);
    }

    /// Delivers replies on any connection this much later. Their order and rate stay the same.
    pub fn delay_replies(&self, delay: Duration) {
        let delay = delay.as_millis() as u64;
        self.state.delay_ms.store(delay, Ordering::SeqCst);
    }

    /// Holds back the next request that contains `mark`, and closes the client's connection. The request
    /// must be small enough for one read.
    pub fn hold_request(&self, mark: &str) {
        *self.state.late_request.lock().unwrap() = Some(mark.into());
    }

    /// Closes all connections, and new ones at once, until it is called with `false`.
    pub fn refuse(&self, refuses: bool) {
        self.state.refusing.send_replace(refuses);
    }

    /// How many requests are held back.
    pub fn held(&self) -> usize {
        self.state.held.lock().unwrap().len()
    }

    /// Forwards the requests that were held back, on the connections that they arrived on. Returns the
    /// beginnings of the server's replies.
    pub async fn release(&self) -> Vec<String> {
        let held = std::mem::take(&mut *self.state.held.lock().unwrap());
        let mut replies = Vec::new();
        for mut held in held {
            held.server_out.write_all(&held.request).await.unwrap();
            let mut reply = vec![0; 1024];
            let length = held.server_in.read(&mut reply).await.unwrap();
            replies.push(String::from_utf8_lossy(&reply[..length]).into_owned());
        }
        replies
    }

    /// How many marked replies were lost.
    pub fn lost(&self) -> usize {
        self.state.lost.load(Ordering::SeqCst)
    }

    /// Forwards nothing more on the present connections and leaves them open. Later connections work.
    pub fn silence(&self) {
        let now = self.accepted();
        self.state.silent_below.store(now, Ordering::SeqCst);
    }
}

impl State {
    /// When this many bytes are over the link. `None`: at once.
    fn arrival(&self, bytes: usize, is_reply: bool) -> Option<Instant> {
        let rate = self.bytes_per_second.load(Ordering::SeqCst);
        if rate == 0 {
            return None;
        }
        let mut free = self.link_is_free.lock().unwrap();
        let free = &mut free[usize::from(is_reply)];
        let now = Instant::now();
        let begins_at = free.map_or(now, |at| at.max(now));
        let arrives_at = begins_at + Duration::from_secs_f64(bytes as f64 / rate as f64);
        *free = Some(arrives_at);
        Some(arrives_at)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Forwards until one side closes the connection, or a fault closes it. Returns the request to hold back.
async fn forward(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    flow: &Flow,
    is_reply: bool,
) -> Option<Vec<u8>> {
    let state = &flow.state;
    let mut buffer = vec![0; 16 * 1024];
    // Replies that are on their way, with the times of their delivery.
    let mut delayed: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    loop {
        let deliver_at = delayed.front().map(|(at, _)| *at);
        let length = tokio::select! {
            biased;
            () = sleep_until(deliver_at.unwrap_or_else(Instant::now)), if deliver_at.is_some() => {
                let data = delayed.pop_front().unwrap().1;
                if to.write_all(&data).await.is_err() {
                    return None;
                }
                continue;
            }
            read = from.read(&mut buffer) => match read {
                Ok(length @ 1..) => length,
                _ => return None,
            },
        };
        let data = &buffer[..length];
        if flow.number < state.silent_below.load(Ordering::SeqCst) {
            continue;
        }
        if !is_reply && is_marked(data, &state.late_request) {
            return Some(data.to_vec());
        }
        if is_reply && state.lose_reply.swap(false, Ordering::SeqCst) {
            return None;
        }
        if is_reply
            && (flow.loses_replies.load(Ordering::SeqCst) || is_marked(data, &state.marked_reply))
        {
            state.lost.fetch_add(1, Ordering::SeqCst);
            if !flow.loses_replies.load(Ordering::SeqCst) {
                return None;
            }
            continue;
        }
        let delay = Duration::from_millis(state.delay_ms.load(Ordering::SeqCst));
        if is_reply && !delay.is_zero() {
            delayed.push_back((Instant::now() + delay, data.to_vec()));
            continue;
        }
        if let Some(arrives_at) = state.arrival(data.len(), is_reply) {
            sleep_until(arrives_at).await;
        }
        if to.write_all(data).await.is_err() {
            return None;
        }
        if !is_reply && is_marked(data, &state.marked_request) {
            flow.loses_replies.store(true, Ordering::SeqCst);
            // No reply can end this wait: it may belong to an earlier request, and there is none if the
            // rest of the request is in the next read.
            tokio::time::sleep(TIME_TO_RUN).await;
            return None;
        }
    }
}

/// Whether `data` contains the mark; a mark that was found is removed.
fn is_marked(data: &[u8], mark: &Mutex<Option<Vec<u8>>>) -> bool {
    let mut mark = mark.lock().unwrap();
    let found = mark
        .as_ref()
        .is_some_and(|mark| data.windows(mark.len()).any(|part| part == mark));
    if found {
        *mark = None;
    }
    found
}
