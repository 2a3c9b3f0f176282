//! The configured ceilings. Pure.

/// The ceilings of one integration; if several use one account, the strictest apply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Maximum requests per second; `None`: no configured ceiling.
    pub requests_per_second: Option<u32>,
    /// Maximum requests in flight, at least 1.
    pub max_in_flight: usize,
}

impl Limits {
    /// The lower ceiling of each pair.
    #[must_use]
    pub fn strictest(self, other: Self) -> Self {
        Self {
            requests_per_second: match (self.requests_per_second, other.requests_per_second) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            },
            max_in_flight: self.max_in_flight.min(other.max_in_flight),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests_per_second: None, max_in_flight: 8 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_of_two_ceilings_applies_and_none_is_no_ceiling() {
        let limits =
            |requests_per_second, max_in_flight| Limits { requests_per_second, max_in_flight };
        for (one, other, both) in [
            (limits(None, 8), limits(None, 4), limits(None, 4)),
            (limits(None, 8), limits(Some(5), 9), limits(Some(5), 8)),
            (limits(Some(7), 2), limits(Some(5), 9), limits(Some(5), 2)),
        ] {
            assert_eq!((one.strictest(other), other.strictest(one)), (both, both));
        }
    }
}
