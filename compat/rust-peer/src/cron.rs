//! The op that asks when a cron spec fires.

use rasynq::{Schedule, Tz};
use serde::Deserialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::form::{UnixTime, unix_time};

/// `cron`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CronForm {
    #[serde(default)]
    spec: String,
    #[serde(default)]
    location: String,
    after: Option<UnixTime>,
    n: Option<i64>,
}

impl CronForm {
    /// The next `n` times.
    pub(crate) fn run(self) -> Result<Value, Failure> {
        let Ok(n) = usize::try_from(self.n.unwrap_or(1)) else {
            return Err(Failure::invalid("n is negative"));
        };
        let zone = location(&self.location)?;
        let schedule = Schedule::standard(&self.spec)?;
        let after = self.after.map_or_else(Default::default, UnixTime::time);
        let times = schedule.upcoming(after, zone).take(n);
        Ok(times.map(|at| unix_time(Some(at))).collect())
    }
}

/// A zone by its name; without a name UTC, as in Go.
pub(crate) fn location(name: &str) -> Result<Tz, Failure> {
    if name.is_empty() {
        return Ok(Tz::UTC);
    }
    name.parse()
        .map_err(|_| Failure::invalid(format!("location: there is no zone {name:?}")))
}
