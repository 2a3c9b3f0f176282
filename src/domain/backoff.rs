//! How long to wait between attempts. Pure; a caller that talks to a shared service adds jitter.

use std::time::Duration;

/// The delay before the first retry.
const FIRST: Duration = Duration::from_secs(1);
/// The longest delay.
const LONGEST: Duration = Duration::from_mins(10);

/// When something that needs a change by a person is probed again without one.
pub const REPROBE_EVERY: Duration = Duration::from_mins(15);

/// The delay after `failures` earlier failures in a row: 1 s, doubled each time, 10 min at most.
pub fn backoff(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.min(10)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_from_a_second_to_ten_minutes() {
        let seconds = [0, 1, 2, 9, 10, 11, u32::MAX].map(|failures| backoff(failures).as_secs());
        assert_eq!(seconds, [1, 2, 4, 512, 600, 600, 600]);
    }
}
