//! The scripts of `lua/`, by name, and how they are called.

use std::sync::LazyLock;

use fred::clients::Client;
use fred::interfaces::LuaInterface;
use fred::types::{Key, Value};

use crate::broker::Str;
use crate::connection::map_redis_error;
use crate::error::Result;

/// A script of `lua/`, with the parts of `lua/lib` that it uses in front.
pub(super) struct Script {
    pub(super) name: &'static str,
    /// How many keys it takes at the most.
    pub(super) keys: usize,
    source: Str,
    sha1: Str,
}

impl Script {
    fn new(name: &'static str, keys: usize, parts: &[&str]) -> Self {
        let source = parts.concat();
        let sha1 = sha1_smol::Sha1::from(&source).digest().to_string().into();
        Self {
            name,
            keys,
            source: source.into(),
            sha1,
        }
    }

    /// Runs the script, once, with the keys and arguments that `build` makes. Where Redis does not
    /// know it yet nothing has been run: they are made again and it is sent whole.
    pub(super) async fn call(
        &self,
        client: &Client,
        mut build: impl FnMut() -> (Vec<Key>, Vec<Value>),
    ) -> Result<Value> {
        let (keys, args) = build();
        debug_assert!(keys.len() <= self.keys, "{}", self.name);
        let reply = match client.evalsha(self.sha1.clone(), keys, args).await {
            Err(error) if error.details().starts_with("NOSCRIPT") => {
                let (keys, args) = build();
                client.eval(self.source.clone(), keys, args).await
            }
            reply => reply,
        };
        reply.map_err(|error| map_redis_error(error, self.name))
    }
}

/// A fixed word as an argument.
pub(super) fn word(text: &'static str) -> Value {
    Value::String(Str::from_static(text))
}

/// A number as an argument. Always as text: the digits of a large integer are miscounted on the way
/// by redis-protocol 6.0, which then waits for a byte that never comes.
pub(super) fn number(n: impl TryInto<i64>) -> Value {
    let n = n.try_into().unwrap_or(i64::MAX);
    Value::String(n.to_string().into())
}

/// `scripts! { CONST = "file" (the most keys) uses ["lib", …]; }`
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
        const TABLE: &[(&str, usize, &[&str], &str)] = &[
            $(($name, $keys, &[$($lib),*], include_str!(concat!("../../../lua/", $name, ".lua"))),)*
        ];
    };
}

scripts! {
    ARCHIVE = "archive" (7 keys) uses ["now", "field", "owned", "take_owned", "take", "move_to_set", "for_each_task", "count", "count_failed"];
    COMPLETE = "complete" (5 keys) uses ["field", "owned", "take_owned", "move_to_set", "for_each_task", "count"];
    DEQUEUE = "dequeue" (4 keys) uses ["field", "dequeue"];
    DONE = "done" (4 keys) uses ["field", "owned", "remove_active", "count", "done"];
    ENQUEUE = "enqueue" (4 keys) uses ["now", "nanos", "field"];
    EXCHANGE = "exchange" (6 keys) uses ["field", "owned", "remove_active", "count", "done", "dequeue"];
    EXPIRE_COMPLETED = "expire_completed" (1 keys) uses ["now"];
    EXPIRED_LEASES = "expired_leases" (2 keys) uses ["now", "field"];
    EXTEND = "extend" (1 keys) uses ["now", "field", "owned", "for_each_task"];
    FORWARD = "forward" (3 keys) uses ["now", "nanos", "field"];
    HEARTBEAT = "heartbeat" (2 keys) uses [];
    REQUEUE = "requeue" (3 keys) uses ["now", "nanos", "field", "owned", "take_owned", "return_to_pending", "for_each_task"];
    RESTORE = "restore" (3 keys) uses ["now", "nanos", "field", "owned", "return_to_pending"];
    RETRY = "retry" (7 keys) uses ["now", "field", "owned", "take_owned", "take", "move_to_set", "for_each_task", "count", "count_failed"];
    WRITE_RESULT = "write_result" (1 keys) uses ["field", "owned"];
}

#[cfg(test)]
mod tests {
    use super::TABLE;

    /// The comment block that a script begins with.
    fn header(source: &str) -> Vec<&str> {
        source
            .lines()
            .take_while(|line| line.starts_with("--"))
            .collect()
    }

    fn body(source: &str) -> String {
        source
            .lines()
            .skip_while(|line| line.starts_with("--"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn every_script_states_its_keys_arguments_and_reply_and_uses_them() {
        for (name, keys, _, source) in TABLE {
            let header = header(source).join("\n");
            let body = body(source);
            for n in 1..=*keys {
                assert!(header.contains(&format!("KEYS[{n}]")), "{name}: KEYS[{n}]");
                assert!(
                    body.contains(&format!("KEYS[{n}]")),
                    "{name}: KEYS[{n}] is stated and not used"
                );
            }
            let beyond = format!("KEYS[{}]", keys + 1);
            assert!(
                !header.contains(&beyond) && !body.contains(&beyond),
                "{name}: {beyond}"
            );
            assert!(header.contains("-- Replies"), "{name}: no reply stated");
            for n in 1..20 {
                let stated = header.contains(&format!("ARGV[{n}]"))
                    || header.contains(&format!("ARGV[{n}…]"));
                let used = body.contains(&format!("ARGV[{n}]"))
                    || body.contains(&format!("for i = {n}, #ARGV"))
                    || body.contains(&format!("local i = {n}\n"))
                    || body.contains(&format!("local first_task = {n}\n"));
                assert_eq!(
                    stated, used,
                    "{name}: ARGV[{n}] stated {stated}, used {used}"
                );
            }
        }
    }

    #[test]
    fn every_script_names_the_library_parts_that_it_is_given() {
        for (name, _, libs, source) in TABLE {
            let stated = header(source)
                .iter()
                .find_map(|line| line.strip_prefix("-- use: "))
                .map_or(Vec::new(), |libs| libs.split(", ").collect());
            assert_eq!(&stated, libs, "{name}");
        }
    }

    #[test]
    fn every_file_of_the_script_directory_is_in_the_table() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/lua");
        let mut files: Vec<String> = std::fs::read_dir(dir)
            .expect("the directory is there")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".lua").map(str::to_owned))
            .collect();
        files.sort();
        let table: Vec<&str> = TABLE.iter().map(|row| row.0).collect();
        assert_eq!(files, table);
    }
}
