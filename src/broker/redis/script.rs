//! The scripts of `lua/`, by name, and how they are called.

use std::sync::LazyLock;

use fred::clients::Client;
use fred::interfaces::LuaInterface;
use fred::types::{Key, Value};

use crate::connection::map_redis_error;
use crate::error::Result;

/// A script of `lua/`, with the parts of `lua/lib` that it uses in front.
pub(super) struct Script {
    pub(super) name: &'static str,
    pub(super) keys: usize,
    source: String,
    sha1: String,
}

impl Script {
    fn new(name: &'static str, keys: usize, parts: &[&str]) -> Self {
        let source = parts.concat();
        let sha1 = sha1_smol::Sha1::from(&source).digest().to_string();
        Self {
            name,
            keys,
            source,
            sha1,
        }
    }

    /// Runs the script, once: where Redis does not know it yet nothing has been run, and it is
    /// sent whole.
    pub(super) async fn call(
        &self,
        client: &Client,
        keys: Vec<Key>,
        args: Vec<Value>,
    ) -> Result<Value> {
        debug_assert_eq!(keys.len(), self.keys, "{}", self.name);
        // cheap: keys and values share their bytes with the first attempt
        let again = (keys.clone(), args.clone());
        let reply = match client.evalsha(self.sha1.as_str(), keys, args).await {
            Err(error) if error.details().starts_with("NOSCRIPT") => {
                client.eval(self.source.as_str(), again.0, again.1).await
            }
            reply => reply,
        };
        reply.map_err(|error| map_redis_error(error, self.name))
    }
}

/// `scripts! { CONST = "file" (number of keys) uses "lib", …; }`
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
    ARCHIVE = "archive" (7 keys) uses ["now", "held", "lapsed", "count", "count_failed"];
    DEQUEUE = "dequeue" (4 keys) uses ["now"];
    DONE = "done" (5 keys) uses ["held", "count"];
    ENQUEUE = "enqueue" (3 keys) uses ["now"];
    EXPIRE_COMPLETED = "expire_completed" (1 keys) uses ["now"];
    EXPIRED_LEASES = "expired_leases" (2 keys) uses ["now"];
    EXTEND = "extend" (1 keys) uses ["now"];
    FORWARD = "forward" (3 keys) uses ["now"];
    HEARTBEAT = "heartbeat" (2 keys) uses [];
    RECLAIM = "reclaim" (3 keys) uses ["now"];
    REQUEUE = "requeue" (3 keys) uses ["now", "held"];
    RETRY = "retry" (8 keys) uses ["now", "held", "lapsed", "count", "count_failed"];
    WRITE_RESULT = "write_result" (1 keys) uses [];
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
                    || body.contains(&format!("for i = {n}, #ARGV"));
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
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".lua").map(str::to_owned))
            .collect();
        files.sort();
        let table: Vec<&str> = TABLE.iter().map(|row| row.0).collect();
        assert_eq!(files, table);
    }
}
