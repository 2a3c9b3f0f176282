//! Some of the records of a source. Pure.

/// Some of the records of a source, by their number in it: a bit each.
#[derive(Debug, Default)]
pub(super) struct RecordSet {
    bits: Vec<u64>,
    count: usize,
}

impl RecordSet {
    /// How many they are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether a record is among them.
    pub(super) fn contains(&self, number: usize) -> bool {
        self.bits.get(number / 64).is_some_and(|bits| bits & (1 << (number % 64)) != 0)
    }

    /// Adds a record that is not among them.
    pub(super) fn add(&mut self, number: usize) {
        self.bits.resize(self.bits.len().max(number / 64 + 1), 0);
        self.bits[number / 64] |= 1 << (number % 64);
        self.count += 1;
    }
}
