//! Which module depends on which, read from the `use` lines and paths of `src/`.
//!
//! A module is one file. A name that a `mod.rs` re-exports counts as a dependency on the file that
//! defines it, not on the `mod.rs`.

#![expect(clippy::unwrap_used, reason = "what a test expects")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Module → the modules that it may depend on, besides `error`, `clock`, its own folder, and what
/// its folder may depend on. A folder stands for all files in it.
const DEPENDENCIES: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("clock", &[]),
    ("bounded_text", &[]),
    ("guard", &["bounded_text"]),
    ("wire", &[]),
    ("metrics", &["guard"]),
    ("connection", &["metrics/connections"]),
    ("connection/cluster", &["connection"]),
    ("background", &["guard"]),
    ("broker", &["wire"]),
    ("broker/redis", &["broker", "connection"]),
    ("task", &["wire"]),
    ("run", &["broker", "task", "wire"]),
    ("handler", &["bounded_text", "guard", "run", "task", "wire"]),
    ("cron", &["wire"]),
    (
        "cron/standard",
        &[
            "cron/bits",
            "cron/field_kind",
            "cron/local_time",
            "cron/names",
            "cron/words",
        ],
    ),
    (
        "cron/cronexpr",
        &[
            "cron/bits",
            "cron/field_kind",
            "cron/local_time",
            "cron/names",
            "cron/words",
        ],
    ),
    ("pattern", &[]),
    ("mux", &["handler", "pattern", "run"]),
    ("retry_delay", &["pattern", "task"]),
    ("prepare", &["broker", "task", "wire"]),
    (
        "client",
        &["broker", "connection", "metrics", "prepare", "task"],
    ),
    (
        "inspector",
        &[
            "broker",
            "connection",
            "guard",
            "prepare",
            "run",
            "task",
            "wire",
        ],
    ),
    (
        "scheduler",
        &[
            "background",
            "broker",
            "connection",
            "cron",
            "guard",
            "metrics",
            "prepare",
            "task",
            "wire",
        ],
    ),
    (
        "scheduler/periodic",
        &[
            "guard",
            "scheduler/builder",
            "scheduler/entry",
            "scheduler/info",
            "scheduler/running",
        ],
    ),
    (
        "server",
        &["background", "broker", "guard", "handler", "metrics"],
    ),
    ("server/aggregate/function", &["task"]),
    ("server/aggregate/limits", &[]),
    ("server/aggregate/due", &[]),
    ("server/aggregate/job_slot", &[]),
    ("server/aggregate/watched_queue", &[]),
    ("server/aggregate/job", &["server/queues"]),
    (
        "server/aggregate/set_runner",
        &["prepare", "task", "wire", "bounded_text"],
    ),
    (
        "server/aggregate/aggregator",
        &["server/queues", "server/wake"],
    ),
    (
        "server/builder",
        &[
            "connection",
            "retry_delay",
            "run",
            "task",
            "server",
            "server/aggregate",
            "server/config",
            "server/running",
        ],
    ),
    (
        "server/config",
        &[
            "retry_delay",
            "run",
            "task",
            "server/aggregate/limits",
            "server/queues",
        ],
    ),
    ("server/queues", &["task", "wire"]),
    ("server/process", &[]),
    ("server/owner", &["server/process", "server/queues"]),
    ("server/identity", &["wire", "server/config"]),
    (
        "server/policy",
        &["retry_delay", "run", "task", "wire", "server/config"],
    ),
    ("server/announce", &["wire", "server/run"]),
    (
        "server/hooks",
        &["run", "task", "server/config", "server/run"],
    ),
    (
        "server/running",
        &[
            "server/identity",
            "server/run",
            "server/upkeep/lease_thread",
        ],
    ),
    ("server/fetch/asked_slots", &[]),
    ("server/fetch/budget", &[]),
    ("server/fetch/loading", &["server/queues"]),
    ("server/fetch/owner_tokens", &[]),
    ("server/fetch/peek", &[]),
    ("server/fetch/sizing", &[]),
    ("server/fetch/gate", &[]),
    ("server/fetch/lost_fetches", &["wire"]),
    ("server/fetch/processor", &[]),
    (
        "server/fetch/sweep",
        &[
            "server/ack",
            "server/owner",
            "server/queues",
            "server/run",
            "server/wake",
        ],
    ),
    ("server/wake", &["server/fetch/gate", "server/queues"]),
    ("server/run/deadline", &["task", "wire"]),
    (
        "server/run/held",
        &["run", "wire", "server/fetch/gate", "server/queues"],
    ),
    (
        "server/run/executor",
        &[
            "run",
            "task",
            "server/ack",
            "server/announce",
            "server/hooks",
            "server/policy",
        ],
    ),
    ("server/ack", &["wire", "server/queues", "server/run/held"]),
    ("server/upkeep/block_watch", &["server/run/held"]),
    ("server/upkeep/lease_thread", &[]),
    ("server/upkeep/lease_renewer", &["run", "server/run/held"]),
    ("server/upkeep/forwarder", &["server/queues", "server/wake"]),
    ("server/upkeep/health_checker", &["server/config"]),
    (
        "server/upkeep/heartbeater",
        &[
            "server/owner",
            "server/queues",
            "server/run/held",
            "server/wake",
        ],
    ),
    ("server/upkeep/janitor", &["server/queues", "server/wake"]),
    (
        "server/upkeep/lost_runs",
        &["server/announce", "wire", "server/policy"],
    ),
    (
        "server/upkeep/gone_servers",
        &["wire", "server/owner", "server/process", "server/queues"],
    ),
    ("server/upkeep/suspect", &["server/owner"]),
    ("server/upkeep/recoverer", &["wire", "server/queues"]),
    (
        "server/upkeep/server_entry",
        &["wire", "server/run/held", "server/identity"],
    ),
    (
        "server/upkeep/subscriber",
        &["run", "server/owner", "server/run/held"],
    ),
];

/// Files that decide or compute without I/O, so that their tests can pass everything in.
const WITHOUT_IO: &[&str] = &[
    "broker/redis/group_watch",
    "broker/redis/queue_watch",
    "cron",
    "inspector/filter",
    "inspector/json_path",
    "inspector/json_search",
    "server/ack/waiting",
    "server/aggregate/due",
    "server/aggregate/limits",
    "server/aggregate/watched_queue",
    "server/fetch/gate",
    "server/fetch/sizing",
    "server/policy",
    "server/run/deadline",
    "task/compose",
    "wire",
];

/// The one module that names all parts of a server.
const WIRING: &str = "server";

#[test]
fn modules_depend_only_on_those_that_the_design_allows() {
    let mut forbidden = Vec::new();
    for (module, known) in dependencies() {
        if module == WIRING {
            continue;
        }
        let (listed, allowed) = allowed_for(&module);
        if !listed {
            forbidden.push(format!("{module}: a new module, list it in DEPENDENCIES"));
        }
        for other in known {
            if !is_allowed(&module, &other, &allowed) {
                forbidden.push(format!("{module} -> {other}"));
            }
        }
    }
    assert!(forbidden.is_empty(), "{forbidden:#?}");
}

#[test]
fn every_allowed_dependency_is_used() {
    let dependencies = dependencies();
    let mut unused = Vec::new();
    for (module, allowed) in DEPENDENCIES {
        let in_module = dependencies
            .iter()
            .filter(|(file, _)| is_within(file, module));
        let known: Vec<&String> = in_module.flat_map(|(_, known)| known).collect();
        for other in *allowed {
            if !known.iter().any(|known| is_within(known, other)) {
                unused.push(format!("{module} -> {other}"));
            }
        }
    }
    assert!(unused.is_empty(), "{unused:#?}");
}

#[test]
fn no_file_depends_on_itself_through_others() {
    let dependencies = dependencies();
    // Removes files whose dependencies are all removed. What is left is a circle, or leads to one.
    let mut left: BTreeMap<&str, BTreeSet<&str>> = dependencies
        .iter()
        .map(|(file, known)| (file.as_str(), known.iter().map(String::as_str).collect()))
        .collect();
    loop {
        let files: BTreeSet<&str> = left.keys().copied().collect();
        let before = left.len();
        left.retain(|_, known| known.iter().any(|other| files.contains(other)));
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn files_without_io_depend_on_nothing_that_does_io() {
    let io = ["broker/redis", "connection", "client", "background/service"];
    let mut found = Vec::new();
    for (file, known) in dependencies() {
        if !WITHOUT_IO.iter().any(|pure| is_within(&file, pure)) {
            continue;
        }
        for other in known {
            if io.iter().any(|io| is_within(&other, io)) {
                found.push(format!("{file} -> {other}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
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
fn keys_are_spelled_in_one_file() {
    for (path, source) in sources() {
        if path.starts_with("wire/keys.rs") {
            continue;
        }
        // Messages for people may name a key, and the text of a lease error begins like one.
        let found = code_of(&source).find(|line| {
            line.contains("\"asynq:{") || (line.contains("\"asynq:") && !line.contains("\"asynq: "))
        });
        assert!(found.is_none(), "{}: {found:?}", path.display());
    }
}

#[test]
fn fred_is_used_in_the_broker_and_the_connection_only() {
    assert_only_in(&["fred::"], &["broker/redis", "connection"]);
}

#[test]
fn the_clock_and_random_numbers_come_from_one_file() {
    let words = [
        "Utc::now",
        "Instant::now",
        "SystemTime::now",
        ".elapsed()",
        "rand::",
    ];
    assert_only_in(&words, &["clock.rs"]);
}

#[test]
fn no_type_name_is_used_twice() {
    let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for (path, source) in sources() {
        for line in code_of(&source) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let at = words
                .iter()
                .position(|word| ["struct", "enum", "trait", "type"].contains(word));
            // An associated type belongs to its trait.
            let (Some(at), false) = (at, line.starts_with("    ")) else {
                continue;
            };
            if words[..at]
                .iter()
                .all(|word| word.starts_with("pub") || word.ends_with(')'))
            {
                let name = words[at + 1].split(|c: char| !c.is_alphanumeric()).next();
                let found = files.entry(name.unwrap().to_owned()).or_default();
                found.push(path.clone());
            }
        }
    }
    files.retain(|_, paths| paths.len() > 1);
    // Generated messages have the names of asynq's.
    assert!(files.is_empty(), "{files:#?}");
}

#[test]
fn no_file_has_more_than_450_lines_of_code() {
    for (path, source) in sources().into_iter().chain(sources_in("cli/src")) {
        let lines = code_of(&source).count();
        assert!(lines <= 450, "{}: {lines} lines", path.display());
    }
}

fn assert_only_in(words: &[&str], places: &[&str]) {
    for (path, source) in sources() {
        if places.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        let found = code_of(&source).find(|line| words.iter().any(|word| line.contains(word)));
        assert!(found.is_none(), "{}: {found:?}", path.display());
    }
}

fn is_within(file: &str, module: &str) -> bool {
    file == module || file.starts_with(&format!("{module}/"))
}

/// Whether the module or one of its folders is listed, and what they may depend on.
fn allowed_for(module: &str) -> (bool, Vec<&'static str>) {
    let listed = DEPENDENCIES
        .iter()
        .filter(|(name, _)| is_within(module, name));
    let allowed = listed.clone().flat_map(|(_, allowed)| *allowed).copied();
    (listed.count() > 0, allowed.collect())
}

fn is_allowed(module: &str, other: &str, allowed: &[&str]) -> bool {
    let folder = module.rsplit_once('/').map_or(module, |(folder, _)| folder);
    ["error", "clock"].contains(&other)
        || is_within(other, module)
        // In the folder of the server's parts each dependency is listed.
        || (folder != WIRING && is_within(other, folder))
        || allowed.iter().any(|allowed| is_within(other, allowed))
}

/// All files of `src/` with their paths in it, without the files of tests alone.
fn sources() -> Vec<(PathBuf, String)> {
    let found = sources_in("src");
    assert!(found.len() > 50, "{found:?}");
    found
}

/// The files of a folder of the repository, without those of tests.
fn sources_in(folder: &str) -> Vec<(PathBuf, String)> {
    fn read(dir: &Path, root: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            if stem.ends_with("tests") || stem == "generated" {
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    read(&root, &root, &mut found);
    found.sort();
    found
}

/// The lines before the tests of a file, without comments.
fn code_of(source: &str) -> impl Iterator<Item = &str> {
    source
        .lines()
        .take_while(|line| {
            !line.starts_with("mod tests {") && !line.starts_with("pub(crate) mod tests {")
        })
        .filter(|line| !line.trim_start().starts_with("//"))
}

/// Which file depends on which. A file is named by its path without `.rs` and `/mod.rs`.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut files: BTreeMap<String, String> = sources()
        .into_iter()
        .map(|(path, source)| {
            let name = path.with_extension("").to_str().unwrap().to_owned();
            let name = name.strip_suffix("/mod").unwrap_or(&name).to_owned();
            (name, code_of(&source).collect::<Vec<_>>().join("\n"))
        })
        .collect();
    let root = files.remove("lib").unwrap();
    // What a `mod.rs` re-exports: (module, name) → path of the definition. The root's name is "".
    let mut exports = BTreeMap::new();
    for path in used_paths(&root, "pub")
        .iter()
        .flat_map(|path| expand(path))
    {
        let target: Vec<String> = path.split("::").map(str::to_owned).collect();
        exports.insert((String::new(), target[target.len() - 1].clone()), target);
    }
    for (module, code) in &files {
        for path in used_paths(code, "pub")
            .into_iter()
            .flat_map(|path| expand(&path))
        {
            if let Some(target) = resolve(module, &path, &files)
                && let Some(name) = target.last()
            {
                exports.insert((module.clone(), name.clone()), target.clone());
            }
        }
    }
    let mut dependencies = BTreeMap::new();
    for (module, code) in &files {
        let used = used_paths(code, "use").into_iter();
        let named = used
            .chain(inline_paths(code))
            .flat_map(|path| expand(&path));
        let known: BTreeSet<String> = named
            .filter_map(|path| resolve(module, &path, &files))
            .map(|target| file_of(target, &files, &exports))
            .filter(|other| other != module && !other.is_empty())
            .collect();
        dependencies.insert(module.clone(), known);
    }
    dependencies
}

/// The paths of `use` lines: of re-exports for `pub`, of the others for `use`.
fn used_paths(code: &str, kind: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let line_start = rest[..at].rfind('\n').map_or(0, |at| at + 1);
        let before = rest[line_start..at].trim();
        rest = &rest[at + "use ".len()..];
        let is_scope = before.starts_with("pub") && (before == "pub" || before.ends_with(')'));
        let is_use = before.is_empty() || is_scope;
        let Some(end) = rest.find(';').filter(|_| is_use) else {
            continue;
        };
        if before.starts_with("pub") == (kind == "pub") {
            found.push(rest[..end].split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    found
}

/// Paths within the code that begin at the root of the crate or at a parent.
fn inline_paths(code: &str) -> Vec<String> {
    // Neither imports nor the scopes of `pub(in …)`.
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("use "))
        .map(|line| match line.split_once("pub(in ") {
            Some((_, rest)) => rest.split_once(')').map_or(rest, |(_, rest)| rest),
            None => line,
        });
    let words =
        lines.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':'));
    words
        .filter(|word| word.starts_with("crate::") || word.starts_with("super::"))
        .map(str::to_owned)
        .collect()
}

/// `a::{b, c::{d}}` as `a::b` and `a::c::d`.
fn expand(path: &str) -> Vec<String> {
    let Some((prefix, group)) = path.split_once('{') else {
        let plain = path.split(" as ").next().unwrap();
        return vec![plain.trim().to_owned()];
    };
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(letter);
    }
    let parts = parts
        .iter()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty());
    parts
        .flat_map(|part| expand(&format!("{}{part}", prefix.trim())))
        .collect()
}

/// A path of this crate from its root; `None` for paths of other crates.
fn resolve(module: &str, path: &str, files: &BTreeMap<String, String>) -> Option<Vec<String>> {
    let mut segments: Vec<&str> = path.split("::").filter(|part| *part != "self").collect();
    let mut from: Vec<String> = module.split('/').map(str::to_owned).collect();
    match *segments.first()? {
        "crate" => {
            segments.remove(0);
            from.clear();
        }
        "super" => {
            while segments.first() == Some(&"super") {
                segments.remove(0);
                from.pop();
            }
        }
        first => {
            // A child module; anything else is another crate or a name in scope.
            files.get(&format!("{module}/{first}"))?;
        }
    }
    from.extend(segments.into_iter().map(str::to_owned));
    Some(from)
}

/// The file in which the last name of a path is defined.
fn file_of(
    mut path: Vec<String>,
    files: &BTreeMap<String, String>,
    exports: &BTreeMap<(String, String), Vec<String>>,
) -> String {
    for _ in 0..8 {
        let depth = (1..=path.len())
            .rev()
            .find(|n| files.contains_key(&path[..*n].join("/")));
        let Some(depth) = depth else {
            match path
                .first()
                .and_then(|name| exports.get(&(String::new(), name.clone())))
            {
                Some(target) => path = target.clone(),
                None => return String::new(),
            }
            continue;
        };
        let file = path[..depth].join("/");
        let target = path
            .get(depth)
            .and_then(|name| exports.get(&(file.clone(), name.clone())));
        match target {
            Some(target) if *target != path => path = target.clone(),
            _ => return file,
        }
    }
    path.join("/")
}
