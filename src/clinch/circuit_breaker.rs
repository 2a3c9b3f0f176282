//! Calls that are refused without being sent: the client's credential was rejected, or Clinch is down.
//! Does no I/O.

use std::sync::Arc;

use tokio::sync::watch;

use super::{account::Account, error::ClinchError, outage_breaker::Trial};

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

    /// The trial that is due before a call can be admitted, or why it is not. `force`: a deliberate
    /// check, which is always admitted.
    pub(super) async fn trial(&self, force: bool) -> Result<Option<Trial<'_>>, ClinchError> {
        if force {
            return Ok(None);
        }
        self.check_credential()?;
        self.account.breaker().admit().await
    }

    /// Admits a call or returns why not.
    pub(super) fn admit(&self, force: bool) -> Result<CallGuard<'_>, ClinchError> {
        if !force {
            self.check_credential()?;
        }
        Ok(CallGuard { breaker: self, force })
    }

    fn check_credential(&self) -> Result<(), ClinchError> {
        if *self.rejected.borrow() { Err(ClinchError::Unauthorized) } else { Ok(()) }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, advance};

    use super::{
        super::{
            bucket::Limits,
            outage_breaker::{FAILURES_TO_DOUBT, OPEN_FOR},
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

    fn fail(breaker: &CircuitBreaker) {
        breaker.admit(false).unwrap().finish(&DOWN);
    }

    fn doubt(breaker: &CircuitBreaker) {
        (0..FAILURES_TO_DOUBT).for_each(|_| fail(breaker));
    }

    /// Whether a trial is due.
    async fn is_due(breaker: &CircuitBreaker) -> bool {
        breaker.trial(false).await.unwrap().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn after_consecutive_failures_a_trial_decides() {
        let breaker = breaker();
        doubt(&breaker);
        let trial = breaker.trial(false).await.unwrap().unwrap();
        assert_eq!(trial.ended(DOWN), DOWN);
        let refused = breaker.trial(false).await;
        assert!(matches!(refused, Err(ClinchError::Unavailable { status: None, .. })));
        fail(&breaker);
        advance(OPEN_FOR).await;
        drop(breaker.trial(false).await.unwrap().expect("the next one"));
        let trial = breaker.trial(false).await.unwrap().expect("it was cancelled");
        trial.ended(Ok(())).unwrap();
        assert!(!is_due(&breaker).await, "closed for everyone again");
        (1..FAILURES_TO_DOUBT).for_each(|_| fail(&breaker));
        assert!(!is_due(&breaker).await, "counted from the beginning");
    }

    #[tokio::test(start_paused = true)]
    async fn other_calls_wait_for_the_trial_and_share_its_result() {
        let breaker = Arc::new(breaker());
        for result in [DOWN, Ok(())] {
            doubt(&breaker);
            advance(OPEN_FOR).await;
            let trial = breaker.trial(false).await.unwrap().unwrap();
            let waiting = tokio::spawn({
                let breaker = Arc::clone(&breaker);
                async move { breaker.trial(false).await.map(|trial| trial.is_some()) }
            });
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
            let ended = trial.ended(result.clone());
            assert_eq!(ended, result);
            assert_eq!(waiting.await.unwrap().is_err(), result.is_err());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_is_not_sent_decides_nothing() {
        let breaker = breaker();
        doubt(&breaker);
        for unsent in [ClinchError::GrantPaused, ClinchError::RateLimited { retry_after: None }] {
            let trial = breaker.trial(false).await.unwrap().unwrap();
            assert_eq!(trial.ended::<()>(Err(unsent.clone())), Err(unsent));
        }
        assert!(is_due(&breaker).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_costs_one_trial_in_ten_seconds_however_many_callers_retry() {
        let breaker = breaker();
        let (start, mut sent, mut trials) = (Instant::now(), 0, 0);
        while start.elapsed() < Duration::from_secs(60) {
            // Sixteen at a time, all admitted before the first result is known.
            let mut guards = Vec::new();
            for _ in 0..16 {
                match breaker.trial(false).await {
                    Ok(None) => guards.push(breaker.admit(false).unwrap()),
                    Ok(Some(trial)) => {
                        trials += 1;
                        assert!(trial.ended(DOWN).is_err());
                    }
                    Err(_) => {}
                }
            }
            sent += guards.len();
            guards.into_iter().for_each(|guard| {
                guard.finish(&DOWN);
            });
            advance(Duration::from_millis(100)).await;
        }
        assert_eq!((sent, trials), (16, 6), "once each, then one at 0, 10, 20, 30, 40 and 50 s");
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_of_single_records_do_not_open_it() {
        let breaker = breaker();
        for _ in 0..3 * FAILURES_TO_DOUBT {
            breaker.admit(false).unwrap().finish::<()>(&Err(ClinchError::Conflict));
        }
        assert!(!is_due(&breaker).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_concerns_the_account_and_a_401_the_client() {
        let account = account();
        let [one, other] = [(); 2]
            .map(|()| CircuitBreaker::new(CredentialStanding::default(), Arc::clone(&account)));
        [&one, &other, &one, &other, &one].into_iter().for_each(fail);
        one.trial(false).await.unwrap().unwrap().ended(DOWN).unwrap_err();
        assert!(one.trial(false).await.is_err() && other.trial(false).await.is_err());
        advance(OPEN_FOR).await;
        other.trial(false).await.unwrap().unwrap().ended(Ok(())).unwrap();
        assert!(!is_due(&one).await, "the other client's trial closes it");
        one.admit(false).unwrap().finish::<()>(&Err(ClinchError::Unauthorized));
        assert_eq!(one.admit(false).err(), Some(ClinchError::Unauthorized));
        assert!(one.trial(false).await.is_err());
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
