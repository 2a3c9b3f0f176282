//! The bounds of the expression language, in one place. Pure.

use crate::mapping::limits::MAX_VALUE_BYTES;

/// Maximum length of an expression, in bytes.
pub const MAX_TEXT_BYTES: usize = 2048;
/// Maximum nesting of an expression: parentheses, calls, chains of operators and members.
pub const MAX_DEPTH: u8 = 48;
/// Maximum nesting of comprehensions (`filter`, `map`, ...).
pub const MAX_LOOPS: usize = 2;
/// Maximum number of `matches` patterns in an expression.
pub const MAX_PATTERNS: usize = 8;
/// Maximum size of a string within an evaluation, in bytes.
pub const MAX_OUTPUT_BYTES: usize = MAX_VALUE_BYTES;
/// Maximum number of steps of one evaluation.
pub const STEP_LIMIT: u64 = 250_000;
/// Maximum number of steps of all expressions of one record together.
pub const RECORD_STEP_LIMIT: u64 = 1_000_000;
/// How many bytes of a string one step pays for.
const BYTES_PER_STEP: usize = 16;

/// The evaluation has used up its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;

/// A budget of steps. Each node visited, each item produced or inspected and each [`BYTES_PER_STEP`]
/// bytes read or written cost one, which bounds both time and memory.
#[derive(Debug)]
pub struct Fuel {
    limit: u64,
    used: u64,
}

impl Fuel {
    /// A budget of `limit` steps.
    pub const fn new(limit: u64) -> Self {
        Self { limit, used: 0 }
    }

    /// Spends `steps`. Never grants more than the limit in total.
    pub fn spend(&mut self, steps: u64) -> Result<(), Exhausted> {
        let left = self.limit - self.used;
        if steps > left {
            self.used = self.limit;
            return Err(Exhausted);
        }
        self.used += steps;
        Ok(())
    }

    /// Pays for reading or writing `bytes` of a string.
    pub fn spend_bytes(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.spend((bytes / BYTES_PER_STEP) as u64)
    }

    /// Pays for `count` items.
    pub fn spend_items(&mut self, count: usize) -> Result<(), Exhausted> {
        self.spend(count as u64)
    }

    /// How many steps are left.
    pub const fn left(&self) -> u64 {
        self.limit - self.used
    }

    /// How many steps are spent.
    pub const fn used(&self) -> u64 {
        self.used
    }
}
