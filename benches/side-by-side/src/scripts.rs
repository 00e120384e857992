//! The scripts of `lua/`, as the library sends them: each after the files of `lua/lib` that it uses.

use anyhow::{Context, Result};

use crate::resp::Connection;

/// Fetches tasks.
pub(crate) const DEQUEUE: &str = include_str!("../../../lua/dequeue.lua");
/// Acknowledges tasks.
pub(crate) const DONE: &str = include_str!("../../../lua/done.lua");

const LIBRARY: [(&str, &str); 6] = [
    ("count", include_str!("../../../lua/lib/count.lua")),
    ("dequeue", include_str!("../../../lua/lib/dequeue.lua")),
    ("done", include_str!("../../../lua/lib/done.lua")),
    ("field", include_str!("../../../lua/lib/field.lua")),
    ("owned", include_str!("../../../lua/lib/owned.lua")),
    (
        "remove_active",
        include_str!("../../../lua/lib/remove_active.lua"),
    ),
];

/// Loads a script into Redis. Returns its SHA-1.
pub(crate) fn load(redis: &mut Connection, script: &str) -> Result<String> {
    let used = script
        .lines()
        .find_map(|line| line.strip_prefix("-- use: "))
        .unwrap_or_default();
    let mut source = String::new();
    for name in used.split(", ").filter(|name| !name.is_empty()) {
        let (_, part) = LIBRARY
            .iter()
            .find(|(known, _)| *known == name)
            .with_context(|| format!("lua/lib/{name}.lua is not listed in scripts.rs"))?;
        source.push_str(part);
    }
    source.push_str(script);
    Ok(redis.call(&["SCRIPT", "LOAD", &source])?.text())
}
