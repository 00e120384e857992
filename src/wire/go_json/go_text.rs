//! Texts as Go writes them into JSON: safe within HTML and JavaScript too.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Writes a text in quotes.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.push(b'"');
    // Up to here the text is written.
    let mut done = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0..0x20 | b'<' | b'>' | b'&' => 0,
            0xe2 if is_line_separator(&bytes[at..]) => 0,
            _ => continue,
        };
        out.extend(&bytes[done..at]);
        done = at + 1;
        if short != 0 {
            out.extend([b'\\', short]);
        } else if byte == 0xe2 {
            done = at + 3;
            write_line_separator(out, bytes[at + 2]);
        } else {
            write_unicode(out, byte);
        }
    }
    out.extend(&bytes[done..]);
    out.push(b'"');
}

/// Writes JSON that is already a text: without blanks, and with the escapes that Go adds.
pub(super) fn write_compact(out: &mut Vec<u8>, json: &str) {
    let bytes = json.as_bytes();
    let mut is_in_text = false;
    let mut is_escaped = false;
    let mut skipped = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if skipped > 0 {
            skipped -= 1;
        } else if !is_in_text {
            is_in_text = byte == b'"';
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                out.push(byte);
            }
        } else if matches!(byte, b'<' | b'>' | b'&') {
            write_unicode(out, byte);
        } else if is_line_separator(&bytes[at..]) {
            write_line_separator(out, bytes[at + 2]);
            skipped = 2;
        } else {
            is_in_text = is_escaped || byte != b'"';
            is_escaped = !is_escaped && byte == b'\\';
            out.push(byte);
        }
    }
}

/// Whether the bytes begin with U+2028 or U+2029.
fn is_line_separator(bytes: &[u8]) -> bool {
    matches!(bytes, [0xe2, 0x80, 0xa8 | 0xa9, ..])
}

/// Writes U+2028 or U+2029, whose last byte this is.
fn write_line_separator(out: &mut Vec<u8>, last: u8) {
    out.extend(b"\\u202");
    out.push(last - 0xa8 + b'8');
}

/// Writes an ASCII character by its number.
fn write_unicode(out: &mut Vec<u8>, byte: u8) {
    out.extend(b"\\u00");
    out.extend([byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]));
}
