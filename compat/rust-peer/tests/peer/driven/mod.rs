//! Drives the built peer as a runner does, on a Redis server of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a test waits for something that should take milliseconds.
const DEADLINE: Duration = Duration::from_secs(20);

/// A private `redis-server` on a unix socket. It is killed when dropped.
pub(crate) struct Redis {
    process: Child,
    dir: TempDir,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let binary = std::env::var_os("RASYNQ_TEST_REDIS_SERVER").filter(|path| !path.is_empty());
        let dir = tempfile::tempdir().unwrap();
        let process = Command::new(binary.unwrap_or_else(|| "redis-server".into()))
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(dir.path().join("redis.sock"))
            .arg("--dir")
            .arg(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is needed; see dev/redis");
        let redis = Self { process, dir };
        let started = Instant::now();
        while redis.connect().is_err() {
            assert!(started.elapsed() < DEADLINE, "redis-server does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        redis
    }

    fn connect(&self) -> std::io::Result<std::os::unix::net::UnixStream> {
        std::os::unix::net::UnixStream::connect(self.dir.path().join("redis.sock"))
    }

    pub(crate) fn uri(&self) -> String {
        format!(
            "redis-socket://{}",
            self.dir.path().join("redis.sock").display()
        )
    }

    /// Sends a command whose reply is one line; returns the line without its type.
    pub(crate) fn ask(&self, command: &[&str]) -> String {
        let mut stream = self.connect().unwrap();
        stream
            .write_all(format!("{}\r\n", command.join(" ")).as_bytes())
            .unwrap();
        let mut reply = String::new();
        BufReader::new(stream).read_line(&mut reply).unwrap();
        reply[1..].trim_end().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The built program.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rust-peer"));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A running peer. It is killed when dropped.
pub(crate) struct DrivenPeer {
    process: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    next_id: u64,
    answers: Vec<Value>,
    events: Vec<Value>,
}

impl DrivenPeer {
    pub(crate) fn start(redis: &Redis) -> Self {
        Self::start_on(&redis.uri())
    }

    pub(crate) fn start_on(uri: &str) -> Self {
        let mut process = program().args(["--redis", uri]).spawn().unwrap();
        let stdin = process.stdin.take();
        let stdout = process.stdout.take().unwrap();
        let log = process.stderr.take().unwrap();
        std::thread::spawn(move || {
            // printed as the test's own output, which is shown if the test fails
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                eprintln!("{line}");
            }
        });
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let line = serde_json::from_str(&line.unwrap()).expect("lines are JSON");
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            process,
            stdin,
            lines,
            next_id: 0,
            answers: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Closes stdin and waits for the peer to end, with the exit code 0.
    pub(crate) fn close(&mut self) {
        self.stdin = None;
        while let Ok(line) = self.lines.recv_timeout(DEADLINE) {
            self.keep(line);
        }
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
    }

    pub(crate) fn send_text(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(format!("{text}\n").as_bytes()).unwrap();
    }

    /// Sends a request; returns its id.
    pub(crate) fn send(&mut self, mut request: Value) -> Value {
        self.next_id += 1;
        request["id"] = self.next_id.into();
        self.send_text(&request.to_string());
        self.next_id.into()
    }

    pub(crate) fn answer(&mut self, id: &Value) -> Value {
        self.find(&format!("answer {id}"), |peer| {
            peer.answers
                .iter()
                .find(|answer| answer["id"] == *id)
                .cloned()
        })
    }

    /// Sends a request that must succeed.
    #[track_caller]
    pub(crate) fn ok(&mut self, request: Value) -> Value {
        let id = self.send(request.clone());
        let answer = self.answer(&id);
        assert!(answer.get("ok").is_some(), "{request}: {answer}");
        answer["ok"].clone()
    }

    /// Sends a request that must fail with this kind.
    #[track_caller]
    pub(crate) fn refused(&mut self, kind: &str, request: Value) {
        let id = self.send(request.clone());
        let answer = self.answer(&id);
        assert_eq!(answer["err"]["kind"], kind, "{request}: {answer}");
        assert!(answer["err"]["msg"].is_string(), "{answer}");
    }

    /// Waits for an event of this name that has these fields.
    #[track_caller]
    pub(crate) fn event(&mut self, name: &str, mut fields: Value) -> Value {
        fields["event"] = name.into();
        self.find(&fields.to_string(), |peer| {
            peer.events
                .iter()
                .find(|event| has(event, &fields))
                .cloned()
        })
    }

    /// How many events of this name and with these fields have come so far.
    pub(crate) fn count(&mut self, name: &str, fields: &Value) -> usize {
        while let Ok(line) = self.lines.try_recv() {
            self.keep(line);
        }
        let fits = |event: &&Value| event["event"] == name && has(event, fields);
        self.events.iter().filter(fits).count()
    }

    /// Waits until the inspector shows the task, in the queue `default`, with these fields.
    #[track_caller]
    pub(crate) fn stored(&mut self, task: &str, want: Value) {
        let started = Instant::now();
        loop {
            let request =
                json!({"op": "inspect", "call": "task_info", "queue": "default", "task": task});
            let info = self.ok(request);
            if has(&info, &want) {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "got {info}, want {want}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Repeats a request, which must succeed, until its answer is as wanted.
    #[track_caller]
    pub(crate) fn answers(&mut self, request: Value, wanted: impl Fn(&Value) -> bool) {
        let started = Instant::now();
        loop {
            let answer = self.ok(request.clone());
            if wanted(&answer) {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "{request}: {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn find(&mut self, what: &str, look: impl Fn(&Self) -> Option<Value>) -> Value {
        let started = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            let left = DEADLINE.saturating_sub(started.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.keep(line),
                Err(_) => panic!("{what} did not come; events: {:#?}", self.events),
            }
        }
    }

    fn keep(&mut self, line: Value) {
        if line.get("event").is_some() {
            self.events.push(line);
        } else {
            self.answers.push(line);
        }
    }
}

impl Drop for DrivenPeer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn has(got: &Value, want: &Value) -> bool {
    let mut fields = want.as_object().expect("fields").iter();
    fields.all(|(name, value)| got.get(name) == Some(value))
}

/// Fails unless `got` has these fields.
#[track_caller]
pub(crate) fn expect(got: &Value, want: Value) {
    assert!(has(got, &want), "got {got}, want {want}");
}
