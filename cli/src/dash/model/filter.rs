//! What is typed to filter tasks, and what it means.
//!
//! Terms are separated by spaces, and all must hold: `type:email:* error:timeout json:user.id=42 older:1h`. A term
//! without a field is a text that the payload contains. Quotation marks keep spaces and colons together.

use std::time::Duration;

use rasynq::TaskFilter;

/// The fields, as the help shows them.
pub(crate) const FIELDS: &str = "text type:email:* error:text json:user.id=42 header:key=value older:1h younger:5m group:name orphaned";

/// A filter for tasks, as it was typed and as the library applies it. Without terms every task matches.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    text: String,
    tasks: TaskFilter,
}

impl Filter {
    /// Reads a filter as it was typed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let terms = words(text)?;
        let tasks = terms.into_iter().try_fold(TaskFilter::new(), and)?;
        Ok(Self {
            text: text.trim().to_owned(),
            tasks,
        })
    }

    /// Whether every task matches.
    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The filter as it was typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The filter for the library.
    pub(crate) fn tasks(&self) -> TaskFilter {
        self.tasks.clone()
    }
}

/// A word, and where its first colon outside of quotation marks is.
#[derive(Default)]
struct Word {
    text: String,
    colon: Option<usize>,
    is_quoted: bool,
}

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut is_quoted = false;
    for char in text.chars() {
        match char {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default().is_quoted = true;
            }
            char if char.is_whitespace() && !is_quoted => words.extend(word.take()),
            char => {
                let word = word.get_or_insert_default();
                if char == ':' && !is_quoted && word.colon.is_none() {
                    word.colon = Some(word.text.len());
                }
                word.text.push(char);
            }
        }
    }
    if is_quoted {
        return Err("a quotation mark is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

/// Adds the condition that a word means.
fn and(filter: TaskFilter, word: Word) -> Result<TaskFilter, String> {
    let Some(colon) = word.colon else {
        return match word.text.as_str() {
            "" => Err("an empty text matches everything".to_owned()),
            "orphaned" if !word.is_quoted => Ok(filter.orphaned()),
            _ => Ok(filter.payload_contains(word.text)),
        };
    };
    let (field, value) = (&word.text[..colon], &word.text[colon + 1..]);
    if value.is_empty() {
        return Err(format!("{field}: needs a value"));
    }
    match field {
        "type" => Ok(filter.task_type(value)),
        "payload" => Ok(filter.payload_contains(value)),
        "error" => Ok(filter.error_contains(value)),
        "group" => Ok(filter.group(value)),
        "older" => Ok(filter.older_than(age(value)?)),
        "younger" => Ok(filter.younger_than(age(value)?)),
        "json" => filter
            .payload_json_text(value)
            .map_err(|error| error.to_string()),
        "header" => match value.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(filter.header(name, value)),
            _ => Err("header: needs the form name=value".to_owned()),
        },
        _ => Err(format!(
            "no field {field:?}; put a text with a colon in quotation marks"
        )),
    }
}

/// A span of time such as `90s`, `1h30m` or `2d`.
fn age(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no span of time such as 90s, 1h30m or 2d");
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit());
        let (number, tail) = rest.split_at(digits.ok_or_else(wrong)?);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let mut tail = tail.chars();
        let unit = match tail.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => return Err(wrong()),
        };
        total = number
            .checked_mul(unit)
            .and_then(|secs| total.checked_add(secs))
            // The library's times end there.
            .filter(|secs| *secs <= 100 * 366 * 86_400)
            .ok_or_else(wrong)?;
        rest = tail.as_str();
    }
    Ok(Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(text: &str) -> TaskFilter {
        Filter::parse(text).unwrap().tasks()
    }

    #[test]
    fn every_field_can_be_typed() {
        let text = "type:email:* error:timeout json:user.id=42 json:name=Ann header:tenant=acme older:1h30m \
                    younger:2d group:g orphaned needle payload:x";
        let expected = TaskFilter::new()
            .task_type("email:*")
            .error_contains("timeout")
            .payload_json("user.id", 42)
            .payload_json("name", "Ann")
            .header("tenant", "acme")
            .older_than(Duration::from_secs(5400))
            .younger_than(Duration::from_secs(172_800))
            .group("g")
            .orphaned()
            .payload_contains("needle")
            .payload_contains("x");
        assert_eq!(tasks(text), expected);
    }

    #[test]
    fn quotation_marks_keep_spaces_and_colons() {
        let expected = TaskFilter::new()
            .payload_contains("a: b")
            .error_contains("no route to host")
            .payload_contains("orphaned");
        let text = r#""a: b" error:"no route to host" "orphaned""#;
        assert_eq!(tasks(text), expected);
    }

    #[test]
    fn nothing_typed_matches_everything() {
        assert!(Filter::parse("  ").unwrap().is_empty());
    }

    #[test]
    fn mistakes_are_told_with_the_field() {
        for (text, expected) in [
            ("typ:email", "no field \"typ\""),
            ("type:", "type: needs a value"),
            ("json:a", "path=value"),
            ("header:a", "header: needs the form name=value"),
            ("older:soon", "\"soon\" is no span of time"),
            ("older:5", "\"5\" is no span of time"),
            ("older:99999999999999999999s", "is no span of time"),
            ("older:999999999d", "is no span of time"),
            ("\"open", "a quotation mark is not closed"),
            ("\"\"", "an empty text"),
        ] {
            let error = Filter::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
