//! What calls for many tasks report.

/// How far a call for many tasks is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BulkProgress {
    /// How many tasks have been looked at.
    pub examined: u64,
    /// How many of them the filter matches.
    pub matched: u64,
    /// How many of these have been changed.
    pub changed: u64,
    /// About how many tasks there were in all when the call began.
    pub total: u64,
}

/// What a call for many tasks has done.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BulkResult {
    /// How many tasks were looked at.
    pub examined: u64,
    /// How many of them were changed.
    pub changed: u64,
}
