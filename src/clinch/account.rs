//! What all clients of one account share, whatever integration they belong to: the rate bucket and
//! the breaker. Does no I/O of its own.

use std::sync::Arc;

use super::{
    bucket::{Limits, RateBucket},
    gate::Breaker,
};

/// What is known of one account. It outlives a client, and so a rotated credential.
#[derive(Debug)]
pub(super) struct Account {
    bucket: Arc<RateBucket>,
    breaker: Breaker,
}

impl Account {
    pub(super) fn new(limits: Limits) -> Self {
        Self { bucket: Arc::new(RateBucket::new(limits)), breaker: Breaker::default() }
    }

    pub(super) fn bucket(&self) -> &Arc<RateBucket> {
        &self.bucket
    }

    pub(super) fn breaker(&self) -> &Breaker {
        &self.breaker
    }
}
