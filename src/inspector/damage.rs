//! What can be wrong with the data of a queue, and what a repair did.

use std::fmt;

/// Something in Redis that contradicts itself. [`Inspector::examine`](crate::Inspector::examine) finds it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Damage {
    /// What is wrong.
    pub kind: DamageKind,
    /// The queue. `None`: the damage is in what servers and schedulers have, or the list of queues has another type.
    pub queue: Option<String>,
    /// The key in Redis that is wrong, or that has the wrong member.
    pub key: String,
    /// The member of the key: the id of a task, the name of a group or of a queue, the key of a server. For a lock it is
    /// the id of its holder. `None`: the whole key is wrong.
    pub member: Option<String>,
    /// What was found there, for people.
    pub detail: String,
    /// Of a task without a place: what its hash had when it was found. If that has changed, the damage is gone. Of a key of
    /// another type: the right type.
    pub(super) trace: String,
}

impl Damage {
    /// The id of the task, if the damage is about a task.
    pub fn task_id(&self) -> Option<&str> {
        use DamageKind as Kind;
        match self.kind {
            Kind::IdWithoutTask
            | Kind::TaskWithoutPlace
            | Kind::WrongState
            | Kind::ActiveWithoutLease
            | Kind::LeaseWithoutActive
            | Kind::LeakedLock
            | Kind::GhostTask
            | Kind::ListedTwice
            | Kind::Undecodable => self.member.as_deref(),
            Kind::EmptyGroup
            | Kind::UnlistedGroup
            | Kind::UnlistedSet
            | Kind::UnlistedQueue
            | Kind::UnfinishedDeletion
            | Kind::StaleKey
            | Kind::WrongType => None,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.key)?;
        if let Some(member) = &self.member {
            write!(f, ": {member:?}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// What is wrong, in [`Damage::kind`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DamageKind {
    /// A list or a set has the id of a task that does not exist. The repair removes the id.
    IdWithoutTask,
    /// No list and no set has the id of a task that exists, so it never runs. The repair puts it where its state
    /// says; see [`Inspector::repair`](crate::Inspector::repair).
    TaskWithoutPlace,
    /// The list or set that has the task is not that of its state. The repair writes the state of the place; if
    /// the place of its state has the task too, it removes the id from the other one.
    WrongState,
    /// The task is active and has no lease, so nobody recovers it. The repair gives it a lease. Servers of rasynq do
    /// this by themselves within a few minutes.
    ActiveWithoutLease,
    /// There is a lease for a task that is not in the list of active tasks. The repair puts the task back into the
    /// list if its state is active; otherwise it removes the lease.
    LeaseWithoutActive,
    /// `asynq:{q}:groups` has a group without tasks. The repair removes its name.
    EmptyGroup,
    /// `asynq:{q}:groups` does not have a group with tasks, so they are never aggregated. The repair adds its name.
    UnlistedGroup,
    /// `asynq:{q}:aggregation_sets` does not have an aggregation set with tasks, so nobody puts them back into their group.
    /// The repair does that, and lists the group.
    UnlistedSet,
    /// A list has the id of a task more than once, so the task may run more than once. The repair leaves the copy that is
    /// fetched first.
    ListedTwice,
    /// A unique lock whose holder does not exist, is completed, or has another lock. The repair deletes the lock.
    LeakedLock,
    /// A queue has tasks and `asynq:queues` does not list it, so no tool shows it. The repair lists it.
    /// [`Inspector::examine_global`](crate::Inspector::examine_global) finds this.
    UnlistedQueue,
    /// The hash of a task has no message, and no list and no set has its id. The repair deletes the hash.
    GhostTask,
    /// The queue is being deleted, or its deletion was interrupted. The repair ends it.
    UnfinishedDeletion,
    /// A key without a time to live: the counter of a day, a key of a server, the history of an entry that no scheduler has,
    /// if it has no event of the last 10 minutes. Or an entry that is over: a server, a scheduler, an aggregation set that
    /// does not exist. Or the pause of a queue that is not listed and has no tasks, if it is older than a week. The repair
    /// deletes it; a counter or a history gets a time to live.
    StaleKey,
    /// A key has another type than it should, so calls that need it fail. It is only reported, because nobody knows what it
    /// has. Look at it, and rename or delete it: then tasks that it had are tasks without a place.
    WrongType,
    /// The message of a task does not decode. It is only reported. A server archives the task when it fetches it.
    Undecodable,
}

impl DamageKind {
    /// All kinds.
    pub const ALL: &[Self] = &[
        Self::IdWithoutTask,
        Self::TaskWithoutPlace,
        Self::WrongState,
        Self::ActiveWithoutLease,
        Self::LeaseWithoutActive,
        Self::EmptyGroup,
        Self::UnlistedGroup,
        Self::UnlistedSet,
        Self::ListedTwice,
        Self::LeakedLock,
        Self::UnlistedQueue,
        Self::GhostTask,
        Self::UnfinishedDeletion,
        Self::StaleKey,
        Self::WrongType,
        Self::Undecodable,
    ];

    /// The name in snake case: `id_without_task`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IdWithoutTask => "id_without_task",
            Self::TaskWithoutPlace => "task_without_place",
            Self::WrongState => "wrong_state",
            Self::ActiveWithoutLease => "active_without_lease",
            Self::LeaseWithoutActive => "lease_without_active",
            Self::EmptyGroup => "empty_group",
            Self::UnlistedGroup => "unlisted_group",
            Self::UnlistedSet => "unlisted_set",
            Self::ListedTwice => "listed_twice",
            Self::LeakedLock => "leaked_lock",
            Self::UnlistedQueue => "unlisted_queue",
            Self::GhostTask => "ghost_task",
            Self::UnfinishedDeletion => "unfinished_deletion",
            Self::StaleKey => "stale_key",
            Self::WrongType => "wrong_type",
            Self::Undecodable => "undecodable",
        }
    }

    /// Whether [`Inspector::repair`](crate::Inspector::repair) can repair it. `false` only for
    /// [`WrongType`](Self::WrongType) and [`Undecodable`](Self::Undecodable).
    pub fn is_repairable(self) -> bool {
        !matches!(self, Self::WrongType | Self::Undecodable)
    }
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What [`Inspector::repair`](crate::Inspector::repair) did.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repair {
    /// The damage is repaired.
    Repaired,
    /// The damage is gone: somebody else has repaired it, or the data has changed. Nothing was written.
    Gone,
}
