//! Patterns of task types: plain prefixes, which people take for something else.

/// Whether a pattern has a character that is likely to be meant as a wildcard or to be left over: `*`,
/// `^`, `$` at its end, or a blank.
pub(crate) fn is_odd(pattern: &str) -> bool {
    let is_odd_char = |c: char| c == '*' || c == '^' || c.is_whitespace();
    pattern.contains(is_odd_char) || pattern.ends_with('$')
}
