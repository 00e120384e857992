//! Why a value cannot be written as JSON, and where in the value the fault is.

use std::borrow::Cow;
use std::fmt;

/// Why a value cannot be written as JSON.
///
/// The text names the path to the fault, but no value: it may be secret.
#[derive(Debug)]
pub(crate) struct JsonFault {
    fault: String,
    /// The fields, keys and positions that lead to the fault, the innermost first.
    path: Vec<PathPart>,
}

#[derive(Debug)]
enum PathPart {
    Field(Cow<'static, str>),
    Entry,
    Position(usize),
}

impl JsonFault {
    pub(super) fn new(fault: impl fmt::Display) -> Self {
        Self {
            fault: fault.to_string(),
            path: Vec::new(),
        }
    }

    pub(super) fn in_field(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.within(PathPart::Field(name.into()))
    }

    /// In the value of an entry of a map. Its key may be secret.
    pub(super) fn in_entry(self) -> Self {
        self.within(PathPart::Entry)
    }

    pub(super) fn at(self, position: usize) -> Self {
        self.within(PathPart::Position(position))
    }

    fn within(mut self, part: PathPart) -> Self {
        self.path.push(part);
        self
    }
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault)?;
        if self.path.is_empty() {
            return Ok(());
        }
        f.write_str(" at `")?;
        for (n, part) in self.path.iter().rev().enumerate() {
            match part {
                PathPart::Field(name) if n == 0 => f.write_str(name)?,
                PathPart::Field(name) => write!(f, ".{name}")?,
                PathPart::Entry => f.write_str("[…]")?,
                PathPart::Position(position) => write!(f, "[{position}]")?,
            }
        }
        f.write_str("`")
    }
}

impl std::error::Error for JsonFault {}

impl serde::ser::Error for JsonFault {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(text)
    }
}
