//! Whether every watch has seen its first list. Until then an object that is not in a store may
//! yet exist, so nothing is reconciled.
//!
//! `Store::wait_until_ready` is not used: it wakes only the latest of those who wait on a store,
//! and the store's controller is one of them.

use tokio::sync::watch;

/// Counts the lists that are still to come.
#[derive(Debug, Clone)]
pub(super) struct Lists(watch::Sender<usize>);

/// The first list of one watch.
#[derive(Debug)]
pub(super) struct FirstList(watch::Sender<usize>);

impl Lists {
    /// None expected yet.
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// One more to wait for.
    pub(super) fn expect(&self) -> FirstList {
        self.0.send_modify(|left| *left += 1);
        FirstList(self.0.clone())
    }

    /// Resolves once all of them are there; for any number of waiters.
    pub(super) fn all(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut left = self.0.subscribe();
        async move {
            // The sender is gone at shutdown only, when nobody needs to know.
            let _gone = left.wait_for(|left| *left == 0).await.is_err();
        }
    }
}

impl FirstList {
    /// It is there.
    pub(super) fn came(self) {
        self.0.send_modify(|left| *left -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_who_waits_is_woken_by_the_last_list() {
        let lists = Lists::new();
        let (one, two) = (lists.expect(), lists.expect());
        let waiters: Vec<_> = (0..3).map(|_| tokio::spawn(lists.all())).collect();
        tokio::task::yield_now().await;
        one.came();
        tokio::task::yield_now().await;
        assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
        two.came();
        for waiter in waiters {
            waiter.await.unwrap();
        }
        lists.all().await;
    }
}
