//! Schedulers that come, die and go, compared with a model.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fred::clients::Client as Fred;
use fred::interfaces::{ClientLike, HashesInterface, KeysInterface, SortedSetsInterface};
use fred::types::{ClusterHash, CustomCommand, FromValue};

use crate::broker::{Broker, Leads, Str};
use crate::connection::Connection;
use crate::error::ErrorKind;
use crate::test_support::{DEADLINE, RedisCluster, RedisServer, eventually};
use crate::wire::keys;

/// A lease that does not end during a test.
const LONG: Duration = Duration::from_secs(3600);

async fn start() -> (RedisServer, Fred, Broker) {
    let redis = RedisServer::start().await;
    let raw = redis.client().await;
    let broker = connect(&Connection::from_uri(&redis.uri()).expect("a URI")).await;
    (redis, raw, broker)
}

async fn connect(connection: &Connection) -> Broker {
    Broker::connect(connection).await.expect("a connection")
}

fn names(names: &[&'static str]) -> Vec<Str> {
    names.iter().map(|name| Str::from_static(name)).collect()
}

async fn command<T: FromValue>(raw: &Fred, name: &'static str, args: &[&'static str]) -> T {
    let command = CustomCommand::new_static(name, ClusterHash::FirstKey, false);
    raw.custom(command, args.to_vec()).await.expect("a reply")
}

async fn set_alive_until(raw: &Fred, id: &str, unix_ms: f64) {
    let member = (unix_ms, id);
    let add = raw.zadd(keys::SCHEDULER_MEMBERS, None, None, false, false, member);
    let _: () = add.await.expect("ZADD");
}

/// What the schedulers should be told.
#[derive(Default)]
struct Model {
    alive: BTreeSet<usize>,
    leader: Option<usize>,
    /// By key: who leads it, and its fencing number.
    led: BTreeMap<usize, (usize, i64)>,
    /// By key: the last scheduler that led it, and its number.
    last: BTreeMap<usize, (usize, i64)>,
}

impl Model {
    /// Checks the reply to a call of a scheduler with these keys.
    fn check(&mut self, me: usize, entry_keys: &BTreeSet<usize>, reply: &Leads) {
        self.alive.insert(me);
        let leader = self.leader.filter(|leader| self.alive.contains(leader));
        self.leader = Some(leader.unwrap_or(me));
        let is_leader = self.leader == Some(me);
        assert_eq!(reply.is_leader, is_leader);
        assert_eq!(reply.fencing.len(), entry_keys.len());
        for (key, fencing) in entry_keys.iter().zip(&reply.fencing) {
            let led = self.led.get(key).copied();
            match led {
                Some((holder, number)) if holder == me => assert_eq!(*fencing, Some(number)),
                Some((holder, _)) if !is_leader && self.alive.contains(&holder) => {
                    assert_eq!(*fencing, None);
                }
                _ => {
                    let number = fencing.expect("nobody else may lead it");
                    let highest = self.last.values().map(|(_, number)| *number).max();
                    assert!(
                        highest
                            .is_none_or(|highest| number > highest || self.is_of_call(me, number))
                    );
                    self.led.insert(*key, (me, number));
                }
            }
            if let Some(number) = fencing {
                // It is higher than that of any other scheduler that has led the entry.
                if let Some((holder, last)) = self.last.insert(*key, (me, *number)) {
                    assert!(holder == me && *number >= last || *number > last);
                }
            }
        }
        if is_leader {
            let alive = &self.alive;
            self.led.retain(|_, (holder, _)| alive.contains(holder));
        }
    }

    /// Whether the number was given to the same scheduler before: all entries that it takes in one call have it.
    fn is_of_call(&self, me: usize, number: i64) -> bool {
        self.last.values().any(|last| *last == (me, number))
    }
}

/// Pseudorandom numbers.
struct Draws(u64);

impl Draws {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn some_of(&mut self, n: u64) -> BTreeSet<usize> {
        (0..n)
            .filter(|_| self.below(2) == 0)
            .map(|n| n as usize)
            .collect()
    }
}

fn entry_names(entry_keys: &BTreeSet<usize>) -> Vec<Str> {
    entry_keys
        .iter()
        .map(|n| format!("entry-{n}").into())
        .collect()
}

#[tokio::test]
async fn each_entry_has_one_live_scheduler_whoever_comes_dies_and_goes() {
    const SCHEDULERS: u64 = 5;
    const ENTRIES: u64 = 12;
    let (_redis, raw, broker) = start().await;
    for seed in 1..=20_u64 {
        let _: () = command(&raw, "FLUSHALL", &[]).await;
        let mut draws = Draws(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let mut model = Model::default();
        let mut have: Vec<BTreeSet<usize>> =
            (0..SCHEDULERS).map(|_| draws.some_of(ENTRIES)).collect();
        for step in 0..200 {
            let me = draws.below(SCHEDULERS) as usize;
            let id = format!("s{me}");
            match draws.below(12) {
                // It is killed, or stopped for long.
                0 => {
                    if model.alive.remove(&me) {
                        set_alive_until(&raw, &id, 1.0).await;
                    }
                }
                // The clock of Redis is set back.
                1 => {
                    if model.alive.contains(&me) {
                        set_alive_until(&raw, &id, 9e15).await;
                    }
                }
                // It shuts down.
                2 => {
                    let entry_keys = entry_names(&have[me]);
                    let others = broker.leave(&id, &entry_keys).await.expect("left");
                    model.alive.remove(&me);
                    model.leader.take_if(|leader| *leader == me);
                    model
                        .led
                        .retain(|key, (holder, _)| *holder != me || !have[me].contains(key));
                    assert_eq!(others, model.alive.len() as u64, "seed {seed}, step {step}");
                }
                // Its entries change.
                3 | 4 => {
                    let new = draws.some_of(ENTRIES);
                    let gone: BTreeSet<usize> = have[me].difference(&new).copied().collect();
                    let names = entry_names(&gone);
                    let given_up = broker.give_up_entries(&id, &names);
                    given_up.await.expect("given up");
                    model
                        .led
                        .retain(|key, (holder, _)| *holder != me || !gone.contains(key));
                    have[me] = new;
                }
                _ => {
                    let entry_keys = entry_names(&have[me]);
                    let reply = broker
                        .lead_for(LONG, &id, &entry_keys, 0)
                        .await
                        .expect("told");
                    model.check(me, &have[me], &reply);
                }
            }
            let stored: BTreeMap<String, String> =
                raw.hgetall(keys::SCHEDULER_LEADS).await.expect("HGETALL");
            let expected = model.led.iter().map(|(key, (holder, number))| {
                (format!("entry-{key}"), format!("{number}:s{holder}"))
            });
            assert_eq!(stored, expected.collect(), "seed {seed}, step {step}");
        }
        // Each live scheduler calls twice: first those that are not the leader may lose entries to it.
        let alive: Vec<usize> = model.alive.iter().copied().collect();
        let mut led: BTreeMap<usize, usize> = BTreeMap::new();
        for round in 0..2 {
            for me in &alive {
                let entry_keys = entry_names(&have[*me]);
                let id = format!("s{me}");
                let reply = broker
                    .lead_for(LONG, &id, &entry_keys, 0)
                    .await
                    .expect("told");
                model.check(*me, &have[*me], &reply);
                let leads = have[*me].iter().zip(&reply.fencing);
                for (key, _) in leads.filter(|(_, fencing)| round == 1 && fencing.is_some()) {
                    assert_eq!(led.insert(*key, *me), None, "two schedulers lead {key}");
                }
            }
        }
        let all: BTreeSet<usize> = alive.iter().flat_map(|me| have[*me].clone()).collect();
        assert!(led.keys().copied().eq(all), "an entry that nobody leads");
        if let Some(leader) = model.leader.filter(|leader| model.alive.contains(leader)) {
            assert!(have[leader].iter().all(|key| led[key] == leader));
        }
    }
}

#[tokio::test]
async fn a_scheduler_whose_lease_is_over_loses_its_entries() {
    let (_redis, _raw, broker) = start().await;
    let entry_keys = names(&["a", "b"]);
    let lease = Duration::from_millis(400);
    let first = broker.lead_for(lease, "first", &entry_keys, 0).await;
    let first = first.expect("told");
    assert!(first.is_leader && first.fencing.iter().all(Option::is_some));
    let second = || broker.lead_for(lease, "second", &entry_keys, 0);
    let told = second().await.expect("told");
    assert!(!told.is_leader);
    assert_eq!(told.fencing, [None, None]);
    eventually("the second one takes over", DEADLINE, || async {
        second().await.expect("told").is_leader
    })
    .await;
    let told = second().await.expect("told");
    assert!(told.fencing > first.fencing, "{told:?}");
    // The first one wakes up.
    let told = broker.lead_for(lease, "first", &entry_keys, 0).await;
    let told = told.expect("told");
    assert_eq!((told.is_leader, told.fencing), (false, vec![None, None]));
}

#[tokio::test]
async fn thousands_of_entries_are_led_and_those_of_the_dead_are_dropped_in_steps() {
    let (_redis, raw, broker) = start().await;
    let entry_keys: Vec<Str> = (0..2_500)
        .map(|n| format!("entry-{n:0>80}").into())
        .collect();
    let lead = |id: &'static str, entry_keys: Vec<Str>| {
        let broker = broker.clone();
        async move {
            broker
                .lead_for(LONG, id, &entry_keys, 0)
                .await
                .expect("told")
        }
    };
    let first = lead("first", entry_keys.clone()).await;
    assert!(first.is_leader && first.fencing.len() == 2_500);
    assert!(first.fencing.iter().all(Option::is_some));
    assert_eq!(lead("first", entry_keys.clone()).await, first);
    let second = lead("second", entry_keys.clone()).await;
    assert!(second.fencing.iter().all(Option::is_none));
    set_alive_until(&raw, "first", 1.0).await;
    let own = names(&["own"]);
    let mut calls = 0;
    loop {
        let told = lead("second", own.clone()).await;
        assert!(told.is_leader && told.fencing[0].is_some());
        calls += 1;
        let left: i64 = raw.hlen(keys::SCHEDULER_LEADS).await.expect("HLEN");
        if left == 1 {
            break;
        }
        assert!(calls < 200, "{left} entries are left after {calls} calls");
    }
    assert!(calls > 5, "{calls}");
    // Whoever leads an entry later has a higher number, though nothing is known of it.
    let again = lead("second", entry_keys.clone()).await;
    assert!(again.fencing.iter().min() > first.fencing.iter().max());
    assert_eq!(broker.leave("second", &entry_keys).await.expect("left"), 0);
    let left: Vec<String> = raw.hkeys(keys::SCHEDULER_LEADS).await.expect("HKEYS");
    assert_eq!(left, ["own"]);
    for key in [keys::SCHEDULER_LEADER, keys::SCHEDULER_LEADS] {
        let ttl: i64 = raw.ttl(key).await.expect("TTL");
        assert!((86_000..=86_400).contains(&ttl), "{key}: {ttl}");
    }
}

#[tokio::test]
async fn a_key_of_a_wrong_type_is_an_error_and_changes_nothing() {
    let (_redis, raw, broker) = start().await;
    let own = names(&["own"]);
    for key in [
        keys::SCHEDULER_MEMBERS,
        keys::SCHEDULER_LEADER,
        keys::SCHEDULER_LEADS,
    ] {
        let _: () = raw.set(key, "x", None, None, false).await.expect("SET");
        for entry_keys in [&own[..], &[]] {
            let error = broker.lead("me", entry_keys, 0).await.expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Redis);
            assert!(error.to_string().contains("WRONGTYPE"), "{error}");
        }
        let error = broker.leave("me", &own).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Redis, "{key}");
        let found: Vec<String> = command(&raw, "KEYS", &["*"]).await;
        assert_eq!(found, [key]);
        let _: () = raw.del(key).await.expect("DEL");
    }
}

#[tokio::test]
async fn schedulers_of_a_cluster_agree_on_a_leader() {
    let cluster = RedisCluster::start().await;
    let connection = Connection::cluster(cluster.addresses());
    let (one, two) = (connect(&connection).await, connect(&connection).await);
    let entry_keys = names(&["a", "b"]);
    let first = one.lead("one", &entry_keys, 0).await.expect("told");
    assert!(first.is_leader && first.fencing.iter().all(Option::is_some));
    let second = two.lead("two", &entry_keys, 0).await.expect("told");
    assert_eq!(second.fencing, [None, None]);
    let leader = two.scheduler_leader().await.expect("told");
    assert_eq!(leader.as_deref(), Some("one"));
    assert_eq!(one.leave("one", &entry_keys).await.expect("left"), 1);
    let second = two.lead("two", &entry_keys, 0).await.expect("told");
    assert!(second.is_leader && second.fencing > first.fencing);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn leases_end_and_numbers_rise_after_the_clock_of_redis_was_set_back() {
    let mut redis = RedisServer::builder().clock_shift(0).start().await;
    let broker = connect(&Connection::from_uri(&redis.uri()).expect("a URI")).await;
    let own = names(&["own"]);
    let lease = Duration::from_millis(400);
    let lead = |id: &'static str| {
        let (broker, own) = (broker.clone(), own.clone());
        async move { broker.lead_for(lease, id, &own, 0).await.expect("told") }
    };
    let first = lead("first").await;
    redis.set_clock(-7_200);
    eventually("the second one takes over", DEADLINE, || async {
        lead("second").await.is_leader
    })
    .await;
    let second = lead("second").await;
    assert!(second.fencing > first.fencing, "{first:?} {second:?}");
    assert_eq!(lead("first").await.fencing, [None]);
}

#[tokio::test]
async fn numbers_are_higher_than_one_that_is_too_low() {
    let (_redis, _raw, broker) = start().await;
    let entry_keys = names(&["a", "b"]);
    let first = broker.lead("me", &entry_keys, 0).await.expect("told");
    // An hour later than the clock, which numbers follow otherwise.
    let too_low = first.fencing[0].expect("it leads") + 3_600_000;
    let higher = broker.lead("me", &entry_keys, too_low).await.expect("told");
    assert_eq!(higher.fencing, [Some(too_low + 1); 2]);
    let again = broker.lead("me", &entry_keys, too_low).await.expect("told");
    assert_eq!(again.fencing, higher.fencing);
    // Another scheduler keeps its entries, and gets higher ones for others.
    let other = broker
        .lead("other", &names(&["a", "c"]), too_low)
        .await
        .expect("told");
    assert_eq!(other.fencing, [None, Some(too_low + 2)]);
}
