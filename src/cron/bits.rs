//! Sets of small numbers.

/// A set of numbers below 64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BitSet(u64);

impl BitSet {
    pub(super) fn insert(&mut self, number: u16) {
        self.0 |= 1 << number;
    }

    pub(super) fn contains(self, number: i64) -> bool {
        (0..64).contains(&number) && self.0 & 1 << number != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn at_or_after(self, number: i64) -> Option<i64> {
        (number.max(0)..64).find(|&number| self.contains(number))
    }

    /// In ascending order.
    pub(super) fn numbers(self) -> Vec<u16> {
        (0..64)
            .filter(|&number| self.contains(number.into()))
            .collect()
    }
}

impl Extend<u16> for BitSet {
    fn extend<I: IntoIterator<Item = u16>>(&mut self, numbers: I) {
        for number in numbers {
            self.insert(number);
        }
    }
}

impl FromIterator<u16> for BitSet {
    fn from_iter<I: IntoIterator<Item = u16>>(numbers: I) -> Self {
        let mut set = Self::default();
        set.extend(numbers);
        set
    }
}
