//! A set of records of one source, one bit each. Pure.

/// A set of records, by their number in the source.
#[derive(Debug, Clone, Default)]
pub(super) struct RecordSet {
    bits: Vec<u64>,
    count: usize,
}

impl RecordSet {
    /// How many records it has.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether it has a record.
    pub(super) fn contains(&self, number: usize) -> bool {
        self.bits.get(number / 64).is_some_and(|bits| bits & (1 << (number % 64)) != 0)
    }

    /// Adds a record that it does not have yet.
    pub(super) fn add(&mut self, number: usize) {
        self.bits.resize(self.bits.len().max(number / 64 + 1), 0);
        self.bits[number / 64] |= 1 << (number % 64);
        self.count += 1;
    }
}
