//! Servers that may be gone: what looks have found of them so far.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::server_entry::TTL_SECS;
use crate::broker::RedisProcess;
use crate::server::owner::Owner;

/// A heartbeat is missing if the last one is this many seconds ago. Heartbeats come every 5 s.
const SUSPECTED_SECS: i64 = 6;
/// A silent suspect that is listed as an owner nowhere is looked for again after this time.
const LOOK_FOR_OWNER_AGAIN: Duration = Duration::from_secs(10);
/// For how long nobody must have listened on the channel of a server on another machine.
const NO_LISTENER_FOR: Duration = Duration::from_secs(8);
/// Looks for listeners that are further apart do not belong together.
const LONGEST_GAP: Duration = Duration::from_secs(4);
/// After its start, Redis must give all servers time to connect again.
const REDIS_UP_SECS: u64 = 20;
/// How often the tasks of a server that is gone are recovered: Redis may receive its last fetch late.
const ROUNDS: u32 = 2;
/// The pause between two rounds.
const NEXT_ROUND: Duration = Duration::from_secs(10);

/// What one look has found. Servers are named as owners.
pub(super) struct Look {
    pub(super) began: Instant,
    pub(super) ended: Instant,
    /// The time of Redis (s).
    pub(super) unix: i64,
    /// The scores of the servers' last heartbeats: when they expire (unix s).
    pub(super) heartbeats: HashMap<String, i64>,
    /// On whose channels somebody listens, read after the heartbeats. `None`: one cannot tell.
    pub(super) heard: Option<HashSet<String>>,
}

/// A server that has missed a heartbeat, or on whose channel nobody listens.
pub(super) struct Suspect {
    /// How it is listed in the queues of this server. `None`: it is not; servers of asynq never are.
    pub(super) owner: Option<Owner>,
    looked_up_at: Instant,
    /// Its last heartbeat, and when it was seen last.
    heartbeat: Option<i64>,
    seen_at: Instant,
    is_silent: bool,
    unheard: Option<Unheard>,
    /// How often its tasks were recovered, and when they will be again.
    rounds: u32,
    next_round: Option<Instant>,
}

/// Nobody listened on a channel in each look of a period.
#[derive(Clone, Debug, PartialEq)]
struct Unheard {
    redis: RedisProcess,
    since: Instant,
    last: Instant,
}

impl Look {
    /// The servers that are silent, or that nobody hears.
    pub(super) fn suspicious(&self) -> impl Iterator<Item = &String> {
        let names = self.heartbeats.keys();
        names.filter(|name| self.is_silent(name) || self.is_heard(name) == Some(false))
    }

    /// Whether the last heartbeat of a server is missing.
    fn is_silent(&self, name: &str) -> bool {
        let is_late = |at: &i64| *at <= self.unix + TTL_SECS - SUSPECTED_SECS;
        self.heartbeats.get(name).is_none_or(is_late)
    }

    fn is_heard(&self, name: &str) -> Option<bool> {
        self.heard.as_ref().map(|heard| heard.contains(name))
    }
}

impl Suspect {
    /// This long after the last heartbeat, leases have expired and the recoverer decides.
    pub(super) const FORGOTTEN_SECS: i64 = 120;

    pub(super) fn new(owner: Option<Owner>, name: &str, look: &Look) -> Self {
        Self {
            owner,
            looked_up_at: look.ended,
            heartbeat: look.heartbeats.get(name).copied(),
            seen_at: look.ended,
            is_silent: look.is_silent(name),
            unheard: None,
            rounds: 0,
            next_round: None,
        }
    }

    /// Whether it stays a suspect after this look. What it has shown before counts no more if it has made a
    /// heartbeat.
    pub(super) fn stays(&mut self, name: &str, look: &Look) -> bool {
        self.is_silent = look.is_silent(name);
        if !self.is_silent && look.is_heard(name) != Some(false) {
            return false;
        }
        // asynq removes expired heartbeats.
        if let Some(&heartbeat) = look.heartbeats.get(name) {
            self.seen_at = look.ended;
            if self.heartbeat.replace(heartbeat) != Some(heartbeat) {
                self.unheard = None;
                // It lives without its channel, so it may be listed anew.
                if self.listens() {
                    return false;
                }
            }
        }
        let age = |at: Instant| look.ended.saturating_duration_since(at);
        match self.owner {
            Some(_) => age(self.seen_at) < Duration::from_secs(Self::FORGOTTEN_SECS.unsigned_abs()),
            None => !self.is_silent || age(self.looked_up_at) < LOOK_FOR_OWNER_AGAIN,
        }
    }

    /// Whether the next looks must come soon.
    pub(super) fn is_watched(&self) -> bool {
        let may_be_gone = self.is_silent || self.unheard.is_some();
        self.owner.is_some() && self.rounds < ROUNDS && may_be_gone
    }

    fn listens(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.listens)
    }

    /// Whether it should listen on its channel, and nobody does.
    pub(super) fn is_unheard(&self, name: &str, look: &Look) -> bool {
        self.listens() && self.rounds < ROUNDS && look.is_heard(name) == Some(false)
    }

    /// Nobody listened on its channel in this look, on this Redis. `None`: somebody did, or one cannot tell. Returns
    /// whether that has lasted so long that the server is gone.
    pub(super) fn was_unheard(&mut self, redis: Option<RedisProcess>, look: &Look) -> bool {
        let before = self.unheard.take();
        self.unheard =
            redis.and_then(|redis| Unheard::again(before, redis, look.began, look.ended));
        self.unheard.as_ref().is_some_and(Unheard::is_long)
    }

    /// Whether its tasks are recovered now if it is gone.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.rounds < ROUNDS && self.next_round.is_none_or(|at| at <= now)
    }

    pub(super) fn was_recovered(&mut self, now: Instant) {
        self.rounds += 1;
        self.next_round = Some(now + NEXT_ROUND);
    }
}

impl Unheard {
    /// Nobody listened in a look that took from `began` to `ended`.
    fn again(
        before: Option<Self>,
        redis: RedisProcess,
        began: Instant,
        ended: Instant,
    ) -> Option<Self> {
        if redis.uptime_secs < REDIS_UP_SECS {
            return None;
        }
        let continues = |before: &Self| {
            before.redis.run_id == redis.run_id
                && ended.saturating_duration_since(before.last) <= LONGEST_GAP
        };
        let since = before
            .filter(continues)
            .map_or(ended, |before| before.since);
        Some(Self {
            redis,
            since,
            last: began,
        })
    }

    fn is_long(&self) -> bool {
        self.last.saturating_duration_since(self.since) >= NO_LISTENER_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const NAME: &str = "1a2b";
    /// When the server made its first heartbeat (unix s).
    const FIRST: i64 = 1_000_000;

    fn redis(run_id: &str, uptime_secs: u64) -> RedisProcess {
        RedisProcess {
            run_id: run_id.to_owned(),
            uptime_secs,
        }
    }

    /// The result of looks at these seconds in which nobody listened, all on the same Redis.
    fn after(looks: &[u64]) -> Option<Unheard> {
        let start = clock::monotonic();
        looks.iter().fold(None, |before, secs| {
            let at = start + Duration::from_secs(*secs);
            Unheard::again(before, redis("a", 600), at, at)
        })
    }

    fn is_long(looks: &[u64]) -> bool {
        after(looks).is_some_and(|unheard| unheard.is_long())
    }

    /// A look some seconds after `start`, with the last heartbeat that many seconds after the first.
    fn look(start: Instant, secs: u64, heartbeat: Option<i64>, heard: bool) -> Look {
        let at = start + Duration::from_secs(secs);
        let heartbeats = heartbeat.map(|secs| (NAME.to_owned(), FIRST + secs + TTL_SECS));
        Look {
            began: at,
            ended: at,
            unix: FIRST + secs as i64,
            heartbeats: heartbeats.into_iter().collect(),
            heard: Some(heard.then(|| NAME.to_owned()).into_iter().collect()),
        }
    }

    fn suspect(listens: bool, look: &Look) -> Suspect {
        let owner = Owner {
            name: NAME.to_owned(),
            listens,
            process: None,
        };
        Suspect::new(Some(owner), NAME, look)
    }

    /// When the server is gone, according to looks in each second from the fourth on.
    fn gone_at(heartbeat: impl Fn(u64) -> i64, heard: impl Fn(u64) -> bool) -> Option<u64> {
        let start = clock::monotonic();
        let mut suspected: Option<Suspect> = None;
        (4..60).find(|&secs| {
            let look = look(start, secs, Some(heartbeat(secs)), heard(secs));
            if suspected
                .as_mut()
                .is_some_and(|one| !one.stays(NAME, &look))
            {
                suspected = None;
            }
            if suspected.is_none() && look.suspicious().next().is_some() {
                suspected = Some(suspect(true, &look));
            }
            suspected.as_mut().is_some_and(|suspect| {
                let is_unheard = suspect.is_unheard(NAME, &look);
                suspect.was_unheard(is_unheard.then(|| redis("a", 600)), &look)
            })
        })
    }

    #[test]
    fn a_server_that_is_killed_after_a_heartbeat_is_gone_eight_seconds_after_the_first_look() {
        assert_eq!(gone_at(|_| 0, |_| false), Some(12));
    }

    #[test]
    fn a_server_that_makes_heartbeats_or_is_heard_is_not_gone() {
        let every_5_s = |secs: u64| (secs / 5 * 5) as i64;
        assert_eq!(gone_at(every_5_s, |_| false), None);
        assert_eq!(gone_at(|_| 0, |_| true), None);
        // One heartbeat was late. Later its channel is lost.
        let late = |secs: u64| if secs < 9 { 0 } else { every_5_s(secs) };
        assert_eq!(gone_at(late, |secs| secs < 12), None);
    }

    #[test]
    fn a_suspect_that_lives_is_suspected_no_more() {
        let start = clock::monotonic();
        let mut silent = suspect(true, &look(start, 7, Some(0), true));
        assert!(silent.is_watched());
        assert!(silent.stays(NAME, &look(start, 8, Some(0), true)));
        assert!(
            silent.stays(NAME, &look(start, 15, None, true)),
            "asynq has removed it"
        );
        assert!(!silent.stays(NAME, &look(start, 16, Some(16), true)));
        // It has no channel, so it is not looked up again and again.
        let mut without_channel = suspect(false, &look(start, 7, Some(5), false));
        assert!(without_channel.stays(NAME, &look(start, 11, Some(10), false)));
        assert!(!without_channel.is_watched());
    }

    #[test]
    fn a_server_is_gone_only_if_nobody_has_listened_in_each_look_for_some_time() {
        assert!(!is_long(&[0]));
        assert!(!is_long(&[0, 1, 2, 3, 4, 5, 6, 7]));
        assert!(is_long(&[0, 1, 2, 3, 4, 5, 6, 7, 8]));
        assert!(
            !is_long(&[0, 9]),
            "in the meantime somebody may have listened"
        );
        assert!(!is_long(&[0, 4, 9, 12, 15]), "the first two do not count");
        assert!(is_long(&[0, 4, 9, 12, 15, 17]));
    }

    #[test]
    fn a_redis_that_has_just_started_or_is_another_one_says_nothing() {
        let now = clock::monotonic();
        assert_eq!(Unheard::again(None, redis("a", 19), now, now), None);
        let before = after(&[0, 4, 8]);
        assert!(before.as_ref().is_some_and(Unheard::is_long));
        let then = now + Duration::from_secs(9);
        let other = Unheard::again(before, redis("b", 600), then, then);
        assert!(!other.expect("it counts from now").is_long());
    }
}
