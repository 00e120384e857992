//! Requests: an id, an op, and the fields of the op.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::failure::Failure;

/// A request, without its id.
pub(crate) struct Request {
    pub(crate) op: String,
    fields: Map<String, Value>,
}

impl Request {
    /// Reads the fields into the form of the op. Unknown fields are refused.
    pub(crate) fn form<T: DeserializeOwned>(self) -> Result<T, Failure> {
        Ok(serde_json::from_value(Value::Object(self.fields))?)
    }

    /// Refuses fields that are not known.
    pub(crate) fn check_names(&self, known: &[&str]) -> Result<(), Failure> {
        match self.names().find(|name| !known.contains(name)) {
            Some(name) => Err(Failure::invalid(format!("unknown field {name:?}"))),
            None => Ok(()),
        }
    }

    /// Whether a field is present and not null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|value| !value.is_null())
    }

    /// The value of a field, if it is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }
}

/// Reads a line: the id, or null if there is none, and the request.
pub(crate) fn read(line: &[u8]) -> (Value, Result<Request, Failure>) {
    let mut fields: Map<String, Value> = match serde_json::from_slice(line) {
        Ok(fields) => fields,
        Err(error) => {
            let failure = Failure::invalid(format!("a request is a JSON object a line: {error}"));
            return (Value::Null, Err(failure));
        }
    };
    let id = fields.remove("id").unwrap_or_default();
    let request = match fields.remove("op") {
        Some(Value::String(op)) => Ok(Request { op, fields }),
        _ => Err(Failure::invalid("a request needs an op")),
    };
    (id, request)
}
