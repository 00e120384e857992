//! Paths into JSON values: `user.id`, `items[0].name`. Pure.

use serde_json::Value;

/// The way to a value within another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct JsonPath(Vec<PathStep>);

#[derive(Clone, Debug, PartialEq)]
enum PathStep {
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

    /// The value at the end of the path.
    pub(super) fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |value, step| match step {
            PathStep::Name(name) => value.as_object()?.get(name),
            PathStep::Index(index) => value.as_array()?.get(*index),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_names_and_lists() {
        let value =
            json!({ "user": { "id": 42, "0": "zero" }, "items": [{ "name": "a" }, [1, 2]] });
        let find = |path| JsonPath::parse(path).expect("a path").find(&value).cloned();
        assert_eq!(find("user.id"), Some(json!(42)));
        assert_eq!(find("user.0"), Some(json!("zero")));
        assert_eq!(find("items[0].name"), Some(json!("a")));
        assert_eq!(find("items[1][1]"), Some(json!(2)));
        assert_eq!(find(""), Some(value.clone()));
        for missing in ["user.name", "items[2]", "items.name", "user[0]", "[0]"] {
            assert_eq!(find(missing), None, "{missing}");
        }
        let list = json!([[1, 2], 3]);
        let find = |path| JsonPath::parse(path).expect("a path").find(&list);
        assert_eq!(find("[0][1]"), Some(&json!(2)));
    }

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
