//! The key of an entry, by which schedulers tell that their entries are the same one, and the id that is made
//! from it.

use sha1_smol::Sha1;

use crate::broker::Str;

/// The key of an entry: its name; or, without a name, a digest of all that it consists of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct EntryKey(Str);

#[expect(dead_code, reason = "the ticker will use them")]
impl EntryKey {
    pub(super) fn new(key: &str) -> Self {
        Self(key.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn shared(&self) -> Str {
        self.0.clone()
    }

    /// The key of the `n`th entry of a scheduler that has this key. The first one is the key itself.
    pub(super) fn nth(&self, n: usize) -> Self {
        if n == 1 {
            return self.clone();
        }
        Self(format!("{}#{n}", self.0).into())
    }

    /// The key of an entry that no other scheduler can have.
    pub(super) fn of_scheduler(&self, scheduler_id: &str) -> Self {
        Self(format!("{}@{scheduler_id}", self.0).into())
    }

    /// The id under which asynqmon and Go's inspector show the entry: a UUID that is the same in every
    /// scheduler and after every start.
    pub(super) fn entry_id(&self) -> String {
        let mut digest = Digest::default();
        digest.add("rasynq scheduler entry");
        digest.add(self.as_str());
        let bytes = digest.first();
        uuid::Builder::from_sha1_bytes(bytes)
            .into_uuid()
            .to_string()
    }

    /// A number below `bound` for a tick of the entry: the same in every scheduler. 0 if the bound is 0.
    pub(super) fn spread(&self, tick: i64, bound: u64) -> u64 {
        let mut digest = Digest::default();
        digest.add(self.as_str());
        digest.add(tick.to_be_bytes());
        u64::from_be_bytes(digest.first())
            .checked_rem(bound)
            .unwrap_or(0)
    }
}

/// A digest of parts with their lengths, so that no two lists of parts have the same one.
#[derive(Default)]
pub(super) struct Digest(Sha1);

impl Digest {
    pub(super) fn add(&mut self, part: impl AsRef<[u8]>) {
        self.count(part.as_ref().len());
        self.0.update(part.as_ref());
    }

    pub(super) fn count(&mut self, n: usize) {
        self.0.update(&(n as u64).to_be_bytes());
    }

    pub(super) fn hex(&self) -> String {
        self.0.digest().to_string()
    }

    /// The first bytes of the digest.
    fn first<const N: usize>(&self) -> [u8; N] {
        let mut first = [0; N];
        first.copy_from_slice(&self.0.digest().bytes()[..N]);
        first
    }
}
