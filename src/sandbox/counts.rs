//! Request counts by operation and status.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;

use super::state::lock;

/// Request counts by operation and status.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestCounts {
    /// By e.g. `listCandidates 200`; the status is `-` if there was no response.
    pub by_operation: BTreeMap<String, u64>,
    /// All of them.
    pub total: u64,
    /// Maximum number of concurrent requests.
    pub max_concurrent: u64,
    /// Requests in progress.
    pub under_way: u64,
}

impl RequestCounts {
    /// Requests of an operation, with any status.
    pub fn of(&self, operation: &str) -> u64 {
        let named = |name: &str| name.split(' ').next() == Some(operation);
        self.by_operation.iter().filter(|(name, _)| named(name)).map(|(_, count)| count).sum()
    }

    /// Requests of an operation with that status.
    pub fn with(&self, operation: &str, status: u16) -> u64 {
        self.by_operation.get(&format!("{operation} {status}")).copied().unwrap_or_default()
    }
}

/// The running count.
#[derive(Debug, Default)]
pub(super) struct Counter {
    answered: Mutex<HashMap<(&'static str, Option<u16>), u64>>,
    now: AtomicU64,
    most: AtomicU64,
}

/// One request in progress; ends when dropped, even if the client disconnects first.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Counter>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Counter {
    pub(super) fn start(self: &Arc<Self>) -> UnderWay {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// `None`: the connection was closed without a response.
    pub(super) fn count(&self, operation: &'static str, status: Option<u16>) {
        *lock(&self.answered).entry((operation, status)).or_default() += 1;
    }

    pub(super) fn snapshot(&self) -> RequestCounts {
        let answered = lock(&self.answered);
        let named = |(operation, status): &(&str, Option<u16>)| {
            let status = status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            format!("{operation} {status}")
        };
        RequestCounts {
            by_operation: answered.iter().map(|(key, count)| (named(key), *count)).collect(),
            total: answered.values().sum(),
            max_concurrent: self.most.load(Ordering::Relaxed),
            under_way: self.now.load(Ordering::Relaxed),
        }
    }

    pub(super) fn reset(&self) {
        lock(&self.answered).clear();
        self.most.store(self.now.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}
