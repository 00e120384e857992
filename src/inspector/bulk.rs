//! What calls for many tasks report.

/// What a call for many tasks has done.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BulkResult {
    /// How many tasks were looked at.
    pub examined: u64,
    /// How many of them were changed.
    pub changed: u64,
}
