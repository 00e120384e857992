//! The scripts of `lua/`: a table of all scripts, and how to call them.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fred::clients::Client;
use fred::error::Error as FredError;
use fred::interfaces::ClientLike;
use fred::types::{Key, Value};

use super::Broker;
use crate::broker::Str;
use crate::connection::{Command, Traffic, map_redis_error};
use crate::error::{Error, Result};

/// A script of `lua/`, with the parts of `lua/lib` that it uses in front of it.
pub(super) struct Script {
    pub(super) name: &'static str,
    /// The most keys that the script takes.
    pub(super) keys: usize,
    /// Below 64.
    number: usize,
    source: Str,
    sha1: Str,
}

/// How many scripts have a number.
static NUMBERED: AtomicUsize = AtomicUsize::new(0);

impl Script {
    fn new(name: &'static str, keys: usize, parts: &[&str]) -> Self {
        let source = parts.concat();
        let sha1 = sha1_smol::Sha1::from(&source).digest().to_string().into();
        Self {
            name,
            keys,
            number: NUMBERED.fetch_add(1, Ordering::Relaxed),
            source: source.into(),
            sha1,
        }
    }

    /// Runs the script once, with the keys and arguments that `build` makes.
    pub(super) async fn call(
        &self,
        broker: &Broker,
        build: impl FnMut() -> (Vec<Key>, Vec<Value>),
    ) -> Result<Value> {
        self.call_with(broker, Traffic::default(), build).await
    }

    /// Runs the script once on a connection of its own, where Redis tracks these keys.
    pub(super) async fn call_on(
        &self,
        client: &Client,
        keys: Vec<Key>,
        args: Vec<Value>,
    ) -> Result<Value> {
        debug_assert!(keys.len() <= self.keys, "{}", self.name);
        let words = |script: &Str| -> Vec<Value> {
            let keys_and_args = keys
                .iter()
                .cloned()
                .map(Value::from)
                .chain(args.iter().cloned());
            let first = [Value::String(script.clone()), number(keys.len())];
            first.into_iter().chain(keys_and_args).collect()
        };
        let by_sha1 = client
            .custom(fred::cmd!("EVALSHA"), words(&self.sha1))
            .await;
        let reply = match by_sha1 {
            Err(error) if error.details().starts_with("NOSCRIPT") => {
                client.custom(fred::cmd!("EVAL"), words(&self.source)).await
            }
            reply => reply,
        };
        reply.map_err(|error| map_redis_error(error, self.name))
    }

    /// The same, with what is known of the bytes of the call.
    ///
    /// The script is called by its SHA-1, once a call of this broker has shown that Redis knows it; before that
    /// the whole source is sent. So calls that are sent together run in their order. If Redis has forgotten the
    /// script, nothing has run: `build` is called again, and the whole source is sent.
    pub(super) async fn call_with(
        &self,
        broker: &Broker,
        traffic: Traffic,
        mut build: impl FnMut() -> (Vec<Key>, Vec<Value>),
    ) -> Result<Value> {
        let mut command = |name, script: &Str| {
            let (keys, args) = build();
            debug_assert!(keys.len() <= self.keys, "{}", self.name);
            Command::script(name, script.clone(), keys, args).with_traffic(traffic)
        };
        let bit = 1 << self.number;
        let known = broker.known_scripts();
        if known.load(Ordering::Relaxed) & bit != 0 {
            let by_sha1 = command("EVALSHA", &self.sha1);
            match broker.open_link()?.send(by_sha1).await {
                Err(error) if error.details().starts_with("NOSCRIPT") => {}
                Err(error) => return Err(self.failed(broker, error, build).await),
                Ok(reply) => return Ok(reply),
            }
        }
        let whole = command("EVAL", &self.source);
        match broker.open_link()?.send(whole).await {
            Ok(reply) => {
                known.fetch_or(bit, Ordering::Relaxed);
                Ok(reply)
            }
            Err(error) => Err(self.failed(broker, error, build).await),
        }
    }

    async fn failed(
        &self,
        broker: &Broker,
        error: FredError,
        mut build: impl FnMut() -> (Vec<Key>, Vec<Value>),
    ) -> Error {
        let keys = || build().0.into_iter().map(Value::from).collect();
        broker.failed(error, self.name, keys).await
    }
}

/// A fixed word as an argument.
pub(super) fn word(text: &'static str) -> Value {
    Value::String(Str::from_static(text))
}

/// A number as an argument, as text: [`Command`] says why.
pub(super) fn number(n: impl TryInto<i64>) -> Value {
    let n = n.try_into().unwrap_or(i64::MAX);
    Value::String(n.to_string().into())
}

/// A TTL as an argument, in whole seconds: at least one.
pub(super) fn ttl_secs(ttl: Duration) -> Value {
    number(ttl.as_secs().max(1))
}

/// `scripts! { CONST = "file" (the most keys) uses ["lib", …]; }`, in the order of the files' names.
macro_rules! scripts {
    ($($constant:ident = $name:literal ($keys:literal keys) uses [$($lib:literal),*];)*) => {
        $(
            pub(super) static $constant: LazyLock<Script> = LazyLock::new(|| {
                Script::new($name, $keys, &[
                    $(include_str!(concat!("../../../lua/lib/", $lib, ".lua")),)*
                    include_str!(concat!("../../../lua/", $name, ".lua")),
                ])
            });
        )*

        #[cfg(test)]
        const TABLE: &[tests::Row] = &[
            $(tests::Row {
                name: $name,
                keys: $keys,
                parts: &[$(($lib, include_str!(concat!("../../../lua/lib/", $lib, ".lua")))),*],
                source: include_str!(concat!("../../../lua/", $name, ".lua")),
            },)*
        ];
    };
}

scripts! {
    ARCHIVE = "archive" (7 keys) uses ["now", "field", "owned", "take_owned", "take", "move_to_set", "for_each_task", "count", "count_failed", "trim_archive"];
    ARCHIVE_MEMBERS = "archive_members" (2 keys) uses ["now", "field", "trim_archive"];
    ARE_IN_STATE = "are_in_state" (500 keys) uses ["field"];
    CHANGE_TASKS = "change_tasks" (6 keys) uses ["now", "nanos", "field", "fields", "message_lock", "take_pending", "trim_archive"];
    CHECK_QUEUE = "check_queue" (3 keys) uses [];
    COMPLETE = "complete" (5 keys) uses ["now", "due", "field", "owned", "take_owned", "move_to_set", "for_each_task", "count"];
    DELETE_MEMBERS = "delete_members" (2 keys) uses ["field"];
    DELETE_SET_ASIDE = "delete_set_aside" (1 keys) uses [];
    DEQUEUE = "dequeue" (4 keys) uses ["field", "dequeue"];
    DONE = "done" (4 keys) uses ["field", "owned", "remove_active", "count", "done"];
    DROP_STALE = "drop_stale" (1 keys) uses ["now"];
    ENQUEUE = "enqueue" (4 keys) uses ["now", "nanos", "due", "field", "arrives_late", "enqueue"];
    ENQUEUE_NEW = "enqueue_new" (2 keys) uses [];
    ENQUEUE_TICK = "enqueue_tick" (5 keys) uses ["now", "now_ms", "nanos", "due", "field", "read_note", "arrives_late", "enqueue"];
    EXAMINE_KEYS = "examine_keys" (7 keys) uses ["field", "is_in", "is_leaked", "trace_of"];
    EXAMINE_PLACE = "examine_place" (3 keys) uses ["field"];
    EXCHANGE = "exchange" (6 keys) uses ["field", "owned", "remove_active", "count", "done", "dequeue"];
    EXPIRE_COMPLETED = "expire_completed" (1 keys) uses ["now"];
    EXPIRED_LEASES = "expired_leases" (2 keys) uses ["now", "field"];
    EXTEND = "extend" (1 keys) uses ["now", "field", "owned", "for_each_task"];
    FORGET_QUEUE = "forget_queue" (10 keys) uses [];
    FORM_SET = "form_set" (4 keys) uses ["now", "now_ms", "move_oldest"];
    FORWARD = "forward" (3 keys) uses ["now", "nanos", "field"];
    GROUP_AGES = "group_ages" (500 keys) uses [];
    HEARTBEAT = "heartbeat" (2 keys) uses ["now"];
    LEAD = "lead" (3 keys) uses ["now", "now_ms", "is_alive"];
    LEASE_UNLEASED = "lease_unleased" (2 keys) uses ["now"];
    LEASES_OF = "leases_of" (1 keys) uses ["field"];
    LEAVE = "leave" (3 keys) uses ["now", "now_ms", "is_alive"];
    LIST_OWNER = "list_owner" (1 keys) uses ["now"];
    MESSAGE_PART = "message_part" (2 keys) uses ["field", "owned"];
    NOTE_ENTRY = "note_entry" (1 keys) uses ["now", "read_note"];
    QUEUE_INFO = "queue_info" (13 keys) uses ["now", "field", "group_size", "count_groups"];
    QUEUE_MEMORY = "queue_memory" (7 keys) uses ["group_size", "count_groups"];
    READ_SET = "read_set" (1 keys) uses ["field"];
    READ_TASKS = "read_tasks" (501 keys) uses ["now", "fields", "score_of"];
    RECORD_EVENT = "record_event" (1 keys) uses [];
    RELIST_GROUPS = "relist_groups" (501 keys) uses [];
    REPAIR = "repair" (12 keys) uses ["now", "nanos", "field", "is_in", "is_set", "place_of", "is_leaked", "trace_of"];
    REQUEUE = "requeue" (3 keys) uses ["now", "nanos", "field", "owned", "take_owned", "return_to_pending", "for_each_task"];
    RESTORE = "restore" (3 keys) uses ["now", "nanos", "field", "owned", "return_to_pending"];
    RETRY = "retry" (7 keys) uses ["now", "due", "field", "owned", "take_owned", "take", "move_to_set", "for_each_task", "count", "count_failed"];
    RETURN_SET = "return_set" (4 keys) uses ["now", "move_oldest"];
    SET_PAYLOAD = "set_payload" (2 keys) uses ["field"];
    SET_QUEUE_ASIDE = "set_queue_aside" (16 keys) uses [];
    STORE_AGGREGATE = "store_aggregate" (6 keys) uses ["now", "nanos", "due", "field", "enqueue"];
    SWAP_WORKERS = "swap_workers" (3 keys) uses [];
    TASK_DETAILS = "task_details" (6 keys) uses ["now", "score_of"];
    UNLEASED = "unleased" (3 keys) uses [];
    WRITE_RESULT = "write_result" (2 keys) uses ["field", "owned"];
    WRITE_SCHEDULER = "write_scheduler" (2 keys) uses [];
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fred::interfaces::{ClientLike, KeysInterface, ListInterface, LuaInterface};
    use fred::types::{ClusterHash, CustomCommand, InfoKind};

    use super::TABLE;
    use crate::test_support::RedisServer;

    /// A row of the table above.
    pub(super) struct Row {
        pub(super) name: &'static str,
        pub(super) keys: usize,
        /// The parts of `lua/lib`: name and source.
        pub(super) parts: &'static [(&'static str, &'static str)],
        pub(super) source: &'static str,
    }

    impl Row {
        /// The comment block that the script begins with.
        fn header(&self) -> impl Iterator<Item = &'static str> {
            let is_comment = |line: &&str| line.starts_with("--");
            self.source.lines().take_while(is_comment)
        }

        fn body(&self) -> String {
            let is_comment = |line: &&str| line.starts_with("--");
            let lines: Vec<&str> = self.source.lines().skip_while(is_comment).collect();
            lines.join("\n")
        }

        /// Whether a line of the header describes this.
        fn states(&self, what: &str) -> bool {
            let prefix = format!("-- {what} ");
            self.header().any(|line| line.starts_with(&prefix))
        }
    }

    /// The names of the Lua files in a directory, sorted.
    fn lua_files(dir: &str) -> Vec<String> {
        let dir = format!("{}/{dir}", env!("CARGO_MANIFEST_DIR"));
        let mut files: Vec<String> = std::fs::read_dir(dir)
            .expect("the directory is there")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".lua").map(str::to_owned))
            .collect();
        files.sort();
        files
    }

    #[test]
    fn there_is_a_bit_for_each_script() {
        assert!(TABLE.len() <= 64);
    }

    #[test]
    fn every_script_states_its_keys_arguments_and_reply_and_uses_them() {
        for row in TABLE {
            let (name, body) = (row.name, row.body());
            // A script that takes many keys takes any number of them.
            let takes_many = row.keys >= 20;
            assert_eq!(row.states("KEYS[…]"), takes_many, "{name}");
            for n in 1..20 {
                let key = format!("KEYS[{n}]");
                let takes = n <= row.keys && !takes_many;
                assert_eq!(row.states(&key), takes, "{name}: {key} is stated");
                assert_eq!(body.contains(&key), takes, "{name}: {key} is used");

                let single = format!("ARGV[{n}]");
                let used = body.contains(&single);
                assert_eq!(row.states(&single), used, "{name}: {single} used {used}");

                let repeated = format!("ARGV[{n}…]");
                let first = |line: &str| {
                    line.starts_with("local first_") && line.ends_with(&format!(" = {n}"))
                };
                let used = body.lines().any(first);
                assert_eq!(
                    row.states(&repeated),
                    used,
                    "{name}: {repeated} used {used}"
                );
            }
        }
    }

    #[test]
    fn every_header_begins_with_a_sentence_and_keeps_the_order_of_its_sections() {
        const SECTIONS: &[&[&str]] = &[
            &["-- KEYS["],
            &["-- ARGV["],
            &["-- Touches ", "-- Reads "],
            &["-- Replies "],
            &["-- use: "],
        ];
        for row in TABLE {
            let name = row.name;
            let first = row.header().next().expect("a script has a header");
            assert!(first.ends_with('.'), "{name}: {first}");
            let sections: Vec<usize> = row
                .header()
                .filter_map(|line| {
                    let starts = |prefix: &&str| line.starts_with(prefix);
                    SECTIONS
                        .iter()
                        .position(|section| section.iter().any(starts))
                })
                .collect();
            assert!(sections.is_sorted(), "{name}: {sections:?}");
            let replies = sections.iter().filter(|section| **section == 3).count();
            assert_eq!(replies, 1, "{name}: the reply is stated once");
        }
    }

    #[test]
    fn every_script_names_the_library_parts_that_it_is_given() {
        for row in TABLE {
            let stated: Vec<&str> = row
                .header()
                .find_map(|line| line.strip_prefix("-- use: "))
                .map_or(Vec::new(), |parts| parts.split(", ").collect());
            let given: Vec<&str> = row.parts.iter().map(|part| part.0).collect();
            assert_eq!(stated, given, "{}", row.name);
        }
    }

    #[test]
    fn every_library_part_begins_with_what_it_defines_and_is_used_behind() {
        for row in TABLE {
            for (i, (part, source)) in row.parts.iter().enumerate() {
                let names: Vec<&str> = source
                    .strip_prefix("-- ")
                    .and_then(|text| text.split(['(', ':']).next())
                    .map_or(Vec::new(), |names| names.split(", ").collect());
                assert!(!names.is_empty(), "{part}: no name stated");
                for name in &names {
                    let defined = source.contains(&format!("local function {name}("))
                        || source.contains(&format!("local {name} ="));
                    assert!(defined, "{part}: {name} is stated and not defined");
                }
                let behind = row.parts[i + 1..].iter().map(|part| part.1);
                let used = behind
                    .chain([row.source])
                    .flat_map(str::lines)
                    .filter(|line| !line.trim_start().starts_with("--"))
                    .any(|line| names.iter().any(|name| line.contains(name)));
                assert!(used, "{}: {part} is given and not used", row.name);
            }
        }
    }

    #[test]
    fn every_file_of_the_script_directories_is_in_the_table() {
        let scripts: Vec<&str> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!(lua_files("lua"), scripts);
        let parts: BTreeSet<&str> = TABLE
            .iter()
            .flat_map(|row| row.parts.iter().map(|part| part.0))
            .collect();
        assert_eq!(lua_files("lua/lib"), Vec::from_iter(parts));
    }

    #[tokio::test]
    async fn many_tasks_are_removed_from_a_long_active_list_in_few_walks() {
        let redis = RedisServer::start().await;
        let raw = redis.client().await;
        let source = include_str!("../../../lua/lib/remove_active.lua");
        let source = format!("{source} return (remove_active(KEYS[1], ARGV, HINT))");
        // Among the 9,000 newest, or oldest, of 10,000: with one task outside the range, and one that is gone.
        for (range, outside) in [("9000", 9_990), ("-9000", 10)] {
            let all: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
            let _: () = raw.del("active").await.expect("DEL");
            for ids in all.chunks(1_000) {
                let _: () = raw.rpush("active", ids.to_vec()).await.expect("RPUSH");
            }
            let mut removed: Vec<String> = (0..126).map(|n| all[1_003 + n * 63].clone()).collect();
            removed.push(all[outside].clone());
            let mut arguments = removed.clone();
            arguments.push("gone".to_owned());
            let config = CustomCommand::new_static("CONFIG", ClusterHash::FirstKey, false);
            let _: () = raw
                .custom(config, vec!["RESETSTAT"])
                .await
                .expect("CONFIG RESETSTAT");
            let script = source.replace("HINT", range);
            let missing: i64 = raw.eval(script, "active", arguments).await.expect("EVAL");
            assert_eq!(missing, 1);
            let left: Vec<String> = raw.lrange("active", 0, -1).await.expect("LRANGE");
            let kept = all.iter().filter(|id| !removed.contains(id));
            assert!(left.iter().eq(kept), "{range}");
            let stats: String = raw.info(Some(InfoKind::CommandStats)).await.expect("INFO");
            let walks = stats.lines().find(|line| line.starts_with("cmdstat_lrem:"));
            assert!(
                walks.is_some_and(|walks| walks.contains("calls=3,")),
                "{walks:?}"
            );
        }
    }
}
