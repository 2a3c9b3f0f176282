//! Until when work waits because Clinch answered 429, as a status shows it. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::conditions::whole_seconds;

/// A shorter wait is not shown: a status may change every two seconds.
const LEAST: Duration = Duration::from_secs(2);
/// What is computed in each pass differs by less from what is shown.
const SAME: SignedDuration = SignedDuration::from_millis(1500);

/// The time to show. `left`: of the wait. `shown`: before this pass; it stays while the wait is the same.
pub(super) fn waiting_until(
    left: Option<Duration>,
    shown: Option<&Time>,
    now: Timestamp,
) -> Option<Time> {
    let until = now.checked_add(left.filter(|left| *left >= LEAST)?).ok()?;
    let is_same = |shown: &&Time| shown.0.duration_since(until).abs() <= SAME;
    let rounded_up = || Time(whole_seconds(until + SignedDuration::from_millis(999)));
    Some(shown.filter(is_same).cloned().unwrap_or_else(rounded_up))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_shown_once_and_until_it_is_nearly_over() {
        let at = |millis: i64| Timestamp::from_millisecond(millis).unwrap();
        let wait = |millis: u64| Some(Duration::from_millis(millis));
        assert_eq!(waiting_until(None, None, at(0)), None);
        assert_eq!(waiting_until(wait(1900), None, at(0)), None);
        let shown = waiting_until(wait(10_100), None, at(0)).unwrap();
        assert_eq!(shown, Time(at(11_000)));
        // Two seconds later, by clocks that differ a little.
        for left in [8095, 8105] {
            let again = waiting_until(wait(left), Some(&shown), at(2000));
            assert_eq!(again.as_ref(), Some(&shown));
        }
        let longer = waiting_until(wait(30_000), Some(&shown), at(4000));
        assert_eq!(longer, Some(Time(at(34_000))));
        assert_eq!(waiting_until(wait(1000), Some(&shown), at(9000)), None);
    }
}
