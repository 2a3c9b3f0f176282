//! Finds the n-th marked position of a growing sequence whose marks change, in logarithmic time: a
//! Fenwick tree. Pure.

/// A sequence of positions, some of them marked.
#[derive(Debug, Default)]
pub(super) struct Ranks {
    /// At position p (from 1): how many of the `low_bit(p)` positions that end with p are marked.
    sums: Vec<usize>,
    count: usize,
}

const fn low_bit(place: usize) -> usize {
    place & place.wrapping_neg()
}

impl Ranks {
    /// Number of positions.
    pub(super) fn len(&self) -> usize {
        self.sums.len()
    }

    /// Number of marked positions.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Appends a position.
    pub(super) fn push(&mut self, marked: bool) {
        let place = self.sums.len() + 1;
        let before = place - low_bit(place);
        let mut sum = usize::from(marked);
        let mut part = place - 1;
        while part > before {
            sum += self.sums[part - 1];
            part -= low_bit(part);
        }
        self.sums.push(sum);
        self.count += usize::from(marked);
    }

    /// Marks an unmarked position.
    pub(super) fn mark(&mut self, at: usize) {
        self.count += 1;
        self.sums_with(at, |sum| *sum += 1);
    }

    /// Unmarks a marked position.
    pub(super) fn unmark(&mut self, at: usize) {
        self.count -= 1;
        self.sums_with(at, |sum| *sum -= 1);
    }

    fn sums_with(&mut self, at: usize, change: impl Fn(&mut usize)) {
        let mut place = at + 1;
        while let Some(sum) = self.sums.get_mut(place - 1) {
            change(sum);
            place += low_bit(place);
        }
    }

    /// The n-th marked position, from 0.
    pub(super) fn nth(&self, n: usize) -> Option<usize> {
        if n >= self.count {
            return None;
        }
        let (mut at, mut left) = (0, n);
        let mut step = 1_usize << self.sums.len().ilog2();
        while step > 0 {
            if let Some(sum) = self.sums.get(at + step - 1).filter(|sum| **sum <= left) {
                left -= sum;
                at += step;
            }
            step >>= 1;
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_mark_agrees_with_a_linear_search() {
        let (mut ranks, mut plain) = (Ranks::default(), Vec::new());
        for step in 0_usize..300 {
            let mixed = step.wrapping_mul(0x9E37_79B9) >> 7;
            let marked = mixed % 3 != 0;
            ranks.push(marked);
            plain.push(marked);
            let at = mixed % plain.len();
            if plain[at] {
                ranks.unmark(at);
            } else {
                ranks.mark(at);
            }
            plain[at] = !plain[at];
            let expected: Vec<usize> = (0..plain.len()).filter(|at| plain[*at]).collect();
            let found: Vec<usize> = (0..).map_while(|n| ranks.nth(n)).collect();
            assert_eq!(found, expected, "after {step} steps");
            assert_eq!((ranks.len(), ranks.count()), (plain.len(), expected.len()));
        }
    }
}
