//! Objects whose cluster cannot be read for a moment: an API server that starts, or is replaced, answers
//! 429 and 5xx. That is retried, and reported only once it lasts. Reads the tokio clock; no other I/O.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::cluster::ClusterError;

/// How long such answers may last before they are reported.
const PATIENCE: Duration = Duration::from_secs(30);

/// Since when objects cannot be read, by UID.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<HashMap<String, Instant>>);

impl Trouble {
    fn since(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an error passes by itself and has not lasted long.
    pub(super) fn is_brief(&self, uid: &str, error: &ClusterError) -> bool {
        let began = *self.since().entry(uid.to_owned()).or_insert_with(Instant::now);
        error.is_busy() && began.elapsed() < PATIENCE
    }

    /// Whether it has lasted too long to pass by itself.
    pub(super) fn lasts(&self, uid: &str) -> bool {
        self.since().get(uid).is_some_and(|began| began.elapsed() >= PATIENCE)
    }

    /// The object was read.
    pub(super) fn over(&self, uid: &str) {
        self.since().remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_busy_api_server_is_reported_once_it_lasts_and_other_errors_at_once() {
        let busy = |code: &str| ClusterError::Unavailable {
            verb: "get",
            what: "secrets a/b".to_owned(),
            code: code.to_owned(),
        };
        let trouble = Trouble::default();
        assert!(trouble.is_brief("u", &busy("503")) && trouble.is_brief("v", &busy("429")));
        assert!(!trouble.is_brief("w", &busy("no answer")));
        assert!(!trouble.is_brief("w", &busy("404")));
        let forbidden = ClusterError::Forbidden { verb: "get", what: String::new() };
        assert!(!trouble.is_brief("x", &forbidden));
        assert!(!trouble.lasts("x") && !trouble.lasts("never read"));
        advance(PATIENCE).await;
        assert!(trouble.lasts("x"));
        assert!(!trouble.is_brief("u", &busy("503")));
        trouble.over("u");
        assert!(!trouble.lasts("u"));
        assert!(trouble.is_brief("u", &busy("503")));
    }
}
