//! The numbers that a field allows.

/// Numbers in ascending order, each once, and at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbers(Vec<u16>);

impl Numbers {
    /// `numbers`: at least one, in any order.
    pub(super) fn new(mut numbers: Vec<u16>) -> Self {
        numbers.sort_unstable();
        numbers.dedup();
        Self(numbers)
    }

    pub(super) fn one(number: u16) -> Self {
        Self(vec![number])
    }

    pub(super) fn first(&self) -> i64 {
        self.0[0].into()
    }

    pub(super) fn to_vec(&self) -> Vec<u16> {
        self.0.clone()
    }

    pub(super) fn contains(&self, number: i64) -> bool {
        self.at_or_after(number) == Some(number)
    }

    pub(super) fn at_or_after(&self, number: i64) -> Option<i64> {
        self.from(number).next()
    }

    /// All of them that are not below a number.
    pub(super) fn from(&self, number: i64) -> impl Iterator<Item = i64> {
        let i = self.0.partition_point(|&n| i64::from(n) < number);
        self.0[i..].iter().map(|&n| n.into())
    }
}
