//! Text of others on the screen: names, payloads and errors come from Redis and may hold anything.
//!
//! Nothing that a terminal would obey or hide reaches it: control characters, marks that turn the direction of
//! text, and characters without a width are shown by their escapes.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::output::indented_json;

/// How many bytes of a payload are shown; what is beyond is only counted.
pub(crate) const MAX_SHOWN_BYTES: usize = 64 * 1024;

/// How many bytes a line of a hex dump shows.
const HEX_BYTES: usize = 16;

/// How many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text with what is not visible replaced by escapes.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            char if is_hidden(char) => {
                shown.push_str(&format!("\\u{{{:x}}}", u32::from(char)));
            }
            char => shown.push(char),
        }
    }
    Cow::Owned(shown)
}

/// Whether a character is not seen, or changes how others are seen.
fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        )
        || matches!(char, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(char, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
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
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // the cut went through a character
        Err(error) if head.len() < bytes.len() && error.valid_up_to() + 4 > head.len() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => {
            let hex: Vec<String> = head.iter().map(|byte| format!("{byte:02x}")).collect();
            return cut(
                &format!("{} bytes: {}", bytes.len(), hex.join(" ")),
                columns,
            )
            .into_owned();
        }
    };
    let mut line = escaped(text).into_owned();
    if head.len() < bytes.len() && width(&line) <= columns {
        line.push('…');
    }
    cut(&line, columns).into_owned()
}

/// A payload in lines of at most this many columns: JSON indented, other text as it is, other bytes as a hex dump.
pub(crate) fn lines(bytes: &[u8], columns: usize) -> Vec<String> {
    let columns = columns.max(8);
    let head = &bytes[..bytes.len().min(MAX_SHOWN_BYTES)];
    let mut lines = match std::str::from_utf8(bytes) {
        Ok(text) => {
            let indented = indented_json(text);
            let text = indented.as_deref().unwrap_or(text);
            let end = text.floor_char_boundary_of(MAX_SHOWN_BYTES);
            let mut lines = Vec::new();
            for line in text[..end].split('\n') {
                wrap(&escaped(line), columns, &mut lines);
            }
            lines
        }
        Err(_) => hex_lines(head, columns),
    };
    if bytes.len() > MAX_SHOWN_BYTES {
        lines.push(format!(
            "… the first {MAX_SHOWN_BYTES} of {} bytes",
            bytes.len()
        ));
    }
    lines
}

/// `str::floor_char_boundary` is newer than the oldest supported Rust.
trait FloorCharBoundary {
    fn floor_char_boundary_of(&self, index: usize) -> usize;
}

impl FloorCharBoundary for str {
    fn floor_char_boundary_of(&self, index: usize) -> usize {
        let mut end = index.min(self.len());
        while !self.is_char_boundary(end) {
            end -= 1;
        }
        end
    }
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
        assert_eq!(escaped("plain äöü 漢字 🙂"), "plain äöü 漢字 🙂");
        assert_eq!(escaped("a\u{1b}[2Jb\r\n\tc"), "a\\u{1b}[2Jb\\r\\n\\tc");
        assert_eq!(
            escaped("\u{202e}evil\u{200b}\u{9b}"),
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
    fn only_the_beginning_of_a_huge_payload_is_shown_and_the_rest_is_told() {
        let huge = vec![b'x'; MAX_SHOWN_BYTES + 10];
        let shown = lines(&huge, 100);
        assert_eq!(
            shown.last().map(String::as_str),
            Some("… the first 65536 of 65546 bytes")
        );
    }
}
