//! Names the keys that are to blame if Redis refuses a command because a key has a value of another type: its own answer
//! names none.

use fred::error::Error as FredError;
use fred::types::Value;

use super::Broker;
use crate::connection::{Command, is_wrong_type, map_redis_error, map_wrong_type};
use crate::error::Error;
use crate::wire;

impl Broker {
    /// The error for a command or a script that failed. `keys` makes the keys that it was given; it is called only if a key
    /// has another type.
    pub(super) async fn failed(
        &self,
        error: FredError,
        what: &str,
        keys: impl FnOnce() -> Vec<Value>,
    ) -> Error {
        if !is_wrong_type(&error) {
            return map_redis_error(error, what);
        }
        let keys = keys();
        let mut wrong = Vec::new();
        for key in &keys {
            let Some(name) = key.as_str() else { continue };
            let Some(expected) = wire::type_of(&name) else {
                continue;
            };
            // Without permission nothing is known of the type.
            let found = self.type_of(key).await.unwrap_or_default();
            if ![expected, "none", ""].contains(&&*found) {
                wrong.push(format!("{name} is a {found}, not a {expected}"));
            }
        }
        if wrong.is_empty() {
            // It is a key that the script itself has named, or one whose type is not known here.
            let first = keys.first().and_then(Value::as_str).unwrap_or_default();
            wrong.push(format!("{first}, or a key beside it: {}", error.details()));
        }
        map_wrong_type(error, what, &wrong.join("; "))
    }

    async fn type_of(&self, key: &Value) -> Result<String, FredError> {
        let Ok(link) = self.open_link() else {
            return Ok(String::new());
        };
        let found = link.send(Command::on_key("TYPE", [key.clone()])).await?;
        found.convert()
    }
}
