//! The table of keys, and the page that lists them.

use super::*;

const KINDS: [Kind; 8] = [
    Kind::Queues,
    Kind::Tasks,
    Kind::Groups,
    Kind::Task,
    Kind::Servers,
    Kind::Workers,
    Kind::Schedulers,
    Kind::History,
];

#[test]
fn no_key_has_two_meanings_on_a_screen() {
    for kind in KINDS {
        let mut keys: Vec<&KeyCode> = Vec::new();
        for binding in BINDINGS.iter().filter(|binding| binding.is_on(kind)) {
            for key in binding.keys {
                assert!(!keys.contains(&key), "{key} on {kind:?}");
                keys.push(key);
            }
        }
    }
}

#[test]
fn the_page_about_the_dashboard_lists_every_key() {
    // The package does not contain the page, so it is not included at compile time.
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/dashboard.md");
    let page = std::fs::read_to_string(page).unwrap();
    let keys = page.split("## Keys").nth(1).unwrap();
    for binding in BINDINGS {
        let shown: Vec<String> = binding
            .shown
            .split(' ')
            .map(|key| format!("`{key}`"))
            .collect();
        let row = format!("| {} | {} |", shown.join(" "), binding.what);
        assert!(keys.contains(&row), "missing: {row}");
    }
    let rows = keys.lines().filter(|line| line.starts_with("| `"));
    assert_eq!(rows.count(), BINDINGS.len());
}
