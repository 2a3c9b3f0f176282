//! Calls that are refused without being sent: the client's credential was rejected, or the last
//! calls to the account all failed. Does no I/O.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::watch;

use super::{account::Account, error::ClinchError};

/// Set by the first 401 before its permit is released, so that queued requests fail fast instead
/// of each collecting a 401.
#[derive(Debug, Clone, Default)]
pub(super) struct RejectedFlag(Arc<AtomicBool>);

impl RejectedFlag {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The circuit breaker of one client: its own for a rejected credential, and the account's for
/// an outage.
#[derive(Debug)]
pub(super) struct CircuitBreaker {
    rejected_flag: RejectedFlag,
    rejected: watch::Sender<bool>,
    account: Arc<Account>,
}

/// A call that was admitted; its result must be passed to [`CallGuard::finish`].
pub(super) struct CallGuard<'a> {
    breaker: &'a CircuitBreaker,
    is_trial: bool,
    force: bool,
}

impl CircuitBreaker {
    pub(super) fn new(rejected_flag: RejectedFlag, account: Arc<Account>) -> Self {
        Self { rejected_flag, rejected: watch::Sender::new(false), account }
    }

    /// Whether the credential is known to be rejected, as a signal to wait on.
    pub(super) fn rejected(&self) -> watch::Receiver<bool> {
        self.rejected.subscribe()
    }

    /// Admits a call or returns why not. `force`: a deliberate check, which is always admitted.
    pub(super) fn admit(&self, force: bool) -> Result<CallGuard<'_>, ClinchError> {
        if force {
            return Ok(CallGuard { breaker: self, is_trial: false, force });
        }
        if *self.rejected.borrow() {
            return Err(ClinchError::Unauthorized);
        }
        let is_trial = self.account.breaker().admit()?;
        Ok(CallGuard { breaker: self, is_trial, force })
    }
}

impl CallGuard<'_> {
    /// Records how the call ended. Returns whether this is the first sign of a rejected
    /// credential.
    pub(super) fn finish<T>(self, result: &Result<T, ClinchError>) -> bool {
        let breaker = self.breaker;
        breaker.account.breaker().record(result);
        let change = |now: bool| {
            breaker.rejected.send_if_modified(|known| std::mem::replace(known, now) != now)
        };
        match result {
            Err(ClinchError::Unauthorized) => change(true),
            // Any other success may belong to a call admitted before the 401: it proves nothing.
            Ok(_) if self.force => {
                change(false);
                breaker.rejected_flag.clear();
                false
            }
            // The 401 was about the clock.
            Err(ClinchError::ClockSkew { .. }) => {
                breaker.rejected_flag.clear();
                false
            }
            Ok(_) | Err(_) => false,
        }
    }
}

impl Drop for CallGuard<'_> {
    fn drop(&mut self) {
        // Also when the call was cancelled: otherwise no other trial would ever be admitted.
        if self.is_trial {
            self.breaker.account.breaker().end_trial();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{
        super::{
            bucket::Limits,
            outage_breaker::{FAILURES_TO_OPEN, OPEN_FOR},
        },
        *,
    };

    const DOWN: Result<(), ClinchError> =
        Err(ClinchError::Unavailable { status: Some(503), retry_after: None });

    fn account() -> Arc<Account> {
        Arc::new(Account::new(Limits::default()))
    }

    fn breaker() -> CircuitBreaker {
        CircuitBreaker::new(RejectedFlag::default(), account())
    }

    fn open(breaker: &CircuitBreaker) {
        for _ in 0..FAILURES_TO_OPEN {
            breaker.admit(false).unwrap().finish(&DOWN);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_consecutive_failures_one_trial_decides() {
        let breaker = breaker();
        open(&breaker);
        assert!(matches!(breaker.admit(false), Err(ClinchError::Unavailable { status: None, .. })));
        tokio::time::advance(OPEN_FOR).await;
        let trial = breaker.admit(false).unwrap();
        assert!(breaker.admit(false).is_err(), "one trial at a time");
        trial.finish(&DOWN);
        assert!(breaker.admit(false).is_err(), "the trial failed: open again");
        tokio::time::advance(OPEN_FOR).await;
        drop(breaker.admit(false).unwrap());
        breaker.admit(false).expect("a cancelled trial allows the next one").finish(&Ok(()));
        breaker.admit(false).unwrap();
        breaker.admit(false).expect("closed for everyone again");
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_costs_one_request_in_ten_seconds_however_many_callers_retry() {
        let breaker = breaker();
        let (start, mut sent) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_secs(60) {
            // Sixteen at a time, all admitted before the first result is known.
            let guards: Vec<_> = (0..16).filter_map(|_| breaker.admit(false).ok()).collect();
            sent += guards.len();
            guards.into_iter().for_each(|guard| {
                guard.finish(&DOWN);
            });
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert_eq!(sent, 16 + 5, "once each, then one at 10, 20, 30, 40 and 50 s");
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_of_single_records_do_not_open_it() {
        let breaker = breaker();
        for _ in 0..3 * FAILURES_TO_OPEN {
            breaker.admit(false).unwrap().finish::<()>(&Err(ClinchError::Conflict));
        }
        breaker.admit(false).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_concerns_the_account_and_a_401_the_client() {
        let account = account();
        let [one, other] =
            [(); 2].map(|()| CircuitBreaker::new(RejectedFlag::default(), Arc::clone(&account)));
        for failing in [&one, &other, &one, &other, &one] {
            failing.admit(false).unwrap().finish(&DOWN);
        }
        assert!(one.admit(false).is_err() && other.admit(false).is_err(), "open for both");
        tokio::time::advance(OPEN_FOR).await;
        let trial = other.admit(false).unwrap();
        assert!(one.admit(false).is_err(), "one trial for both");
        trial.finish(&Ok(()));
        one.admit(false)
            .expect("the other client's success closes it")
            .finish::<()>(&Err(ClinchError::Unauthorized));
        assert_eq!(one.admit(false).err(), Some(ClinchError::Unauthorized));
        other.admit(false).expect("its credential was not rejected");
    }

    #[tokio::test]
    async fn a_401_takes_effect_at_once_and_only_a_deliberate_check_is_admitted() {
        let breaker = breaker();
        let mut signal = breaker.rejected();
        let refused: Result<(), _> = Err(ClinchError::Unauthorized);
        let (one, other) = (breaker.admit(false).unwrap(), breaker.admit(false).unwrap());
        let earlier = breaker.admit(false).unwrap();
        assert!(one.finish(&refused), "the first sign");
        assert!(!other.finish(&refused), "reported once");
        assert!(*signal.borrow_and_update());
        earlier.finish(&Ok(()));
        assert_eq!(breaker.admit(false).err(), Some(ClinchError::Unauthorized));
        breaker.admit(true).unwrap().finish(&Ok(()));
        breaker.admit(false).unwrap();
        assert!(!*signal.borrow_and_update());
    }
}
