//! What is not even tried: calls with a credential that was rejected, and calls to an account whose
//! last calls all failed. The first is known per client, the second per account. Keeps time on the
//! tokio clock; no other I/O.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{account::Account, error::ClinchError};

/// So many calls in a row have to fail before the gate closes.
const FAILURES_TO_CLOSE: u32 = 5;
/// How long it stays closed before one call is let through as a probe.
const CLOSED_FOR: Duration = Duration::from_secs(10);

/// Shut by the first 401, before the request that met it gives its permit to the next one: so
/// that those who passed the gate and wait for a permit do not meet it, too.
#[derive(Debug, Clone, Default)]
pub struct Shutter(Arc<AtomicBool>);

impl Shutter {
    pub(super) fn shut(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_shut(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn open(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The gate in front of one client.
#[derive(Debug)]
pub(super) struct Gate {
    shutter: Shutter,
    rejected: watch::Sender<bool>,
    account: Arc<Account>,
}

/// Closes after failures in a row, for all clients of an account.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<Failures>);

#[derive(Debug, Default)]
struct Failures {
    in_a_row: u32,
    closed_until: Option<Instant>,
    probing: bool,
}

impl Breaker {
    /// Lets a call through, perhaps as the probe (`true`), or says why not.
    fn enter(&self) -> Result<bool, ClinchError> {
        let mut failures = self.lock();
        let Some(until) = failures.closed_until else { return Ok(false) };
        let left = until.saturating_duration_since(Instant::now());
        if failures.probing || !left.is_zero() {
            let retry_after = Some(left.max(Duration::from_secs(1)));
            return Err(ClinchError::Unavailable { status: None, retry_after });
        }
        failures.probing = true;
        Ok(true)
    }

    fn ended<T>(&self, result: &Result<T, ClinchError>) {
        let mut failures = self.lock();
        match result {
            Err(error) if error.is_outage() => {
                failures.in_a_row = failures.in_a_row.saturating_add(1);
                if failures.in_a_row >= FAILURES_TO_CLOSE {
                    failures.closed_until = Some(Instant::now() + CLOSED_FOR);
                }
            }
            // Nothing was sent, or nothing was said about the API's health.
            Err(ClinchError::RateLimited { .. } | ClinchError::Fenced | ClinchError::Withdrawn) => {
            }
            _ => {
                failures.in_a_row = 0;
                failures.closed_until = None;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Failures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that was let through; has to be told how it ended.
pub(super) struct Passage<'a> {
    gate: &'a Gate,
    probe: bool,
    asked: bool,
}

impl Gate {
    pub(super) fn new(shutter: Shutter, account: Arc<Account>) -> Self {
        Self { shutter, rejected: watch::Sender::new(false), account }
    }

    /// Whether the credential is known as rejected, as a signal to wait on.
    pub(super) fn rejected(&self) -> watch::Receiver<bool> {
        self.rejected.subscribe()
    }

    /// Lets a call through or says why not. `asked`: a deliberate check, which passes always.
    pub(super) fn enter(&self, asked: bool) -> Result<Passage<'_>, ClinchError> {
        if asked {
            return Ok(Passage { gate: self, probe: false, asked });
        }
        if *self.rejected.borrow() {
            return Err(ClinchError::Unauthorized);
        }
        let probe = self.account.breaker().enter()?;
        Ok(Passage { gate: self, probe, asked })
    }
}

impl Passage<'_> {
    /// Tells how the call ended. `true`: this is the first word of a rejected credential.
    pub(super) fn ended<T>(self, result: &Result<T, ClinchError>) -> bool {
        self.gate.account.breaker().ended(result);
        let change = |now: bool| {
            self.gate.rejected.send_if_modified(|known| std::mem::replace(known, now) != now)
        };
        match result {
            Err(ClinchError::Unauthorized) => change(true),
            // Whoever entered before the 401 was accepted before it: that says nothing.
            Ok(_) if self.asked => {
                change(false);
                self.gate.shutter.open();
                false
            }
            // The 401 was about the clock.
            Err(ClinchError::ClockSkew { .. }) => {
                self.gate.shutter.open();
                false
            }
            Ok(_) | Err(_) => false,
        }
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        // Also when the call was cancelled: else no other probe would ever be let through.
        if self.probe {
            self.gate.account.breaker().lock().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::bucket::Limits, *};

    const DOWN: Result<(), ClinchError> =
        Err(ClinchError::Unavailable { status: Some(503), retry_after: None });

    fn account() -> Arc<Account> {
        Arc::new(Account::new(Limits::default()))
    }

    fn gate() -> Gate {
        Gate::new(Shutter::default(), account())
    }

    fn close(gate: &Gate) {
        for _ in 0..FAILURES_TO_CLOSE {
            gate.enter(false).unwrap().ended(&DOWN);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_failures_in_a_row_one_probe_decides() {
        let gate = gate();
        close(&gate);
        assert!(matches!(gate.enter(false), Err(ClinchError::Unavailable { status: None, .. })));
        tokio::time::advance(CLOSED_FOR).await;
        let probe = gate.enter(false).unwrap();
        assert!(gate.enter(false).is_err(), "one probe at a time");
        probe.ended(&DOWN);
        assert!(gate.enter(false).is_err(), "the probe failed: closed again");
        tokio::time::advance(CLOSED_FOR).await;
        drop(gate.enter(false).unwrap());
        gate.enter(false).expect("a cancelled probe frees its place").ended(&Ok(()));
        gate.enter(false).unwrap();
        gate.enter(false).expect("open for everyone again");
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_never_tire_send_one_probe_in_ten_seconds() {
        let gate = gate();
        let (start, mut sent) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_secs(60) {
            // Sixteen at a time, all of whom ask before the first of them knows.
            let passages: Vec<_> = (0..16).filter_map(|_| gate.enter(false).ok()).collect();
            sent += passages.len();
            passages.into_iter().for_each(|passage| {
                passage.ended(&DOWN);
            });
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert_eq!(sent, 16 + 5, "once each, then one at 10, 20, 30, 40 and 50 s");
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_of_single_records_do_not_close_it() {
        let gate = gate();
        for _ in 0..3 * FAILURES_TO_CLOSE {
            gate.enter(false).unwrap().ended::<()>(&Err(ClinchError::Conflict));
        }
        gate.enter(false).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_the_accounts_and_a_401_is_the_clients() {
        let account = account();
        let [one, other] = [(); 2].map(|()| Gate::new(Shutter::default(), Arc::clone(&account)));
        for failing in [&one, &other, &one, &other, &one] {
            failing.enter(false).unwrap().ended(&DOWN);
        }
        assert!(one.enter(false).is_err() && other.enter(false).is_err(), "closed for both");
        tokio::time::advance(CLOSED_FOR).await;
        let probe = other.enter(false).unwrap();
        assert!(one.enter(false).is_err(), "one probe for both");
        probe.ended(&Ok(()));
        one.enter(false)
            .expect("the other's answer opens it")
            .ended::<()>(&Err(ClinchError::Unauthorized));
        assert_eq!(one.enter(false).err(), Some(ClinchError::Unauthorized));
        other.enter(false).expect("its credential was not rejected");
    }

    #[tokio::test]
    async fn a_401_is_known_at_once_and_only_a_deliberate_check_passes_it() {
        let gate = gate();
        let mut signal = gate.rejected();
        let refused: Result<(), _> = Err(ClinchError::Unauthorized);
        let (one, other) = (gate.enter(false).unwrap(), gate.enter(false).unwrap());
        let earlier = gate.enter(false).unwrap();
        assert!(one.ended(&refused), "the first word of it");
        assert!(!other.ended(&refused), "told once");
        assert!(*signal.borrow_and_update());
        earlier.ended(&Ok(()));
        assert_eq!(gate.enter(false).err(), Some(ClinchError::Unauthorized));
        gate.enter(true).unwrap().ended(&Ok(()));
        gate.enter(false).unwrap();
        assert!(!*signal.borrow_and_update());
    }
}
