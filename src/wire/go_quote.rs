//! Go's quoted strings: `%q` and `strconv.Unquote`.

use std::fmt::Write as _;
use std::str::Chars;

use unicode_general_category::{GeneralCategory, get_general_category};

/// The text in double quotes with Go's escapes. Go: `strconv.Quote`, `%q`.
///
/// What Unicode calls a letter, mark, number, punctuation or symbol stays as it is, and so does the
/// space; all else is escaped. Go's tables are those of Unicode 15, ours of 16: a character that is
/// new since then is printed as it is here and escaped there, and reads back alike in both.
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

/// The text that a Go literal in double, back or single quotes stands for. Go: `strconv.Unquote`.
///
/// A Go string may hold any bytes and ours only UTF-8: a literal that escapes to other bytes is refused.
pub(crate) fn unquote(literal: &str) -> Result<String, UnquoteError> {
    let inner = |quote: char| literal.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(raw) = inner('`') {
        if raw.contains('`') {
            return Err(UnquoteError::Syntax);
        }
        return Ok(raw.replace('\r', ""));
    }
    let quoted = inner('"').map(|text| ('"', text));
    let (quote, text) = quoted
        .or_else(|| inner('\'').map(|text| ('\'', text)))
        .ok_or(UnquoteError::Syntax)?;
    let mut chars = text.chars();
    // Escapes like `\xff` write bytes, so UTF-8 is checked once all are there.
    let mut bytes = Vec::with_capacity(text.len());
    while let Some(c) = chars.next() {
        match c {
            '\n' => return Err(UnquoteError::Syntax),
            '\\' => push_escaped(&mut bytes, &mut chars, quote).ok_or(UnquoteError::Syntax)?,
            c if c == quote => return Err(UnquoteError::Syntax),
            c => push_char(&mut bytes, c),
        }
        // Single quotes hold one character, or (a quirk of Go's) none.
        if quote == '\'' && !chars.as_str().is_empty() {
            return Err(UnquoteError::Syntax);
        }
    }
    String::from_utf8(bytes).map_err(|_| UnquoteError::NotUtf8)
}

/// A literal that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnquoteError {
    /// No quotes around it, or something in it that Go does not allow.
    #[error("not a quoted Go string")]
    Syntax,
    /// The string that it stands for is not UTF-8.
    #[error("quoted Go string is not UTF-8")]
    NotUtf8,
}

/// Go: `unicode.IsPrint`.
fn is_print(c: char) -> bool {
    use GeneralCategory::*;
    match c {
        ' '..='~' => true,
        _ => !matches!(
            get_general_category(c),
            Control
                | Format
                | Surrogate
                | PrivateUse
                | Unassigned
                | LineSeparator
                | ParagraphSeparator
                | SpaceSeparator
        ),
    }
}

fn push_code_point(quoted: &mut String, c: char) {
    let code = u32::from(c);
    let written = match code {
        ..0x20 | 0x7f => write!(quoted, "\\x{code:02x}"),
        ..0x1_0000 => write!(quoted, "\\u{code:04x}"),
        _ => write!(quoted, "\\U{code:08x}"),
    };
    debug_assert!(written.is_ok(), "writing to a String does not fail");
}

/// Reads what follows a backslash; `None` if Go does not know it.
fn push_escaped(bytes: &mut Vec<u8>, chars: &mut Chars<'_>, quote: char) -> Option<()> {
    match chars.next()? {
        'a' => bytes.push(0x07),
        'b' => bytes.push(0x08),
        'f' => bytes.push(0x0c),
        'n' => bytes.push(b'\n'),
        'r' => bytes.push(b'\r'),
        't' => bytes.push(b'\t'),
        'v' => bytes.push(0x0b),
        '\\' => bytes.push(b'\\'),
        c if c == quote => push_char(bytes, c),
        'x' => bytes.push(u8::try_from(digits(chars, 2, 16, 0)?).ok()?),
        'u' => push_char(bytes, char::from_u32(digits(chars, 4, 16, 0)?)?),
        'U' => push_char(bytes, char::from_u32(digits(chars, 8, 16, 0)?)?),
        first => {
            let first = first.to_digit(8)?;
            bytes.push(u8::try_from(digits(chars, 2, 8, first)?).ok()?);
        }
    }
    Some(())
}

/// The value of so many digits, after those that `value` already stands for.
fn digits(chars: &mut Chars<'_>, count: u32, radix: u32, value: u32) -> Option<u32> {
    (0..count).try_fold(value, |value, _| {
        value
            .checked_mul(radix)?
            .checked_add(chars.next()?.to_digit(radix)?)
    })
}

fn push_char(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_quoted_as_in_go() {
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
    fn literals_are_read_as_in_go() {
        for (literal, text) in [
            (r#""\x61\u0062\U00000063\144""#, "abcd"),
            (r#""\xe2\x98\xba""#, "☺"),
            (r#""'""#, "'"),
            ("\"\u{200b}\t\"", "\u{200b}\t"),
            ("`a\\n\"b\r\nc`", "a\\n\"b\nc"),
            ("``", ""),
            ("'\\''", "'"),
            ("'\"'", "\""),
            ("''", ""),
        ] {
            assert_eq!(unquote(literal), Ok(text.to_owned()), "{literal}");
        }
    }

    #[test]
    fn what_go_does_not_allow_is_refused() {
        for literal in [
            "",
            "\"",
            "a",
            "\"a",
            "a\"",
            "`",
            "`a``",
            "'ab'",
            "'\\\"'",
            "\"a\"b\"",
            "\"\n\"",
            r#""\""#,
            r#""\'""#,
            r#""\9""#,
            r#""\18""#,
            r#""\400""#,
            r#""\x1""#,
            r#""\xg0""#,
            r#""\u12""#,
            r#""\ud800""#,
            r#""\U00110000""#,
            r#""\Uffffffff""#,
            r#""\q""#,
            r#""\x+1""#,
        ] {
            assert_eq!(unquote(literal), Err(UnquoteError::Syntax), "{literal}");
        }
        assert_eq!(unquote(r#""\xff""#), Err(UnquoteError::NotUtf8));
    }

    proptest! {
        #[test]
        fn every_text_reads_back_from_its_quotes(text in "(?s).*") {
            let quoted = quote(&text);
            prop_assert!(!quoted.contains(char::is_control));
            prop_assert_eq!(unquote(&quoted), Ok(text));
        }

        #[test]
        fn no_literal_panics(literal in "(?s)[\"`]([\\\\xuU0-9a-f\"`].{0,3}){0,9}[\"`]?") {
            let _ = unquote(&literal);
        }
    }
}
