//! [`Switch`]: a flag that is on, off, or not given, as Go's `pflag` reads it: `--force`, `--force=false`.

use std::str::FromStr;

/// A flag without a value, which may be given one: `--force` is `--force=true`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Switch(bool);

impl Switch {
    pub(crate) fn is_on(self) -> bool {
        self.0
    }
}

impl FromStr for Switch {
    type Err = String;

    /// The words of Go's `strconv.ParseBool`.
    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Self(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Self(false)),
            _ => Err("must be true or false".to_owned()),
        }
    }
}
