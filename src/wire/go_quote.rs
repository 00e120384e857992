//! Prints quoted strings as Go's `%q` does.

use std::fmt::Write as _;

use super::printable::PRINTABLE;

/// The text in double quotes with Go's escapes. Go: `strconv.Quote`, `%q`.
///
/// Letters, marks, numbers, punctuation, symbols and the space stay as they are. All other
/// characters are escaped. Go's tables are those of Unicode 15, rasynq's those of Unicode 16. So Go
/// escapes a character that is new in Unicode 16, and rasynq does not. Both forms are read back as the
/// same text.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if is_print(c) => quoted.push(c),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            c => push_code_point(&mut quoted, c),
        }
    }
    quoted.push('"');
    quoted
}

/// Go: `strconv.IsPrint`.
fn is_print(c: char) -> bool {
    if matches!(c, ' '..='~') {
        return true;
    }
    let code = u32::from(c);
    let after = PRINTABLE.partition_point(|&(first, _)| first <= code);
    after > 0 && code <= PRINTABLE[after - 1].1
}

fn push_code_point(quoted: &mut String, c: char) {
    let code = u32::from(c);
    let written = match code {
        ..0x20 | 0x7f => write!(quoted, "\\x{code:02x}"),
        ..0x1_0000 => write!(quoted, "\\u{code:04x}"),
        _ => write!(quoted, "\\U{code:08x}"),
    };
    debug_assert!(written.is_ok(), "writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::super::go_unquote::unquote;
    use super::*;

    #[test]
    fn texts_are_quoted_as_by_go() {
        for (text, quoted) in [
            ("", r#""""#),
            ("critical", r#""critical""#),
            ("\u{7}\u{8}\u{c}\r\n\t\u{b}", r#""\a\b\f\r\n\t\v""#),
            ("\\", r#""\\""#),
            ("a\"b'c`d", r#""a\"b'c`d""#),
            ("\0\u{1f}\u{7f}", r#""\x00\x1f\x7f""#),
            ("\u{80}\u{9f}\u{a0}\u{ad}", r#""\u0080\u009f\u00a0\u00ad""#),
            ("\u{a1}é☺", r#""¡é☺""#),
            (
                "\u{200b}\u{2028}\u{3000}\u{feff}\u{e000}",
                r#""\u200b\u2028\u3000\ufeff\ue000""#,
            ),
            ("e\u{301}\u{fffd}", "\"e\u{301}\u{fffd}\""),
            (
                "\u{1f600}\u{10ffff}\u{f0000}",
                "\"\u{1f600}\\U0010ffff\\U000f0000\"",
            ),
        ] {
            assert_eq!(quote(text), quoted);
            assert_eq!(unquote(quoted), Ok(text.to_owned()));
        }
    }

    #[test]
    fn every_character_is_printable_if_a_range_contains_it() {
        let mut printable = vec![false; 0x11_0000];
        for &(first, last) in PRINTABLE {
            printable[first as usize..=last as usize].fill(true);
        }
        for c in '\0'..=char::MAX {
            assert_eq!(is_print(c), printable[c as usize], "{c:?}");
        }
    }
}
