//! Where scenarios are played: the programs, the sizes, and a bed for each scenario.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::proxy::Proxy;
use crate::redis::Redis;

/// Who does the work that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// asynq.
    Go,
    /// rasynq.
    Rust,
    /// Our scripts on a bare connection.
    Raw,
    /// The handlers alone, without a queue.
    Bare,
    /// The crate `asynqrs`.
    Asynqrs,
    /// The crate `apalis-redis`.
    Apalis,
}

/// The two implementations, in the order of a round.
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
pub(crate) struct Lab {
    /// The Go peer.
    pub(crate) go_peer: PathBuf,
    /// The Rust peer.
    pub(crate) rust_peer: PathBuf,
    /// The peer of other crates, if it is to take part.
    pub(crate) third_party: Option<PathBuf>,
    /// The Redis server.
    pub(crate) redis_server: PathBuf,
    /// How often each case is played.
    pub(crate) rounds: usize,
    /// Fewer rounds, tasks and samples.
    pub(crate) quick: bool,
}

impl Lab {
    /// The program of an implementation, and its first argument.
    pub(crate) fn peer(&self, side: Side) -> Result<(&Path, Option<&str>)> {
        let third_party = || {
            let program = self.third_party.as_deref();
            program.context("there is no peer of other crates")
        };
        Ok(match side {
            Side::Go => (&self.go_peer, None),
            Side::Rust => (&self.rust_peer, None),
            Side::Asynqrs => (third_party()?, Some("asynqrs")),
            Side::Apalis => (third_party()?, Some("apalis")),
            Side::Raw | Side::Bare => bail!("{side} is no peer"),
        })
    }

    /// So many tasks, or a quarter of them in a quick run.
    pub(crate) fn tasks(&self, full: u64) -> u64 {
        if self.quick { (full / 4).max(1) } else { full }
    }

    /// A bed on loopback.
    pub(crate) fn bed(&self) -> Result<Bed<'_>> {
        self.bed_with(&[])
    }

    /// A bed whose Redis has these settings too.
    pub(crate) fn bed_with(&self, settings: &[&str]) -> Result<Bed<'_>> {
        let redis = Redis::start(&self.redis_server, settings)?;
        Ok(Bed {
            uri: redis.uri(),
            lab: self,
            redis,
            proxy: None,
        })
    }

    /// A bed whose peers are this far away from Redis.
    pub(crate) fn distant_bed(&self, round_trip: std::time::Duration) -> Result<Bed<'_>> {
        let mut bed = self.bed()?;
        let proxy = Proxy::start(&bed.redis.socket(), round_trip / 2)?;
        bed.uri = proxy.uri();
        bed.proxy = Some(proxy);
        Ok(bed)
    }
}

/// A Redis of its own, and how peers reach it.
pub(crate) struct Bed<'l> {
    /// Where it belongs.
    pub(crate) lab: &'l Lab,
    /// The server.
    pub(crate) redis: Redis,
    /// The address for peers.
    pub(crate) uri: String,
    /// What stands between peers and server.
    pub(crate) proxy: Option<Proxy>,
}
