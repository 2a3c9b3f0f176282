//! Whether every watch has listed its objects once. Until then an object that is missing from a
//! store may still exist, so nothing is reconciled.
//!
//! `Store::wait_until_ready` is not used: it wakes only the latest of several waiters on a store,
//! and the store's controller is one of them.

use tokio::sync::watch;

/// Counts the initial lists that are still outstanding.
#[derive(Debug, Clone)]
pub(super) struct CacheSync(watch::Sender<usize>);

/// The initial list of one watch.
#[derive(Debug)]
pub(super) struct InitialList(watch::Sender<usize>);

impl CacheSync {
    /// No list is expected yet.
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// Expects one more list.
    pub(super) fn expect(&self) -> InitialList {
        self.0.send_modify(|left| *left += 1);
        InitialList(self.0.clone())
    }

    /// Resolves once every expected list is done; for any number of waiters.
    pub(super) fn wait(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut left = self.0.subscribe();
        async move {
            // The sender is dropped at shutdown only, when the answer no longer matters.
            let _gone = left.wait_for(|left| *left == 0).await.is_err();
        }
    }
}

impl InitialList {
    /// The store holds every object of the list.
    pub(super) fn done(self) {
        self.0.send_modify(|left| *left -= 1);
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
