//! A fake Redis server, for replies that a real server does not give in tests.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Answers every command with the result of a function.
pub struct FakeRedis {
    port: u16,
    accepting: JoinHandle<()>,
}

impl FakeRedis {
    /// `answer` gets the words of a command and returns the encoded reply, such as `+OK\r\n`.
    pub async fn start<F>(answer: F) -> Self
    where
        F: Fn(&[String]) -> String + Clone + Send + Sync + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone()));
            }
        });
        Self { port, accepting }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for FakeRedis {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A bulk string reply.
pub fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

async fn serve<F: Fn(&[String]) -> String>(stream: TcpStream, answer: F) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let mut command: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        // without `*` the line is an inline command: plain words
        if let Some(words) = command.first()?.strip_prefix('*') {
            let words: usize = words.parse().ok()?;
            command.clear();
            for _ in 0..words {
                command.push(read_word(&mut stream).await?);
            }
        }
        let reply = answer(&command);
        stream.write_all(reply.as_bytes()).await.ok()?;
    }
}

async fn read_word(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let length: usize = line.trim_end().strip_prefix('$')?.parse().ok()?;
    let mut word = vec![0; length + 2];
    stream.read_exact(&mut word).await.ok()?;
    word.truncate(length);
    String::from_utf8(word).ok()
}
