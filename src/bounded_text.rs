//! Texts with a bound, which end with a mark where they were cut.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// The most bytes of a text of the caller in a log line, the mark included.
const MAX_LOGGED_TEXT: usize = 2 << 10;
/// Where a text was cut.
pub(crate) const CUT: &str = "… [cut]";

/// The part of a text of the caller that is logged.
pub(crate) fn logged_text(whole: &str) -> Cow<'_, str> {
    if whole.len() <= MAX_LOGGED_TEXT {
        return whole.into();
    }
    let mut text = BoundedText::new(MAX_LOGGED_TEXT);
    text.push(whole);
    text.into_string().into()
}

/// A text that ends with a mark once it has reached its bound. Writing beyond that fails, so an error whose
/// text has no end cannot keep the writer.
pub(crate) struct BoundedText {
    text: String,
    max: usize,
    is_cut: bool,
}

impl BoundedText {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            text: String::new(),
            max,
            is_cut: false,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(crate) fn into_string(self) -> String {
        self.text
    }

    pub(crate) fn push(&mut self, part: &str) {
        if self.is_cut {
            return;
        }
        if self.text.len() + part.len() <= self.max {
            self.text.push_str(part);
            return;
        }
        self.is_cut = true;
        let max = self.max - CUT.len();
        match max.checked_sub(self.text.len()) {
            Some(left) => self.text.push_str(&part[..floor_char_boundary(part, left)]),
            None => self.text.truncate(floor_char_boundary(&self.text, max)),
        }
        self.text.push_str(CUT);
    }
}

impl Write for BoundedText {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.push(part);
        if self.is_cut { Err(fmt::Error) } else { Ok(()) }
    }
}

/// The last place between two characters that is not behind `at`.
fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut candidates = (0..=at).rev();
    candidates
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_has_the_beginning_of_a_long_text() {
        assert_eq!(logged_text("short"), "short");
        let long = "🦀".repeat(MAX_LOGGED_TEXT);
        let logged = logged_text(&long);
        assert!(logged.len() <= MAX_LOGGED_TEXT && logged.ends_with(CUT));
    }
}
