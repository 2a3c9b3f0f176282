//! The bounds of the expression language, in one place. Pure.

use crate::mapping::limits::MAX_VALUE_BYTES;

/// The longest expression, in bytes.
pub const MAX_TEXT_BYTES: usize = 2048;
/// How deep an expression may nest: parentheses, calls, chains of operators and members.
pub const MAX_DEPTH: u8 = 48;
/// How many comprehensions (`filter`, `map`, ...) may stand inside each other.
pub const MAX_LOOPS: usize = 2;
/// How many `matches` patterns one expression may have.
pub const MAX_PATTERNS: usize = 8;
/// The largest text within an evaluation, and the largest result, in bytes.
pub const MAX_OUTPUT_BYTES: usize = MAX_VALUE_BYTES;
/// How many steps one evaluation may take.
pub const STEP_LIMIT: u64 = 250_000;
/// How many steps all expressions of one record may take together.
pub const RECORD_STEP_LIMIT: u64 = 1_000_000;
/// How many bytes of text one step pays for.
const BYTES_PER_STEP: usize = 16;

/// The evaluation has used up its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;

/// The steps that are left. Every node visited, item produced or looked at, and every
/// [`BYTES_PER_STEP`] bytes read or written cost one, so that time and memory are both bounded.
#[derive(Debug)]
pub struct Fuel {
    limit: u64,
    used: u64,
}

impl Fuel {
    /// A tank of `limit` steps.
    pub const fn new(limit: u64) -> Self {
        Self { limit, used: 0 }
    }

    /// Takes `steps`. Never grants more than the limit, however often it is asked.
    pub fn spend(&mut self, steps: u64) -> Result<(), Exhausted> {
        let left = self.limit - self.used;
        if steps > left {
            self.used = self.limit;
            return Err(Exhausted);
        }
        self.used += steps;
        Ok(())
    }

    /// Pays for reading or writing `bytes` of text.
    pub fn spend_bytes(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.spend((bytes / BYTES_PER_STEP) as u64)
    }

    /// Pays for `count` items.
    pub fn spend_items(&mut self, count: usize) -> Result<(), Exhausted> {
        self.spend(count as u64)
    }

    /// How many steps may still be taken.
    pub const fn left(&self) -> u64 {
        self.limit - self.used
    }

    /// How many steps have been taken.
    pub const fn used(&self) -> u64 {
        self.used
    }
}
