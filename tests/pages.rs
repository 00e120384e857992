//! The pages of the repository stay true: their links lead somewhere, the links of published pages
//! to published files, and the tests that they name exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Pages that are part of the published package: outside the repository their links can only lead
/// to other files of the package.
const PUBLISHED: [&str; 3] = ["README.md", "CHANGELOG.md", "docs"];
const REPOSITORY_ONLY: [&str; 1] = ["compat"];
/// Pages whose tables name the tests that show a behaviour.
const PAGES_THAT_NAME_TESTS: [&str; 2] = ["docs/parity.md", "docs/asynq-defects.md"];

#[test]
fn links_lead_to_existing_files_and_headings() {
    let included = included_files();
    let mut faults = Vec::new();
    let mut checked = 0;
    for (pages, is_published) in [(&PUBLISHED[..], true), (&REPOSITORY_ONLY[..], false)] {
        for page in pages
            .iter()
            .flat_map(|path| files(&root().join(path), "md"))
        {
            let text = read(&page);
            for link in links(&text) {
                checked += 1;
                if let Err(fault) = check_link(&page, &link, is_published.then_some(&included)) {
                    faults.push(format!("{}: {link}: {fault}", below_root(&page)));
                }
            }
        }
    }
    assert!(checked > 50, "only {checked} links were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn tests_named_on_the_pages_exist() {
    let scenarios: BTreeSet<String> = files(&root().join("compat/scenarios"), "json")
        .iter()
        .flat_map(|file| scenario_names(&read(file)))
        .collect();
    let functions: BTreeSet<String> = ["src", "tests", "cli"]
        .iter()
        .flat_map(|folder| files(&root().join(folder), "rs"))
        .flat_map(|file| function_names(&read(&file)))
        .collect();
    let mut faults = Vec::new();
    let mut checked = 0;
    for page in PAGES_THAT_NAME_TESTS {
        for name in named_tests(&read(&root().join(page))) {
            checked += 1;
            let exists = match name.contains('_') {
                true => functions.contains(&name),
                false => scenarios.contains(&name),
            };
            if !exists {
                faults.push(format!("{page}: there is no {name}"));
            }
        }
    }
    assert!(checked > 200, "only {checked} names were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Doc tests would find the crates that only the tests of rasynq use.
#[test]
fn examples_use_only_crates_that_a_page_tells_the_reader_to_add() {
    let added = |text: &str| -> BTreeSet<String> {
        let commands = text
            .lines()
            .filter_map(|line| line.strip_prefix("cargo add "));
        let words = commands.flat_map(|rest| {
            rest.split_whitespace()
                .take_while(|word| *word != "--features")
        });
        words
            .map(|word| {
                word.split('@')
                    .next()
                    .expect("a split has a first part")
                    .replace('-', "_")
            })
            .collect()
    };
    let guide = added(&read(&root().join("docs/guide.md")));
    let mut used = 0;
    for page in [
        "README.md",
        "docs/guide.md",
        "docs/metrics.md",
        "docs/migration.md",
        "docs/operations.md",
    ] {
        let text = read(&root().join(page));
        let mut known: BTreeSet<String> = ["std", "core", "rasynq"].map(str::to_owned).into();
        known.extend(if page == "README.md" {
            added(&text)
        } else {
            guide.clone()
        });
        if page == "docs/metrics.md" {
            known.extend(added(&text));
        }
        known.insert("rasynq".to_owned());
        for block in text.split("```rust").skip(1) {
            let code = block.split("```").next().expect("a split has a first part");
            for line in code
                .lines()
                .map(|line| line.trim_start_matches("# ").trim_start())
            {
                let Some(path) = line.strip_prefix("use ") else {
                    continue;
                };
                used += 1;
                let name = path
                    .split([':', ';', ' '])
                    .next()
                    .expect("a split has a first part");
                assert!(known.contains(name), "{page}: nothing tells to add {name}");
            }
            for name in [
                "prost",
                "serde_json",
                "tokio",
                "tower",
                "chrono",
                "bytes",
                "tracing",
                "anyhow",
            ] {
                let is_used = code.match_indices(&format!("{name}::")).any(|(at, _)| {
                    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
                });
                assert!(
                    !is_used || known.contains(name),
                    "{page}: nothing tells to add {name}"
                );
            }
        }
    }
    assert!(used > 30, "only {used} lines with `use` were found");
}

#[test]
fn headings_become_anchors_as_on_the_web() {
    assert_eq!(
        anchor("Fields that *only* rasynq uses"),
        "fields-that-only-rasynq-uses"
    );
    assert_eq!(
        anchor("Settings, with asynq's way"),
        "settings-with-asynqs-way"
    );
    assert_eq!(anchor("`Snooze` and 1 MB: a_b"), "snooze-and-1-mb-a_b");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn below_root(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap_or(path);
    path.display().to_string()
}

/// Checks that a relative link leads to a file, to one of the `included` files if these are given,
/// and to a heading of that file.
fn check_link(page: &Path, link: &str, included: Option<&Vec<PathBuf>>) -> Result<(), String> {
    let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => page.to_owned(),
        path => page.parent().expect("a page is in a folder").join(path),
    };
    let target = target.canonicalize().map_err(|error| error.to_string())?;
    if let Some(included) = included
        && !included.iter().any(|path| target.starts_with(path))
    {
        return Err("the file is not in the published package".to_owned());
    }
    if !fragment.is_empty() && !anchors(&read(&target)).contains(fragment) {
        return Err("there is no such heading".to_owned());
    }
    Ok(())
}

/// The paths in the `include` of the package.
fn included_files() -> Vec<PathBuf> {
    let manifest = read(&root().join("Cargo.toml"));
    let (_, list) = manifest.split_once("\ninclude = [").expect("an include");
    let (list, _) = list.split_once(']').expect("the end of the include");
    let mut paths = Vec::new();
    for pattern in list.split('"').skip(1).step_by(2) {
        let pattern = pattern.trim_start_matches('/');
        match pattern.split_once('*') {
            // `LICENSE-*`, `docs/**`: every file of that folder whose name starts like this
            Some((start, _)) => {
                let (folder, prefix) = start.rsplit_once('/').unwrap_or(("", start));
                for entry in fs::read_dir(root().join(folder)).expect("a folder") {
                    let entry = entry.expect("an entry");
                    if entry.file_name().to_string_lossy().starts_with(prefix) {
                        paths.push(entry.path());
                    }
                }
            }
            None => paths.push(root().join(pattern)),
        }
    }
    paths
        .iter()
        .map(|path| path.canonicalize().expect("an included file"))
        .collect()
}

/// The relative links of a page, outside of code.
fn links(page: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(page) {
        for (at, _) in line.match_indices("](") {
            let rest = &line[at + 2..];
            let link = &rest[..rest.find(')').expect("the end of a link")];
            if !link.contains("://") {
                links.push(link.to_owned());
            }
        }
    }
    links
}

/// The lines of a page outside of blocks of code. A link whose text is broken over two lines still
/// has its target on one of them.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    page.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence && !line.starts_with("    ")
    })
}

fn anchors(page: &str) -> BTreeSet<String> {
    prose(page)
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect()
}

/// The anchor of a heading, as web views of repositories make it.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|letter| match letter {
            ' ' => Some('-'),
            '-' | '_' => Some(letter),
            _ => letter.is_alphanumeric().then_some(letter),
        })
        .collect()
}

/// The names in the last two cells of a table's rows: `a-scenario`, `a_rust_test`.
fn named_tests(page: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in prose(page) {
        let cells: Vec<&str> = line.split('|').collect();
        if cells.len() < 5 {
            continue;
        }
        for cell in &cells[cells.len() - 3..] {
            let words: Vec<&str> = cell.split_whitespace().collect();
            let names_only = words
                .iter()
                .all(|word| word.starts_with('`') && word.ends_with('`'));
            let words = words.iter().map(|word| word.trim_matches('`'));
            if names_only {
                names.extend(words.filter(|word| !word.contains('/')).map(str::to_owned));
            }
        }
    }
    names
}

fn scenario_names(file: &str) -> Vec<String> {
    let scenarios: serde_json::Value = serde_json::from_str(file).expect("JSON");
    let list = match &scenarios["scenarios"] {
        serde_json::Value::Null => &scenarios,
        list => list,
    };
    let list = list.as_array().expect("a list of scenarios");
    let names = list.iter().filter_map(|scenario| scenario["name"].as_str());
    names.map(str::to_owned).collect()
}

fn function_names(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in source.match_indices("fn ") {
        let rest = &source[at + 3..];
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        names.push(rest[..end.unwrap_or(rest.len())].to_owned());
    }
    names
}

/// A file, or all files of a folder, with this extension.
fn files(path: &Path, extension: &str) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() || path.extension().is_some_and(|kind| kind == extension) {
            found.extend(files(&path, extension));
        }
    }
    found.sort();
    found
}
