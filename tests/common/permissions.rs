//! The permissions that the docs give to a Redis user.

/// The rules of the user in `docs/operations.md`, without its name and password.
pub fn documented_rules() -> String {
    let page = include_str!("../../docs/operations.md");
    let (_, rules) = page.split_once("ACL SETUSER rasynq on >password ").unwrap();
    let (rules, _) = rules.split_once("```").unwrap();
    rules.split_whitespace().collect::<Vec<_>>().join(" ")
}
