//! The exporter as a process, and what it answers over HTTP.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::RedisServer;

/// The exporter, until this is dropped.
pub(crate) struct Exporter {
    pub(crate) process: Child,
    pub(crate) address: SocketAddr,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    /// In small letters.
    pub(crate) head: String,
    pub(crate) text: String,
}

/// The command `rasynq metrics` on this Redis, which listens on a free port unless the options name one.
pub(crate) fn command(redis_url: &str, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rasynq"));
    command.arg("metrics").args(options);
    if !options.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command
        .env_clear()
        .env("HOME", "/nowhere")
        .env("REDIS_URL", redis_url);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a command that must fail. Returns its exit code and what it printed on standard error.
pub(crate) async fn failure_of(mut command: Command) -> (Option<i32>, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

impl Exporter {
    /// Starts it on a free port.
    pub(crate) async fn start(redis: &RedisServer, options: &[&str]) -> Self {
        Self::start_by(command(&redis.uri(), options)).await
    }

    /// Starts it by this command.
    pub(crate) async fn start_by(mut command: Command) -> Self {
        let mut process = command.spawn().unwrap();
        let mut told = BufReader::new(process.stderr.take().unwrap());
        let read = move || {
            let mut lines = String::new();
            loop {
                let mut line = String::new();
                assert!(told.read_line(&mut line).unwrap() > 0, "it ended: {lines}");
                if let Some((_, rest)) = line.split_once("http://") {
                    let mut address: SocketAddr = rest.split('/').next().unwrap().parse().unwrap();
                    if address.ip().is_unspecified() {
                        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
                    }
                    // What follows is read, so that the process never waits for a reader.
                    std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
                    return address;
                }
                lines.push_str(&line);
            }
        };
        let address = tokio::task::spawn_blocking(read).await.unwrap();
        Self { process, address }
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        ask(self.address, &format!("GET {path}")).await
    }

    /// The text of a scrape, which must have figures.
    pub(crate) async fn scrape(&self) -> String {
        let page = self.get("/metrics").await;
        assert_eq!(page.status, 200, "{page:?}");
        page.text
    }

    /// Ends it as the system does, and returns its exit code.
    pub(crate) async fn terminate(mut self) -> Option<i32> {
        let kill = std::process::Command::new("kill")
            .arg(self.process.id().to_string())
            .status();
        assert!(kill.unwrap().success());
        let wait = tokio::task::spawn_blocking(move || self.process.wait().unwrap().code());
        wait.await.unwrap()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends a request without a body, for example `GET /metrics`.
pub(crate) async fn ask(address: SocketAddr, request: &str) -> Page {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{request} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    Page {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_lowercase(),
        text: text.to_owned(),
    }
}

/// The series of a scrape with their values.
pub(crate) fn series(scrape: &str) -> BTreeMap<String, f64> {
    let lines = scrape.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.map(|line| line.rsplit_once(' ').unwrap());
    pairs
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

/// The kinds of the names in a scrape.
pub(crate) fn kinds(scrape: &str) -> BTreeMap<String, String> {
    let lines = scrape
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let pairs = lines.map(|line| line.split_once(' ').unwrap());
    pairs
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}
