//! The seven series of asynq, beside those that asynq's own collector serves over the same Redis, in the program
//! `compat/bin/asynqmon`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};

use crate::process::{Exporter, ask, series};
use crate::sample::Sample;
use crate::support::{DEADLINE, RedisServer};

/// asynqmon with its exporter, until this is dropped.
struct Asynqmon {
    process: Child,
    address: SocketAddr,
}

impl Asynqmon {
    /// `None`: it is not built. In CI it must be.
    async fn start(redis: &RedisServer) -> Option<Self> {
        let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compat/bin/asynqmon");
        if !binary.exists() {
            let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!is_ci, "CI needs {}", binary.display());
            eprintln!("left out: there is no {}", binary.display());
            return None;
        }
        let mut process = Process::new(binary);
        process
            .arg("-redis")
            .arg(format!("redis://127.0.0.1:{}", redis.port()));
        process.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = process.spawn().unwrap();
        let mut told = BufReader::new(process.stdout.take().unwrap());
        let read = move || {
            let mut line = String::new();
            told.read_line(&mut line).unwrap();
            line.trim()
                .strip_prefix("listening on http://")
                .unwrap()
                .parse()
                .unwrap()
        };
        let address = tokio::task::spawn_blocking(read).await.unwrap();
        Some(Self { process, address })
    }
}

impl Drop for Asynqmon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The lines about asynq's series: the comments in their order, and the values.
fn asynq_part(scrape: &str) -> (Vec<&str>, BTreeMap<String, f64>) {
    let comments = scrape
        .lines()
        .filter(|line| line.starts_with("# ") && line.contains(" asynq_"));
    let mut comments: Vec<_> = comments.collect();
    comments.sort_unstable();
    let mut values = series(scrape);
    values.retain(|name, _| name.starts_with("asynq_"));
    (comments, values)
}

#[tokio::test]
async fn asynqs_series_are_those_of_asynqs_own_exporter() {
    let sample = Sample::new().await;
    let Some(asynqmon) = Asynqmon::start(&sample.redis).await else {
        return;
    };
    let exporter = Exporter::start(&sample.redis, &[]).await;
    let theirs = ask(asynqmon.address, "GET /metrics").await;
    assert_eq!(theirs.status, 200, "{theirs:?}");
    let ours = exporter.scrape().await;
    let (our_comments, ours) = asynq_part(&ours);
    let (their_comments, theirs) = asynq_part(&theirs.text);
    assert_eq!(our_comments, their_comments);
    assert_eq!(
        ours.keys().collect::<Vec<_>>(),
        theirs.keys().collect::<Vec<_>>()
    );
    assert_eq!(ours.len(), 2 * (6 + 6));
    for (name, value) in ours {
        let other = theirs[&name];
        if name.starts_with("asynq_queue_latency") {
            assert!(
                (value - other).abs() < DEADLINE.as_secs_f64(),
                "{name}: {value}, {other}"
            );
        } else if name.starts_with("asynq_queue_memory") {
            // Both draw samples.
            assert!(
                (0.5..2.0).contains(&(value / other)),
                "{name}: {value}, {other}"
            );
        } else {
            assert!(
                (value - other).abs() < f64::EPSILON,
                "{name}: {value}, {other}"
            );
        }
    }
}
