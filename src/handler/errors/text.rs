//! The text of an error: the whole chain, in the form of Go's `%w`, bounded.

use std::fmt::{self, Write};

use crate::guard::caught;

/// The most bytes of a text that is stored with a task, the mark included.
pub const MAX_ERROR_TEXT: usize = 64 << 10;
/// The most bytes of an error in a log line, the mark included.
const MAX_LOGGED_TEXT: usize = 2 << 10;
/// Where a text was cut.
const CUT: &str = "… [cut]";

/// The text that is stored with a task.
///
/// If `Display` or `source` of an error panics or fails, a stand-in follows what was written until then.
pub(in crate::handler) fn stored_text(error: &anyhow::Error) -> String {
    let mut text = BoundedText::new(MAX_ERROR_TEXT);
    let written = caught(|| write!(text, "{error:#}"));
    let why = match written {
        Ok(Ok(())) => None,
        // The bound has ended the text.
        _ if text.is_cut => None,
        Ok(Err(fmt::Error)) => Some("its Display returned an error".to_owned()),
        Err(panic) => Some(panic.to_string()),
    };
    if let Some(why) = why {
        if !text.text.is_empty() && !text.text.ends_with(' ') {
            text.push(" ");
        }
        text.push("[the error's text could not be made: ");
        text.push(&why);
        text.push("]");
    }
    text.text
}

/// The part of a stored text that is logged.
pub(in crate::handler) fn logged_text(stored: &str) -> std::borrow::Cow<'_, str> {
    if stored.len() <= MAX_LOGGED_TEXT {
        return stored.into();
    }
    let mut text = BoundedText::new(MAX_LOGGED_TEXT);
    text.push(stored);
    text.text.into()
}

/// A text that ends with a mark once it has reached its bound. Writing beyond that fails, so an error whose
/// text has no end cannot keep the writer.
struct BoundedText {
    text: String,
    max: usize,
    is_cut: bool,
}

impl BoundedText {
    fn new(max: usize) -> Self {
        Self {
            text: String::new(),
            max,
            is_cut: false,
        }
    }

    fn push(&mut self, part: &str) {
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
    fn a_text_up_to_the_bound_is_stored_whole() {
        let text = "x".repeat(MAX_ERROR_TEXT);
        assert_eq!(stored_text(&anyhow::anyhow!(text.clone())), text);
    }

    #[test]
    fn a_longer_text_is_cut_between_two_characters_and_marked() {
        for before in 0..4 {
            let text = "x".repeat(before) + &"🦀".repeat(MAX_ERROR_TEXT / 4);
            let stored = stored_text(&anyhow::anyhow!(text.clone()).context("y"));
            assert!(stored.len() <= MAX_ERROR_TEXT && stored.len() > MAX_ERROR_TEXT - 4);
            let kept = stored.strip_suffix(CUT).expect("a mark");
            assert!(format!("y: {text}").starts_with(kept), "{before}");
        }
        // The mark needs room that earlier parts have taken.
        let chain = anyhow::anyhow!("🦀".repeat(9)).context("🦀".repeat(MAX_ERROR_TEXT / 4 - 1));
        let stored = stored_text(&chain);
        assert!(stored.len() <= MAX_ERROR_TEXT && stored.ends_with(CUT));
    }

    /// Its text is what the function writes.
    struct Odd(fn(&mut fmt::Formatter<'_>) -> fmt::Result);

    impl fmt::Debug for Odd {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Odd")
        }
    }

    impl fmt::Display for Odd {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            (self.0)(f)
        }
    }

    impl std::error::Error for Odd {
        /// The chain has no end.
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(self)
        }
    }

    #[test]
    fn a_text_that_cannot_be_made_has_a_stand_in() {
        let panics = anyhow::Error::new(Odd(|_| panic!("boom"))).context("sending");
        let stored = stored_text(&panics);
        assert!(stored.starts_with("sending: [the error's text could not be made: panic ["));
        assert!(stored.ends_with("]: boom]"), "{stored}");
        let fails = anyhow::Error::new(Odd(|_| Err(fmt::Error)));
        assert_eq!(
            stored_text(&fails),
            "[the error's text could not be made: its Display returned an error]"
        );
    }

    #[test]
    fn a_text_without_an_end_is_cut() {
        let stored = stored_text(&anyhow::Error::new(Odd(|f| f.write_str("again"))));
        assert!(stored.starts_with("again: again: again") && stored.ends_with(CUT));
        let unwraps = Odd(|f| {
            loop {
                f.write_str("again").expect("the formatter takes all");
            }
        });
        assert!(stored_text(&anyhow::Error::new(unwraps)).ends_with(CUT));
    }

    #[test]
    fn a_log_line_has_the_beginning_of_a_long_text() {
        assert_eq!(logged_text("short"), "short");
        let long = "🦀".repeat(MAX_LOGGED_TEXT);
        let logged = logged_text(&long);
        assert!(logged.len() <= MAX_LOGGED_TEXT && logged.ends_with(CUT));
    }
}
