//! A TCP proxy in front of a server that can lose replies and go silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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
}

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
                let state = shared.clone();
                tokio::spawn(async move {
                    // Whichever direction ends first takes the other with it.
                    tokio::select! {
                        () = forward(client_in, server_out, &state, number, false) => {}
                        () = forward(server_in, client_out, &state, number, true) => {}
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

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    number: usize,
    is_reply: bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if number < state.silent_below.load(Ordering::SeqCst) {
            continue;
        }
        if is_reply && state.lose_reply.swap(false, Ordering::SeqCst) {
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
