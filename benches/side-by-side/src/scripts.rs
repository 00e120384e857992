//! The scripts of `lua/` as the library sends them: the parts of `lua/lib` that they use in front.

use anyhow::{Context, Result};

use crate::resp::Connection;

/// Fetches tasks.
pub(crate) const DEQUEUE: &str = include_str!("../../../lua/dequeue.lua");
/// Acknowledges tasks.
pub(crate) const DONE: &str = include_str!("../../../lua/done.lua");

const PARTS: [(&str, &str); 6] = [
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

/// Makes Redis know a script. Returns its SHA-1.
pub(crate) fn load(redis: &mut Connection, script: &str) -> Result<String> {
    let used = script
        .lines()
        .find_map(|line| line.strip_prefix("-- use: "))
        .unwrap_or_default();
    let mut source = String::new();
    for name in used.split(", ").filter(|name| !name.is_empty()) {
        let (_, part) = PARTS
            .iter()
            .find(|(known, _)| *known == name)
            .with_context(|| format!("there is no lua/lib/{name}.lua here"))?;
        source.push_str(part);
    }
    source.push_str(script);
    Ok(redis.call(&["SCRIPT", "LOAD", &source])?.text())
}
