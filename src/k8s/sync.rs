//! Whether every watch has listed its objects once. Until then an object that is missing from a
//! store may still exist, so nothing is reconciled. Afterwards: whether a watched kind ceased to be
//! served.
//!
//! `Store::wait_until_ready` is not used: it wakes only the latest of several waiters on a store,
//! and the store's controller is one of them.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

/// Counts the initial lists that are still outstanding.
#[derive(Debug, Clone)]
pub(super) struct CacheSync {
    left: watch::Sender<usize>,
    unserved: Arc<Notify>,
}

/// The initial list of one watch.
#[derive(Debug)]
pub(super) struct InitialList {
    left: watch::Sender<usize>,
    unserved: Arc<Notify>,
}

impl CacheSync {
    /// No list is expected yet.
    pub(super) fn new() -> Self {
        Self { left: watch::Sender::new(0), unserved: Arc::default() }
    }

    /// Expects one more list.
    pub(super) fn expect(&self) -> InitialList {
        self.left.send_modify(|left| *left += 1);
        InitialList { left: self.left.clone(), unserved: self.unserved.clone() }
    }

    /// Notified each time that a CRD may be missing, or be another one.
    pub(super) fn unserved(&self) -> Arc<Notify> {
        self.unserved.clone()
    }

    /// Resolves once every expected list is done; for any number of waiters.
    pub(super) fn wait(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut left = self.left.subscribe();
        async move {
            // The sender is dropped at shutdown only, when the answer no longer matters.
            let _gone = left.wait_for(|left| *left == 0).await.is_err();
        }
    }
}

impl InitialList {
    /// Where the watch reports that its kind is not served.
    pub(super) fn unserved(&self) -> Arc<Notify> {
        self.unserved.clone()
    }

    /// The store holds every object of the list.
    pub(super) fn done(self) {
        self.left.send_modify(|left| *left -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_list_wakes_every_waiter() {
        let sync = CacheSync::new();
        let (one, two) = (sync.expect(), sync.expect());
        let waiters: Vec<_> = (0..3).map(|_| tokio::spawn(sync.wait())).collect();
        tokio::task::yield_now().await;
        one.done();
        tokio::task::yield_now().await;
        assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
        two.done();
        for waiter in waiters {
            waiter.await.unwrap();
        }
        sync.wait().await;
    }
}
