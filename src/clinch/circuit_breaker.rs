//! Calls that are refused without being sent: the client's credential was rejected, or the last
//! calls to the account all failed. Does no I/O.

use std::sync::Arc;

use tokio::sync::watch;

use super::{account::Account, error::ClinchError};

/// What is known of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing speaks against it.
    Good,
    /// A request was answered 401, and it is being checked whether that concerns the credential.
    Doubted,
    /// It is rejected.
    Rejected,
}

/// The standing of a client's credential. Doubted by the first 401 before its permit is released, so
/// that queued requests wait instead of each collecting a 401.
#[derive(Debug, Clone)]
pub(super) struct CredentialStanding(Arc<watch::Sender<Standing>>);

impl Default for CredentialStanding {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Standing::Good)))
    }
}

impl CredentialStanding {
    pub(super) fn get(&self) -> Standing {
        *self.0.borrow()
    }

    /// A request was answered 401.
    pub(super) fn doubt(&self) {
        self.change(|standing| standing == Standing::Good, Standing::Doubted);
    }

    /// The check is over, and did not reject the credential.
    pub(super) fn end_doubt(&self) {
        self.change(|standing| standing == Standing::Doubted, Standing::Good);
    }

    /// Waits until no check is in progress.
    pub(super) async fn settled(&self) {
        // Fails only if the sender is gone, and `self` owns it.
        let _ = self.0.subscribe().wait_for(|standing| *standing != Standing::Doubted).await;
    }

    fn set(&self, new: Standing) {
        self.change(|_| true, new);
    }

    fn change(&self, from: impl FnOnce(Standing) -> bool, to: Standing) {
        self.0.send_if_modified(|standing| {
            let changes = from(*standing) && *standing != to;
            if changes {
                *standing = to;
            }
            changes
        });
    }
}

/// The circuit breaker of one client: its own for a rejected credential, and the account's for
/// an outage.
#[derive(Debug)]
pub(super) struct CircuitBreaker {
    standing: CredentialStanding,
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
    pub(super) fn new(standing: CredentialStanding, account: Arc<Account>) -> Self {
        Self { standing, rejected: watch::Sender::new(false), account }
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
            Err(ClinchError::Unauthorized) => {
                breaker.standing.set(Standing::Rejected);
                change(true)
            }
            // Any other success may belong to a call admitted before the 401: it proves nothing.
            Ok(_) if self.force => {
                change(false);
                breaker.standing.set(Standing::Good);
                false
            }
            // The 401 was about the clock.
            Err(ClinchError::ClockSkew { .. }) => {
                breaker.standing.set(Standing::Good);
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
        CircuitBreaker::new(CredentialStanding::default(), account())
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
        let [one, other] = [(); 2]
            .map(|()| CircuitBreaker::new(CredentialStanding::default(), Arc::clone(&account)));
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
    async fn requests_wait_while_a_credential_is_doubted_and_a_check_settles_it() {
        let breaker = breaker();
        let standing = breaker.standing.clone();
        standing.doubt();
        let waiting = tokio::spawn({
            let standing = standing.clone();
            async move { standing.settled().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        breaker.admit(true).unwrap().finish(&Ok(()));
        waiting.await.unwrap();
        standing.doubt();
        breaker.admit(true).unwrap().finish::<()>(&Err(ClinchError::Unauthorized));
        standing.end_doubt();
        standing.doubt();
        assert_eq!(standing.get(), Standing::Rejected, "until a check is accepted");
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
