//! The access of a caller to its account: revocable, paused at times, and with the credential that is valid
//! now. Waits; sends nothing.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::sleep;

use super::{Client, Inner};
use crate::{
    clinch::{error::ClinchError, footing::Footing},
    domain::{Grant, GrantState},
};

/// How often a request that waits for access looks whether it has it.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The access of a caller: revocable, and with the credential that is valid now.
#[derive(Clone)]
pub(super) struct Lease {
    pub(super) grant: Grant,
    /// Whether reads wait while it is paused.
    pub(super) waits: bool,
    pub(super) successor: Successor,
    /// Namespace and name, for logs.
    pub(super) export: Arc<str>,
}

/// The client that took over from another one of the same account, with another credential.
#[derive(Clone, Default)]
pub struct Successor(Arc<Mutex<Option<Arc<Inner>>>>);

impl Successor {
    /// From now on `client` sends the requests.
    pub fn set(&self, client: &Client) {
        *self.lock() = Some(Arc::clone(&client.0));
    }

    pub(super) fn get(&self) -> Option<Arc<Inner>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Inner>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// The same client for an export whose access to the account may be paused or revoked. `export`: its
    /// namespace and name, for logs.
    ///
    /// While it is paused no attempt starts: reads wait, and a write fails with
    /// [`ClinchError::GrantPaused`] when the pause is over, because what it was based on has to be
    /// read again. Once it is revoked each attempt fails with [`ClinchError::GrantRevoked`].
    #[must_use]
    pub fn with_grant(&self, grant: Grant, successor: Successor, export: &str) -> Self {
        let export = export.into();
        let lease = Lease { grant, waits: true, successor, export };
        Self(Arc::clone(&self.0), Some(lease), self.2.clone())
    }

    /// The same client for a caller that holds what others wait for: while access is paused, every request
    /// fails with [`ClinchError::GrantPaused`] at once. Such a caller waits with [`Client::admitted`].
    #[must_use]
    pub fn without_waiting(self) -> Self {
        let Self(inner, lease, footing) = self;
        Self(inner, lease.map(|lease| Lease { waits: false, ..lease }), footing)
    }

    /// The same client for writes that rest on what was read of a person. A write that may not be sent any
    /// more fails with [`ClinchError::GrantPaused`]: its caller starts over.
    #[must_use]
    pub fn on(&self, footing: Footing) -> Self {
        Self(Arc::clone(&self.0), self.1.clone(), Some(footing))
    }

    /// Waits while the caller's access is paused. True if it was.
    pub async fn admitted(&self) -> Result<bool, ClinchError> {
        let Some(Lease { grant, .. }) = &self.1 else { return Ok(false) };
        let mut waited = false;
        loop {
            match grant.state() {
                GrantState::Valid => return Ok(waited),
                GrantState::Revoked => return Err(ClinchError::GrantRevoked),
                GrantState::Paused => {
                    waited = true;
                    sleep(LOOK_EVERY).await;
                }
            }
        }
    }
}
