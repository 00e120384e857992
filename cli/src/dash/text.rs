//! Text of others on the screen: names, payloads and errors come from Redis and may hold anything.
//!
//! Nothing that a terminal would obey or hide reaches it: control characters, marks that turn the direction of
//! text, and characters without a width are shown by their escapes.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub(crate) use crate::output::printable;
use crate::output::{indented_json, indented_json_beginning};

/// How many bytes of a payload are shown; what is beyond is only counted.
pub(crate) const MAX_SHOWN_BYTES: usize = 64 * 1024;

/// How many bytes a line of a hex dump shows.
const HEX_BYTES: usize = 16;

/// How many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most this many columns. What was cut off is marked by `…`.
pub(crate) fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let mut taken = 0;
    let mut short = String::new();
    for char in text.chars() {
        let wide = char.width().unwrap_or_default();
        if taken + wide > columns - 1 {
            break;
        }
        taken += wide;
        short.push(char);
    }
    short.push('…');
    Cow::Owned(short)
}

/// A payload in one line of about this many columns: text as it is, other bytes as their number and first bytes.
pub(crate) fn one_line(bytes: &[u8], columns: usize) -> String {
    // A column takes at least one byte, so nothing that is shown is left out.
    let head = &bytes[..bytes.len().min(columns.saturating_mul(4))];
    let Some(text) = text_of(head, bytes.len()) else {
        let hex: Vec<String> = head.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("{} bytes: {}", bytes.len(), hex.join(" "));
        return cut(&text, columns).into_owned();
    };
    let mut line = printable(text).into_owned();
    if head.len() < bytes.len() && width(&line) <= columns {
        line.push('…');
    }
    cut(&line, columns).into_owned()
}

/// A payload in lines of at most this many columns: JSON indented, other text as it is, other bytes as a hex dump. What
/// takes part in it is bounded, however long the payload is.
pub(crate) fn lines(bytes: &[u8], columns: usize) -> Vec<String> {
    let columns = columns.max(8);
    let head = &bytes[..bytes.len().min(MAX_SHOWN_BYTES)];
    let is_cut = head.len() < bytes.len();
    let (mut lines, is_longer) = match text_of(head, bytes.len()) {
        Some(text) => text_lines(text, is_cut, columns),
        None => (hex_lines(head, columns), false),
    };
    if is_longer {
        lines.push(format!("… the beginning of {} bytes", bytes.len()));
    } else if is_cut {
        lines.push(format!(
            "… the first {MAX_SHOWN_BYTES} of {} bytes",
            bytes.len()
        ));
    }
    lines
}

/// The lines of a text, which may be the beginning of a longer one; and whether its indentation makes it too long to be
/// shown whole.
fn text_lines(text: &str, is_cut: bool, columns: usize) -> (Vec<String>, bool) {
    let indented = match is_cut {
        true => indented_json_beginning(text),
        false => indented_json(text),
    };
    let text = indented.as_deref().unwrap_or(text);
    let shown = beginning(text, MAX_SHOWN_BYTES);
    let mut lines = Vec::new();
    for line in shown.split('\n') {
        wrap(&printable(line), columns, &mut lines);
    }
    (lines, shown.len() < text.len())
}

/// The head of a payload as text, without the beginning of a character that was cut. `None`: it is no text.
fn text_of(head: &[u8], whole_len: usize) -> Option<&str> {
    match std::str::from_utf8(head) {
        Ok(text) => Some(text),
        Err(error) if head.len() < whole_len && error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

/// The text up to this length (bytes), or to the character before. `str::floor_char_boundary` is newer than the oldest
/// supported Rust.
fn beginning(text: &str, len: usize) -> &str {
    let mut end = len.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Adds the parts of a line, each of at most this many columns.
pub(crate) fn wrap(line: &str, columns: usize, lines: &mut Vec<String>) {
    let mut part = String::new();
    let mut taken = 0;
    for char in line.chars() {
        let wide = char.width().unwrap_or_default();
        if taken + wide > columns && !part.is_empty() {
            lines.push(std::mem::take(&mut part));
            taken = 0;
        }
        taken += wide;
        part.push(char);
    }
    lines.push(part);
}

/// Adds the lines of a text, which breaks between words, and in a word that is longer than a line.
pub(crate) fn wrap_words(text: &str, columns: usize, lines: &mut Vec<String>) {
    let mut part = String::new();
    for word in text.split(' ') {
        if !part.is_empty() && width(&part) + 1 + width(word) > columns {
            wrap(&part, columns, lines);
            part.clear();
        }
        if !part.is_empty() {
            part.push(' ');
        }
        part.push_str(word);
    }
    wrap(&part, columns, lines);
}

fn hex_lines(bytes: &[u8], columns: usize) -> Vec<String> {
    // `00000000  ` and for each byte ` xx` and its character.
    let fitting = (columns.saturating_sub(12) / 4).clamp(4, HEX_BYTES);
    bytes
        .chunks(fitting)
        .enumerate()
        .map(|(index, chunk)| {
            let hex: String = chunk.iter().map(|byte| format!("{byte:02x} ")).collect();
            let text: String = chunk
                .iter()
                .map(|byte| match byte {
                    0x20..=0x7e => char::from(*byte),
                    _ => '.',
                })
                .collect();
            format!(
                "{:08x}  {hex:<pad$} {text}",
                index * fitting,
                pad = fitting * 3
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_or_hide_is_escaped() {
        assert_eq!(printable("plain äöü 漢字 🙂"), "plain äöü 漢字 🙂");
        assert_eq!(printable("a\u{1b}[2Jb\r\n\tc"), "a\\u{1b}[2Jb\\r\\n\\tc");
        assert_eq!(
            printable("\u{202e}evil\u{200b}\u{9b}"),
            "\\u{202e}evil\\u{200b}\\u{9b}"
        );
    }

    #[test]
    fn a_cut_text_ends_with_an_ellipsis_and_never_takes_more_columns() {
        assert_eq!(cut("default", 7), "default");
        assert_eq!(cut("defaults", 7), "defaul…");
        assert_eq!(cut("漢字漢字", 4), "漢…");
        assert_eq!(cut("x", 0), "");
        assert_eq!(cut("xy", 1), "…");
    }

    #[test]
    fn long_lines_are_wrapped_and_control_characters_of_a_text_are_escaped() {
        assert_eq!(
            lines(b"0123456789abcdef\n\x07", 10),
            ["0123456789", "abcdef", "\\u{7}"]
        );
    }

    #[test]
    fn texts_are_wrapped_between_words_and_long_words_in_themselves() {
        let mut lines = Vec::new();
        wrap_words("in 0123456789abcdef, all of it", 10, &mut lines);
        assert_eq!(lines, ["in", "0123456789", "abcdef,", "all of it"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_dumped_with_their_offsets() {
        let dump = lines(b"\xff\x00AB", 80);
        assert_eq!(dump.len(), 1);
        assert!(dump[0].starts_with("00000000  ff 00 41 42 "), "{dump:?}");
        assert!(dump[0].ends_with("..AB"), "{dump:?}");
        assert_eq!(one_line(b"\xff\x00AB", 40), "4 bytes: ff 00 41 42");
    }

    #[test]
    fn one_line_of_a_long_text_is_cut_between_characters() {
        let text = "é".repeat(1000);
        assert_eq!(one_line(text.as_bytes(), 5), "éééé…");
        let emoji = "🙂".repeat(1000);
        assert_eq!(one_line(emoji.as_bytes(), 5), "🙂🙂…");
    }

    #[test]
    fn deep_json_takes_bounded_memory() {
        let deep = "[".repeat(30_000) + &"]".repeat(30_000);
        let shown = lines(deep.as_bytes(), 80);
        let size: usize = shown.iter().map(String::len).sum();
        assert!(size <= MAX_SHOWN_BYTES, "{size}");
        assert_eq!(&shown[..3], ["[", "  [", "    ["]);
        let last = shown.last().map(String::as_str);
        assert_eq!(last, Some("… the beginning of 60000 bytes"));
    }

    #[test]
    fn the_beginning_of_huge_json_is_indented() {
        let huge = format!("{{\"a\":1,\"b\":\"{}\"}}", "ä".repeat(MAX_SHOWN_BYTES));
        let shown = lines(huge.as_bytes(), 80);
        assert_eq!(&shown[..2], ["{", "  \"a\": 1,"]);
        assert!(shown[2].starts_with("  \"b\": \"ää"), "{}", shown[2]);
        let last = shown.last().map(String::as_str);
        assert_eq!(last, Some("… the beginning of 131086 bytes"));
    }

    #[test]
    fn only_the_beginning_of_a_huge_payload_is_shown_and_the_rest_is_told() {
        let huge = vec![b'x'; MAX_SHOWN_BYTES + 10];
        let shown = lines(&huge, 100);
        assert_eq!(
            shown.last().map(String::as_str),
            Some("… the first 65536 of 65546 bytes")
        );
    }
}
