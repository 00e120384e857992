//! The text of an error: the whole chain, in the form of Go's `%w`, bounded.

use std::fmt::{self, Write};

use crate::bounded_text::BoundedText;
use crate::guard::caught;

/// The most bytes of a text that is stored with a task, the mark included.
pub const MAX_ERROR_TEXT: usize = 64 << 10;

/// The text that is stored with a task.
///
/// If `Display` or `source` of an error panics or fails, a stand-in follows what was written until then.
pub(in crate::handler) fn stored_text(error: &anyhow::Error) -> String {
    let mut text = BoundedText::new(MAX_ERROR_TEXT);
    let written = caught(|| write!(text, "{error:#}"));
    let why = match written {
        Ok(Ok(())) => None,
        // The bound has ended the text.
        _ if text.is_cut() => None,
        Ok(Err(fmt::Error)) => Some("its Display returned an error".to_owned()),
        Err(panic) => Some(panic.to_string()),
    };
    if let Some(why) = why {
        if !matches!(text.as_str().chars().next_back(), None | Some(' ')) {
            text.push(" ");
        }
        text.push("[the error's text could not be made: ");
        text.push(&why);
        text.push("]");
    }
    text.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounded_text::CUT;

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
}
