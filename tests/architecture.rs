//! Which door leads where: the arrows between the modules of `src/`, read from their `use` lines.

#![expect(clippy::unwrap_used, reason = "what a test expects")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Room → the rooms it may know. A room of the server's is `server/…`.
///
/// Everyone may know `error`; `wire` and `error` know nobody.
const DOORS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("wire", &[]),
    ("unique", &[]),
    ("task", &["unique", "wire"]),
    ("connection", &[]),
    ("broker", &["wire", "connection"]),
    (
        "client",
        &["broker", "connection", "task", "unique", "wire"],
    ),
    ("inspector", &["broker", "connection", "task", "wire"]),
    ("run", &["broker", "task", "wire"]),
    ("handler", &["run", "task", "wire"]),
    ("mux", &["handler", "run"]),
    ("retry_delay", &["task"]),
    // the server's parts and the nouns they share
    (
        "server",
        &[
            "broker",
            "connection",
            "handler",
            "retry_delay",
            "run",
            "task",
            "server/config",
            "server/endings",
            "server/forwarder",
            "server/healthchecker",
            "server/heartbeater",
            "server/janitor",
            "server/lost_fetches",
            "server/policy",
            "server/processor",
            "server/queues",
            "server/recoverer",
            "server/running",
            "server/runs",
            "server/service",
            "server/signals",
            "server/status",
            "server/subscriber",
            "server/syncer",
            "server/wakeups",
            "server/watcher",
            "server/worker",
        ],
    ),
    (
        "server/config",
        &["broker", "retry_delay", "run", "task", "server/queues"],
    ),
    ("server/status", &["unique", "wire"]),
    ("server/wakeups", &[]),
    ("server/service", &[]),
    ("server/signals", &[]),
    ("server/queues", &["broker", "task", "wire"]),
    (
        "server/runs",
        &["broker", "run", "task", "wire", "server/wakeups"],
    ),
    (
        "server/policy",
        &[
            "broker",
            "handler",
            "retry_delay",
            "run",
            "task",
            "wire",
            "server/config",
            "server/runs",
        ],
    ),
    (
        "server/forwarder",
        &["broker", "server/queues", "server/wakeups"],
    ),
    (
        "server/healthchecker",
        &["broker", "server/config", "server/policy", "server/service"],
    ),
    (
        "server/heartbeater",
        &[
            "broker",
            "run",
            "wire",
            "server/runs",
            "server/service",
            "server/status",
        ],
    ),
    (
        "server/janitor",
        &[
            "broker",
            "server/queues",
            "server/service",
            "server/wakeups",
        ],
    ),
    (
        "server/watcher",
        &[
            "broker",
            "server/queues",
            "server/service",
            "server/wakeups",
        ],
    ),
    (
        "server/recoverer",
        &[
            "broker",
            "wire",
            "server/policy",
            "server/queues",
            "server/service",
        ],
    ),
    ("server/lost_fetches", &["broker", "wire"]),
    (
        "server/running",
        &["broker", "server/heartbeater", "server/status"],
    ),
    (
        "server/subscriber",
        &["broker", "run", "server/runs", "server/service"],
    ),
    (
        "server/endings",
        &[
            "broker",
            "wire",
            "server/policy",
            "server/runs",
            "server/service",
            "server/wakeups",
        ],
    ),
    (
        "server/syncer",
        &["broker", "server/endings", "server/policy"],
    ),
    // a run ends among the endings, and a fetch begins runs: the parts that a task goes through
    (
        "server/worker",
        &[
            "handler",
            "run",
            "task",
            "server/endings",
            "server/policy",
            "server/runs",
            "server/wakeups",
        ],
    ),
    (
        "server/processor",
        &[
            "broker",
            "run",
            "unique",
            "wire",
            "server/endings",
            "server/lost_fetches",
            "server/queues",
            "server/runs",
            "server/service",
            "server/wakeups",
            "server/worker",
        ],
    ),
];

#[test]
fn modules_know_only_those_that_the_design_lets_them_know() {
    let doors: BTreeMap<&str, &[&str]> = DOORS.iter().copied().collect();
    let mut forbidden = Vec::new();
    for (room, known) in arrows() {
        let Some(allowed) = doors.get(room.as_str()) else {
            forbidden.push(format!("{room}: a new room, say in DOORS whom it may know"));
            continue;
        };
        for other in known {
            if other != "error" && !allowed.contains(&other.as_str()) {
                forbidden.push(format!("{room} -> {other}"));
            }
        }
    }
    assert!(forbidden.is_empty(), "{forbidden:#?}");
}

#[test]
fn every_door_is_used() {
    let arrows = arrows();
    let mut unused = Vec::new();
    for (room, allowed) in DOORS {
        let known = arrows.get(*room).cloned().unwrap_or_default();
        for other in *allowed {
            if !known.contains(*other) {
                unused.push(format!("{room} -> {other}"));
            }
        }
    }
    assert!(unused.is_empty(), "{unused:#?}");
}

#[test]
fn there_is_no_lua_outside_its_directory() {
    for (path, source) in sources() {
        for word in ["redis.call", "redis.pcall", "KEYS[", "ARGV["] {
            let found = code_of(&source).any(|line| line.contains(word));
            assert!(!found, "{}: {word}", path.display());
        }
    }
}

#[test]
fn keys_are_spelled_in_one_place() {
    for (path, source) in sources() {
        if path.starts_with("wire/keys.rs") {
            continue;
        }
        // messages for people may name a key, and lease errors begin like one
        let found = code_of(&source).find(|line| {
            line.contains("\"asynq:{") || (line.contains("\"asynq:") && !line.contains("\"asynq: "))
        });
        assert!(found.is_none(), "{}: {found:?}", path.display());
    }
}

#[test]
fn redis_is_spoken_to_in_the_broker_and_the_connection_only() {
    for (path, source) in sources() {
        if path.starts_with("broker") || path.starts_with("connection") {
            continue;
        }
        let found = code_of(&source).find(|line| line.contains("fred::"));
        assert!(found.is_none(), "{}: {found:?}", path.display());
    }
}

#[test]
fn no_file_has_grown_past_two_nouns() {
    for (path, source) in sources() {
        let product = code_of(&source).count();
        assert!(product <= 550, "{}: {product} lines", path.display());
    }
}

/// All files of `src/` with their paths in it.
///
/// Modules of tests alone are left out.
fn sources() -> Vec<(PathBuf, String)> {
    fn read(dir: &Path, root: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .ends_with("tests")
            {
                continue;
            }
            if path.is_dir() {
                read(&path, root, found);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let name = path.strip_prefix(root).unwrap().to_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    read(&root, &root, &mut found);
    assert!(found.len() > 20, "{found:?}");
    found.sort();
    found
}

/// The lines before the tests of a file, without comments.
fn code_of(source: &str) -> impl Iterator<Item = &str> {
    source
        .lines()
        .take_while(|line| *line != "mod tests {")
        .filter(|line| !line.trim_start().starts_with("//"))
}

/// The room that a path of modules leads to.
fn room(modules: &[&str]) -> String {
    match modules {
        ["server", part, ..] if part.starts_with(|c: char| c.is_ascii_lowercase()) => {
            format!("server/{part}")
        }
        [first, ..] => (*first).to_owned(),
        // what lib.rs exports again: in doc comments and for errors
        [] => "error".to_owned(),
    }
}

/// Who knows whom: by `use` lines and by paths in the code.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, source) in sources() {
        let mut modules: Vec<String> = path
            .with_extension("")
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .collect();
        if modules.last().is_some_and(|name| name == "mod") {
            modules.pop();
        }
        let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
        // the list of modules and re-exports may name anyone
        if modules == ["lib"] {
            continue;
        }
        let here = room(&modules);
        let known = arrows.entry(here.clone()).or_default();
        for named in named_by(&source, &modules) {
            let named: Vec<&str> = named.iter().map(String::as_str).collect();
            let there = room(&named);
            if there != here {
                known.insert(there);
            }
        }
    }
    arrows
}

/// The modules of this crate that a file names, as paths from the root.
fn named_by(source: &str, modules: &[&str]) -> Vec<Vec<String>> {
    let children: Vec<&str> = source
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    let mut named = Vec::new();
    for line in code_of(source) {
        for (at, _) in line.match_indices("crate::") {
            let free = line[..at]
                .chars()
                .next_back()
                .is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '$');
            if free {
                named.push(path_of(&line[at + "crate::".len()..]));
            }
        }
        for (at, _) in line.match_indices("super::") {
            if line[..at].ends_with("super::") {
                continue;
            }
            let mut rest = &line[at..];
            let mut from = modules.to_vec();
            while let Some(after) = rest.strip_prefix("super::") {
                from.pop();
                rest = after;
            }
            let mut path: Vec<String> = from.iter().map(|part| (*part).to_owned()).collect();
            path.extend(path_of(rest));
            named.push(path);
        }
        for child in &children {
            let found = line.match_indices(&format!("{child}::")).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
            });
            if found {
                let mut whole: Vec<String> =
                    modules.iter().map(|part| (*part).to_owned()).collect();
                whole.push((*child).to_owned());
                named.push(whole);
            }
        }
    }
    named
}

/// The names of modules that a path begins with: what is in lower case before something else.
fn path_of(text: &str) -> Vec<String> {
    text.split("::")
        .map(|part| {
            part.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap_or("")
        })
        .take_while(|part| part.starts_with(|c: char| c.is_ascii_lowercase()))
        .map(str::to_owned)
        .collect()
}
