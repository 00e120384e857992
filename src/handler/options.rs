//! The settings that a mux passes to its handlers when they are built.

/// What the server does with a task whose payload does not decode as the type that its handler takes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UndecodablePayload {
    /// Retries the task, as after any other error: a newer version of the program may be able to decode
    /// the payload. This is the default.
    #[default]
    Retry,
    /// Archives the task at once.
    Archive,
}

/// The settings for building a handler.
#[derive(Clone, Debug, Default)]
pub struct BuildOptions {
    /// `None`: no mux has set it, so the default applies.
    pub(crate) undecodable: Option<UndecodablePayload>,
    pub(crate) reach: Reach,
}

/// The task types that reach a handler through the muxes around it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    /// Only types with this prefix.
    prefix: String,
    /// Not the types with these prefixes: other handlers get them.
    other_prefixes: Vec<String>,
    /// Not these types: other handlers get them.
    other_types: Vec<String>,
}

impl Reach {
    /// What reaches the handler of `pattern` in a mux that has this reach. The mux has `patterns`, and
    /// `types` are the types for which it has a handler each.
    pub(crate) fn through<'a>(
        &self,
        pattern: &str,
        patterns: impl Iterator<Item = &'a String>,
        types: impl Iterator<Item = &'a String>,
    ) -> Self {
        let mut reach = self.clone();
        if pattern.starts_with(&self.prefix) {
            pattern.clone_into(&mut reach.prefix);
        }
        let is_longer = |other: &&String| other.len() > pattern.len() && other.starts_with(pattern);
        reach
            .other_prefixes
            .extend(patterns.filter(is_longer).cloned());
        let has_pattern = |other: &&String| other.starts_with(pattern);
        reach.other_types.extend(types.filter(has_pattern).cloned());
        reach
    }

    /// Whether a type with this prefix can arrive.
    pub(crate) fn has_prefix(&self, pattern: &str) -> bool {
        let overlaps = pattern.starts_with(&self.prefix) || self.prefix.starts_with(pattern);
        overlaps
            && !self
                .other_prefixes
                .iter()
                .any(|other| pattern.starts_with(other))
    }

    /// Whether this type can arrive.
    pub(crate) fn has_type(&self, task_type: &str) -> bool {
        task_type.starts_with(&self.prefix)
            && !self
                .other_prefixes
                .iter()
                .any(|other| task_type.starts_with(other))
            && !self.other_types.iter().any(|other| other == task_type)
    }
}
