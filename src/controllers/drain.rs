//! How long the end of a process waits for its work. Waits on the tokio clock; no other I/O.

use std::{pin::pin, time::Duration};

use tokio::time::{Instant, sleep};

/// How long work that makes no request to Clinch may take, e.g. to store a ledger.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long no request is in flight before nothing is: between two of a record there is a moment.
const QUIET: Duration = Duration::from_millis(500);
/// How long a request may take beyond its timeout, until its result is stored.
const MARGIN: Duration = Duration::from_millis(500);
/// The longest wait, however long a request may take: Kubernetes kills the process after 45 s
/// (`terminationGracePeriodSeconds` of the chart), and the Lease has to be released before that.
const LONGEST: Duration = Duration::from_secs(35);
/// How often to check whether requests are in flight.
const CHECK_EVERY: Duration = Duration::from_millis(50);

/// Waits until `work` has ended; false if it did not end in time. A request in flight may take until
/// its timeout; with none in flight, for [`QUIET`], the wait is over after [`PATIENCE`].
pub(super) async fn drain(
    work: impl Future<Output = ()>,
    in_flight: impl Fn() -> usize,
    request_timeout: Duration,
) -> bool {
    let mut work = pin!(work);
    let longest = (request_timeout + MARGIN).min(LONGEST);
    let started = Instant::now();
    let mut quiet_since = started;
    loop {
        tokio::select! {
            biased;
            () = &mut work => return true,
            () = sleep(CHECK_EVERY) => {}
        }
        if in_flight() > 0 {
            quiet_since = Instant::now();
        }
        let quiet = quiet_since.elapsed() >= QUIET && started.elapsed() >= PATIENCE;
        if quiet || started.elapsed() >= longest {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        future::{pending, ready},
    };

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_is_waited_for_and_no_longer() {
        let started = Instant::now();
        assert!(drain(ready(()), || 1, TIMEOUT).await);
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert!(drain(sleep(Duration::from_secs(2)), || 0, TIMEOUT).await);
        assert!(drain(sleep(Duration::from_secs(9)), || 1, TIMEOUT).await);
        assert_eq!(started.elapsed(), Duration::from_secs(11));
    }

    #[tokio::test(start_paused = true)]
    async fn work_with_nothing_in_flight_has_less_than_five_seconds() {
        let started = Instant::now();
        assert!(!drain(pending(), || 0, TIMEOUT).await);
        let waited = started.elapsed();
        assert!(waited >= PATIENCE && waited < Duration::from_millis(3500), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_flight_has_until_its_timeout() {
        let started = Instant::now();
        assert!(!drain(pending(), || 1, TIMEOUT).await);
        let waited = started.elapsed();
        assert!(waited >= TIMEOUT && waited < TIMEOUT + Duration::from_secs(1), "{waited:?}");
        let started = Instant::now();
        assert!(!drain(pending(), || 1, Duration::from_secs(60)).await);
        assert_eq!(started.elapsed(), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn the_moment_between_two_requests_of_a_record_is_not_the_end() {
        let checks = Cell::new(0_u32);
        let in_flight = || {
            checks.set(checks.get() + 1);
            // One check in four finds none; from six seconds on none is left.
            usize::from(!checks.get().is_multiple_of(4) && checks.get() < 120)
        };
        let started = Instant::now();
        assert!(!drain(pending(), in_flight, TIMEOUT).await);
        let waited = started.elapsed();
        assert!(waited > Duration::from_secs(6) && waited < Duration::from_secs(7), "{waited:?}");
    }
}
