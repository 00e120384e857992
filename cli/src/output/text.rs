//! Text from Redis, made safe for a terminal, and how counts are shown.

use std::borrow::Cow;
use std::fmt::Write;

/// How many characters of a payload, a result or an error a table shows.
const MAX_CELL: usize = 200;

/// The text on one line, with everything that a terminal might obey escaped as in a Rust string.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    match text.chars().any(is_unsafe) {
        false => Cow::Borrowed(text),
        true => Cow::Owned(text.chars().fold(String::new(), escape)),
    }
}

/// The same, but line feeds stay.
pub(crate) fn printable_lines(text: &str) -> String {
    let lines: Vec<Cow<'_, str>> = text.split('\n').map(printable).collect();
    lines.join("\n")
}

/// Bytes as text on one line; what is not UTF-8 as `\xff`.
pub(crate) fn printable_bytes(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(&printable(chunk.valid()));
        for byte in chunk.invalid() {
            // Writing into a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// A payload, a result or an error in a cell of a table: cut if it is long.
pub(crate) fn cell(bytes: &[u8]) -> String {
    let mut text = printable_bytes(&bytes[..bytes.len().min(4 * MAX_CELL)]);
    if bytes.len() > 4 * MAX_CELL || text.chars().count() > MAX_CELL {
        let end = text.char_indices().nth(MAX_CELL).map(|(at, _)| at);
        text.truncate(end.unwrap_or(text.len()));
        let _ = write!(text, "… ({} bytes)", bytes.len());
    }
    text
}

/// Whether a terminal might obey the character, hide it, or show other text because of it.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn escape(mut text: String, c: char) -> String {
    match is_unsafe(c) {
        true => text.extend(c.escape_default()),
        false => text.push(c),
    }
    text
}

/// `1 task`, `2 tasks`
pub(crate) fn tasks_text(count: u64) -> String {
    match count {
        1 => "1 task".to_owned(),
        count => format!("{count} tasks"),
    }
}

/// A share in percent, as asynq prints it: `12.50%`, `N/A` of nothing.
pub(crate) fn error_rate(failed: u64, processed: u64) -> String {
    match processed {
        0 => "N/A".to_owned(),
        _ => format!("{:.2}%", failed as f64 / processed as f64 * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_that_comes_from_redis() {
        assert_eq!(printable("plain ü 日本"), "plain ü 日本");
        assert_eq!(
            printable("\x1b[31mred\x07\r\n\t"),
            "\\u{1b}[31mred\\u{7}\\r\\n\\t"
        );
        assert_eq!(
            printable("\u{9b}31m \u{202e}x\u{feff}"),
            "\\u{9b}31m \\u{202e}x\\u{feff}"
        );
        assert_eq!(printable_lines("a\x1b\nb"), "a\\u{1b}\nb");
        assert_eq!(printable_bytes(b"a\xff\x00b"), "a\\xff\\u{0}b");
    }

    #[test]
    fn cells_are_cut() {
        assert_eq!(cell("ü".repeat(200).as_bytes()), "ü".repeat(200));
        let cut = format!("{}… (402 bytes)", "ü".repeat(200));
        assert_eq!(cell("ü".repeat(201).as_bytes()), cut);
        let cut = format!("{}… (1048576 bytes)", "a".repeat(200));
        assert_eq!(cell(&vec![b'a'; 1 << 20]), cut);
    }
}
