//! A TCP proxy in front of a server that can lose replies and go silent.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Forwards connections to a port of the loopback interface, with faults on demand.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    accepted: AtomicUsize,
    lose_reply: AtomicBool,
    /// Connections that were accepted before the one of this number forward nothing any more.
    silent_below: AtomicUsize,
    /// What marks the request whose reply is lost.
    fatal_request: Mutex<Option<Vec<u8>>>,
    /// What marks a reply that is lost.
    fatal_reply: Mutex<Option<Vec<u8>>>,
    lost: AtomicUsize,
}

/// One connection, as both of its directions see it.
struct Flow {
    state: Arc<State>,
    number: usize,
    /// What the server answers from now on is lost.
    doomed: AtomicBool,
}

/// How long a server has to answer on a connection whose replies are lost, before it breaks.
const LAST_BREATH: Duration = Duration::from_millis(100);

impl Proxy {
    /// A proxy before `target` on 127.0.0.1.
    pub async fn start(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else {
                    continue;
                };
                let (client_in, client_out) = client.into_split();
                let (server_in, server_out) = server.into_split();
                let flow = Flow {
                    state: shared.clone(),
                    number,
                    doomed: AtomicBool::new(false),
                };
                tokio::spawn(async move {
                    // Whichever direction ends first takes the other with it.
                    tokio::select! {
                        () = forward(client_in, server_out, &flow, false) => {}
                        () = forward(server_in, client_out, &flow, true) => {}
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

    /// How many connections there have been.
    pub fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// Breaks the next connection on which the server answers something, instead of its answer.
    pub fn lose_next_reply(&self) {
        self.state.lose_reply.store(true, Ordering::SeqCst);
    }

    /// Hands the next request that contains `mark` on, loses what is answered, and breaks the
    /// connection.
    pub fn lose_reply_to(&self, mark: &str) {
        *self.state.fatal_request.lock().unwrap() = Some(mark.into());
    }

    /// Breaks the connection instead of handing on the next reply that contains `mark`.
    pub fn lose_reply_with(&self, mark: &str) {
        *self.state.fatal_reply.lock().unwrap() = Some(mark.into());
    }

    /// How many marked replies were lost.
    pub fn lost(&self) -> usize {
        self.state.lost.load(Ordering::SeqCst)
    }

    /// Forwards nothing more on the connections there are, without closing them; later
    /// connections work.
    pub fn silence(&self) {
        let now = self.accepted();
        self.state.silent_below.store(now, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, flow: &Flow, is_reply: bool) {
    let state = &flow.state;
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let data = &buffer[..length];
        if flow.number < state.silent_below.load(Ordering::SeqCst) {
            continue;
        }
        if is_reply && state.lose_reply.swap(false, Ordering::SeqCst) {
            return;
        }
        if is_reply && (flow.doomed.load(Ordering::SeqCst) || is_marked(data, &state.fatal_reply)) {
            state.lost.fetch_add(1, Ordering::SeqCst);
            if !flow.doomed.load(Ordering::SeqCst) {
                return;
            }
            continue;
        }
        if to.write_all(data).await.is_err() {
            return;
        }
        if !is_reply && is_marked(data, &state.fatal_request) {
            flow.doomed.store(true, Ordering::SeqCst);
            tokio::time::sleep(LAST_BREATH).await;
            return;
        }
    }
}

/// Whether the mark is set and in `data`; it counts once.
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
