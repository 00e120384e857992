//! The programs and sizes of a run, and the Redis server of a scenario.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::proxy::Proxy;
use crate::redis::Redis;

/// The program whose work is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// asynq.
    Go,
    /// rasynq.
    Rust,
    /// The scripts of rasynq, called over one connection, without the library.
    Raw,
    /// The handlers in a loop, without a queue.
    Bare,
    /// The crate `asynqrs`.
    Asynqrs,
    /// The crate `apalis-redis`.
    Apalis,
}

/// The two implementations, in the order in which a round runs them.
pub(crate) const BOTH: [Side; 2] = [Side::Go, Side::Rust];

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Go => "go",
            Self::Rust => "rust",
            Self::Raw => "raw",
            Self::Bare => "bare",
            Self::Asynqrs => "asynqrs",
            Self::Apalis => "apalis",
        })
    }
}

/// The programs, and how much is measured.
pub(crate) struct Setup {
    /// The Go peer.
    pub(crate) go_peer: PathBuf,
    /// The Rust peer.
    pub(crate) rust_peer: PathBuf,
    /// The peer of other crates, if it takes part.
    pub(crate) third_party: Option<PathBuf>,
    /// The Redis server.
    pub(crate) redis_server: PathBuf,
    /// The number of rounds of each case.
    pub(crate) rounds: usize,
    /// Whether there are fewer rounds, tasks and samples.
    pub(crate) quick: bool,
}

impl Setup {
    /// The peer program of a side, and its first argument.
    pub(crate) fn peer(&self, side: Side) -> Result<(&Path, Option<&str>)> {
        let third_party = || {
            let program = self.third_party.as_deref();
            program.context("the peer of other crates is not built")
        };
        Ok(match side {
            Side::Go => (&self.go_peer, None),
            Side::Rust => (&self.rust_peer, None),
            Side::Asynqrs => (third_party()?, Some("asynqrs")),
            Side::Apalis => (third_party()?, Some("apalis")),
            Side::Raw | Side::Bare => bail!("{side} has no peer"),
        })
    }

    /// This number of tasks, or a quarter of it in a quick run.
    pub(crate) fn tasks(&self, full: u64) -> u64 {
        if self.quick { (full / 4).max(1) } else { full }
    }

    /// A Redis server that peers reach over its unix socket.
    pub(crate) fn testbed(&self) -> Result<Testbed<'_>> {
        self.testbed_with(&[])
    }

    /// The same, with more settings of Redis.
    pub(crate) fn testbed_with(&self, settings: &[&str]) -> Result<Testbed<'_>> {
        let redis = Redis::start(&self.redis_server, settings)?;
        Ok(Testbed {
            uri: redis.uri(),
            setup: self,
            redis,
            proxy: None,
        })
    }

    /// A Redis server that peers reach through a proxy with this round trip.
    pub(crate) fn distant_testbed(&self, round_trip: std::time::Duration) -> Result<Testbed<'_>> {
        let mut bed = self.testbed()?;
        let proxy = Proxy::start(&bed.redis.socket(), round_trip / 2)?;
        bed.uri = proxy.uri();
        bed.proxy = Some(proxy);
        Ok(bed)
    }
}

/// A Redis server of one scenario, and how peers reach it.
pub(crate) struct Testbed<'l> {
    /// The programs and sizes of the run.
    pub(crate) setup: &'l Setup,
    /// The server.
    pub(crate) redis: Redis,
    /// The address for peers.
    pub(crate) uri: String,
    /// The proxy between peers and server, if there is one.
    pub(crate) proxy: Option<Proxy>,
}
