//! How far a call for many tasks is.

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
