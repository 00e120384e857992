//! Paths into JSON values: `user.id`, `items[0].name`. Pure.

/// The way to a value within another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct JsonPath(Vec<PathStep>);

#[derive(Clone, Debug, PartialEq)]
pub(super) enum PathStep {
    Name(String),
    Index(usize),
}

impl JsonPath {
    /// Reads a path. The error says what is wrong with it, and where.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str, at: usize| {
            let part = &text[at..];
            Err(format!("JSON path {text:?}: {what} before {part:?}"))
        };
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let at = text.len() - rest.len();
            if let Some(index) = rest.strip_prefix('[') {
                let Some((number, after)) = index.split_once(']') else {
                    return wrong("a bracket is not closed", at);
                };
                let Ok(number) = number.parse() else {
                    return wrong("brackets hold a number from 0", at);
                };
                if !(after.is_empty() || after.starts_with(['.', '['])) {
                    return wrong("a dot is missing", text.len() - after.len());
                }
                steps.push(PathStep::Index(number));
                rest = after;
                continue;
            }
            let name = match rest.strip_prefix('.') {
                Some(name) if at > 0 => name,
                Some(_) => return wrong("a name is missing", at),
                None => rest,
            };
            let end = name.find(['.', '[']).unwrap_or(name.len());
            if end == 0 {
                return wrong("a name is missing", text.len() - name.len());
            }
            steps.push(PathStep::Name(name[..end].to_owned()));
            rest = &name[end..];
        }
        Ok(Self(steps))
    }

    pub(super) fn steps(&self) -> &[PathStep] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_is_wrong_and_where() {
        let cases = [
            (".user", "a name is missing before \".user\""),
            ("user..id", "a name is missing before \".id\""),
            ("user.", "a name is missing before \"\""),
            ("items[", "a bracket is not closed before \"[\""),
            ("items[-1]", "brackets hold a number from 0 before \"[-1]\""),
            ("items[]", "brackets hold a number from 0 before \"[]\""),
            ("items[0]name", "a dot is missing before \"name\""),
        ];
        for (path, error) in cases {
            let expected = format!("JSON path {path:?}: {error}");
            assert_eq!(JsonPath::parse(path), Err(expected));
        }
    }
}
