//! What an examination of a queue reads, and what a repair is told.

use super::Str;

/// What a key of a queue has: tasks in a state, or something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlaceKind {
    Pending,
    Active,
    Scheduled,
    Retry,
    Archived,
    Completed,
    /// A group or an aggregation set.
    Aggregating,
    Leases,
    /// The names of groups.
    Groups,
}

/// About how many keys of Redis are looked at in one step.
pub(crate) const KEYS_AT_ONCE: u64 = 500;
/// The same, where only the names of keys are looked at.
pub(crate) const GLOBAL_KEYS_AT_ONCE: u64 = 1_000;

/// What was found in one step, and where the next one begins. `None`: that was the last one.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) next: Option<String>,
    /// A list has moved, and nobody knows how far: ids of earlier steps may come again, and others may be left out.
    pub(crate) has_moved: bool,
    pub(crate) found: Vec<Finding>,
}

/// One thing that was found. Its meaning is that of the script: `lua/examine_place.lua`, `lua/examine_keys.lua`.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) word: Str,
    pub(crate) name: Str,
    pub(crate) detail: Str,
}

/// What to do with damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RepairMode {
    /// See whether it is there.
    Check,
    Repair,
    /// Delete what belongs to a queue that was deleted.
    Discard,
}

/// Damage as `lua/repair.lua` takes it.
#[derive(Debug)]
pub(crate) struct DamagedPart<'d> {
    pub(crate) kind: &'static str,
    pub(crate) key: &'d str,
    pub(crate) member: &'d str,
    /// For a completed task: how long it is kept (s). For a counter: when it expires (unix s).
    pub(crate) time: i64,
    /// The message of the task does not decode.
    pub(crate) is_undecodable: bool,
    /// Of a task without a place: what its hash had when it was found; see `lua/lib/trace_of.lua`. Of a key of another
    /// type: the right type.
    pub(crate) trace: &'d str,
    /// Where a long list of pending tasks has the id: how many ids are at its right, and itself.
    pub(crate) copies: Vec<u64>,
}

/// What setting a queue aside for deletion came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetAside {
    /// Nothing is done: so many tasks are active.
    Active(u64),
    /// Nothing is done: there are at least so many tasks.
    NotEmpty(u64),
    /// Groups with so many tasks are set aside; there are more.
    Part(u64),
    /// All the rest is set aside, with so many tasks.
    All(u64),
}
