//! The file with the settings, as asynq's command reads it: a YAML mapping from flags to values.
//!
//! ```yaml
//! uri: 127.0.0.1:6379
//! db: 2
//! password: secret
//! ```

use std::path::{Path, PathBuf};
use std::str::FromStr;

use granit_parser::{Event, Parser, ScalarStyle, StrInput};

use crate::args::ConnectionArguments;
use crate::failure::Failure;
use crate::small_file;

/// Reads the file. Names are read in any case, as asynq reads them. An unknown name is refused: it is a slip.
pub(crate) fn read(path: &Path) -> Result<ConnectionArguments, Failure> {
    let place = path.display();
    let wrong = |fault: String| Failure::usage(format!("configuration {place}: {fault}"));
    let bytes = small_file::read(path).map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
    parse(&text).map_err(wrong)
}

fn parse(text: &str) -> Result<ConnectionArguments, String> {
    let mut settings = ConnectionArguments::default();
    for (name, value) in pairs(text)? {
        set(&mut settings, &name, value).map_err(|fault| format!("{name}: {fault}"))?;
    }
    Ok(settings)
}

fn set(settings: &mut ConnectionArguments, name: &str, value: String) -> Result<(), String> {
    match name.to_lowercase().as_str() {
        "uri" => settings.uri = Some(value),
        "db" => settings.db = Some(read_as(&value, "the number of a database, 0 to 255")?),
        "password" => settings.password = Some(value),
        "username" => settings.username = Some(value),
        "cluster" => settings.cluster = Some(read_as(&value, "true or false")?),
        "cluster_addrs" => settings.cluster_addrs = Some(value),
        "tls" => settings.tls = Some(read_as(&value, "true or false")?),
        "tls_server" => settings.tls_server = Some(value),
        "tls_ca" => settings.tls_ca = Some(PathBuf::from(value)),
        "tls_cert" => settings.tls_cert = Some(PathBuf::from(value)),
        "tls_key" => settings.tls_key = Some(PathBuf::from(value)),
        "insecure" => settings.insecure = Some(read_as(&value, "true or false")?),
        _ => return Err("there is no such setting".to_owned()),
    }
    Ok(())
}

/// The value is never repeated: it may be a password under a wrong name.
fn read_as<T: FromStr>(value: &str, what: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("must be {what}"))
}

/// How YAML writes that there is no value.
const NULLS: [&str; 3] = ["", "~", "null"];

/// The names and values of a mapping of scalars. A name without a value is left out.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut parser = Parser::new(StrInput::new(text));
    let mut scalars = Vec::new();
    let mut is_mapping = false;
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| error.to_string())?;
        let line = span.start.line();
        match event {
            Event::MappingStart(..) if !is_mapping => is_mapping = true,
            Event::Scalar(value, style, ..) if is_mapping => {
                let is_null = style == ScalarStyle::Plain && NULLS.contains(&&*value);
                scalars.push((line, (!is_null).then(|| value.into_owned())));
            }
            Event::Scalar(value, ..) if NULLS.contains(&&*value) => {}
            Event::MappingEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd => {}
            _ => {
                return Err(format!(
                    "line {line}: must be lines of the form `name: value`"
                ));
            }
        }
    }
    let mut found: Vec<(String, String)> = Vec::new();
    for pair in scalars.chunks(2) {
        let [(line, Some(name)), (_, value)] = pair else {
            return Err("a name has no value".to_owned());
        };
        // As if it were not there.
        let Some(value) = value else { continue };
        if found.iter().any(|(other, _)| other == name) {
            return Err(format!("line {line}: {name} is there twice"));
        }
        found.push((name.clone(), value.clone()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_asynq_is_read() {
        let text =
            "# our Redis\nuri: redis.internal:6379\nDB: 2\npassword: \"a: b\"\ncluster: false\n";
        let settings = parse(text).expect("settings");
        assert_eq!(settings.uri.as_deref(), Some("redis.internal:6379"));
        assert_eq!(settings.db, Some(2));
        assert_eq!(settings.password.as_deref(), Some("a: b"));
        assert_eq!(settings.cluster.map(|cluster| cluster.is_on()), Some(false));
        for text in ["uri:", "uri: ~", "uri: null", ""] {
            assert_eq!(parse(text).expect("nothing").uri, None, "{text}");
        }
        let empty = parse("password: \"\"").expect("settings");
        assert_eq!(empty.password.as_deref(), Some(""));
        assert!(parse("---\n# nothing\n").expect("nothing").uri.is_none());
    }

    #[test]
    fn what_is_wrong_is_named_without_the_value() {
        for (text, fault) in [
            (
                "db: secret",
                "db: must be the number of a database, 0 to 255",
            ),
            ("passwort: secret", "passwort: there is no such setting"),
            ("db: 1\ndb: 2", "line 2: db is there twice"),
            ("- db", "line 1: must be lines of the form `name: value`"),
            ("db: [1]", "line 1: must be lines of the form `name: value`"),
            (
                "just text",
                "line 1: must be lines of the form `name: value`",
            ),
        ] {
            assert_eq!(parse(text).expect_err(text), fault);
        }
        assert!(parse("db: \"").expect_err("unclosed").contains("line"));
    }
}
