//! A TCP proxy that delays all data by a fixed time. It simulates a distant Redis; it does not limit
//! bandwidth.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::Result;

/// The most bytes that one read takes.
const CHUNK: usize = 1 << 16;
/// How much longer than requested a sleep lasts, with the default timer slack of Linux.
const SLACK: Duration = Duration::from_micros(55);

/// A proxy from a loopback port to a unix socket. It runs until this program exits.
pub(crate) struct Proxy {
    address: SocketAddr,
}

impl Proxy {
    /// Starts a proxy that delays each direction by `delay`.
    pub(crate) fn start(socket: &Path, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let socket = socket.to_owned();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // on an error the connection is dropped, and so closed
                let _ = pass(client, &socket, delay);
            }
        });
        Ok(Self { address })
    }

    /// The address, as a URI of asynq.
    pub(crate) fn uri(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The median time of a `PING` through the proxy.
    pub(crate) fn round_trip(&self) -> Result<Duration> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        let mut times = Vec::new();
        for _ in 0..21 {
            let begin = Instant::now();
            stream.write_all(b"PING\r\n")?;
            stream.read_exact(&mut [0; 7])?;
            times.push(begin.elapsed());
        }
        times.sort();
        Ok(times[times.len() / 2])
    }
}

fn pass(client: TcpStream, socket: &PathBuf, delay: Duration) -> Result<()> {
    client.set_nodelay(true)?;
    let server = UnixStream::connect(socket)?;
    let (client_out, server_out) = (client.try_clone()?, server.try_clone()?);
    pump(client, server_out, delay, |end| {
        let _ = end.shutdown(Shutdown::Both);
    });
    pump(server, client_out, delay, |end| {
        let _ = end.shutdown(Shutdown::Both);
    });
    Ok(())
}

/// Copies data, each piece after the delay. One thread reads, another thread writes.
fn pump<R, W>(mut from: R, mut to: W, delay: Duration, close: fn(&W))
where
    R: Read + Send + 'static,
    W: Write + Send + 'static,
{
    let (sender, pieces) = channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        let mut buffer = vec![0; CHUNK];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            let due = Instant::now() + delay.saturating_sub(SLACK);
            if sender.send((due, buffer[..n].to_vec())).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        for (due, piece) in pieces {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        close(&to);
    });
}
