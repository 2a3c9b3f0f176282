//! What is logged of a watch that breaks off. Reads the tokio clock; no other I/O.

use std::time::Duration;

use kube::runtime::watcher;
use tokio::time::Instant;

use super::error::{is_busy, summary};

/// How long an API server may answer 429 and 5xx before that is a warning: it does so while it starts.
const PATIENCE: Duration = Duration::from_secs(30);

/// The interruptions of one watch.
#[derive(Debug, Default)]
pub(super) struct Interruptions {
    since: Option<Instant>,
}

impl Interruptions {
    /// The watch works.
    pub(super) fn over(&mut self) {
        self.since = None;
    }

    /// Logs that the watch broke off.
    pub(super) fn log(&mut self, kind: &str, error: &watcher::Error) {
        if self.is_news(code(error)) {
            tracing::warn!(%kind, error = %words(error), "watch interrupted");
        } else {
            tracing::debug!(%kind, error = %words(error), "watch interrupted");
        }
    }

    /// Whether an interruption with this status is worth a warning.
    fn is_news(&mut self, code: Option<u16>) -> bool {
        let began = *self.since.get_or_insert_with(Instant::now);
        !code.is_some_and(is_busy) || began.elapsed() >= PATIENCE
    }
}

fn code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

/// The error without text that a server may have echoed.
fn words(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => {
            summary(error)
        }
        watcher::Error::WatchError(status) => format!("{} {}", status.code, status.reason),
        watcher::Error::WatchFailed(_) | watcher::Error::NoResourceVersion => {
            "connection lost".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_busy_api_server_is_a_warning_only_once_it_lasts() {
        let mut watch = Interruptions::default();
        assert!(watch.is_news(None) && watch.is_news(Some(403)), "not busy");
        assert!(!watch.is_news(Some(503)) && !watch.is_news(Some(429)));
        advance(PATIENCE).await;
        assert!(watch.is_news(Some(503)));
        watch.over();
        assert!(!watch.is_news(Some(503)));
    }
}
