//! Reads quoted strings as Go's `strconv.Unquote` does.

use std::str::Chars;

/// The text that a Go literal in double, back or single quotes stands for. Go: `strconv.Unquote`.
///
/// A Go string may contain any bytes, a Rust string only UTF-8. So a literal is refused if its escapes
/// stand for bytes that are not UTF-8.
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
    // Escapes like `\xff` stand for bytes, so UTF-8 is checked at the end.
    let mut bytes = Vec::with_capacity(text.len());
    while let Some(c) = chars.next() {
        match c {
            '\n' => return Err(UnquoteError::Syntax),
            '\\' => push_escaped(&mut bytes, &mut chars, quote).ok_or(UnquoteError::Syntax)?,
            c if c == quote => return Err(UnquoteError::Syntax),
            c => push_char(&mut bytes, c),
        }
        // COMPAT: Go 1.26 allows one character in single quotes, or none
        if quote == '\'' && !chars.as_str().is_empty() {
            return Err(UnquoteError::Syntax);
        }
    }
    String::from_utf8(bytes).map_err(|_| UnquoteError::NotUtf8)
}

/// A literal that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnquoteError {
    /// There are no quotes around it, or Go does not allow its content.
    #[error("not a quoted Go string")]
    Syntax,
    /// The string that the literal stands for is not UTF-8.
    #[error("quoted Go string is not UTF-8")]
    NotUtf8,
}

/// Reads the escape after a backslash. `None` if Go has no such escape.
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

/// Reads `count` more digits of a number. `value` is the value of the digits before them.
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

    use super::super::go_quote::quote;
    use super::*;

    #[test]
    fn literals_are_read_as_by_go() {
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
    fn literals_that_go_does_not_allow_are_refused() {
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
