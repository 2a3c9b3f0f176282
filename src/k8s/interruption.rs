//! What is said of a watch that breaks off. Reads the tokio clock; no other I/O.

use std::{fmt, time::Duration};

use kube::runtime::watcher;
use tokio::time::Instant;

use super::error::{is_busy, summary};

/// How long an API server may answer 429 and 5xx before that is a warning: it does so while it starts. So does a watch
/// that expires: the API server forgets old versions, and all of a kind whose CRD changes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Interruptions this far apart have nothing to do with each other. A watch of a quiet cluster does not say that it
/// works.
const APART: Duration = Duration::from_mins(3);
/// The version that a watch begins at is not known any more. It lists again.
const EXPIRED: u16 = 410;

/// The interruptions of one watch.
#[derive(Debug, Default)]
pub(super) struct Interruptions {
    since: Option<Instant>,
    last: Option<Instant>,
}

impl Interruptions {
    /// The watch works. That it begins to list says nothing.
    pub(super) fn over(&mut self) {
        self.since = None;
    }

    /// Logs that the watch of `kind` broke off. It is tried again less and less often.
    pub(super) fn log(&mut self, kind: impl fmt::Display, error: &watcher::Error) {
        if self.is_news(code(error)) {
            tracing::warn!(%kind, error = %words(error), "watch interrupted");
        } else {
            tracing::debug!(%kind, error = %words(error), "watch interrupted");
        }
    }

    /// Whether an interruption with this status is worth a warning.
    fn is_news(&mut self, code: Option<u16>) -> bool {
        if self.last.replace(Instant::now()).is_some_and(|last| last.elapsed() >= APART) {
            self.since = None;
        }
        let began = *self.since.get_or_insert_with(Instant::now);
        let passes = |code| is_busy(code) || code == EXPIRED;
        !code.is_some_and(passes) || began.elapsed() >= PATIENCE
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

/// Whether an error ended or disturbed a watch that was open. Else it could not be opened.
pub(super) const fn is_while_open(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchError(_) | watcher::Error::WatchFailed(_))
}

/// The error without text that a server may have echoed.
pub(super) fn words(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error) => refused("list", error),
        watcher::Error::WatchStartFailed(error) => refused("watch", error),
        watcher::Error::WatchError(status) => format!("{} {}", status.code, status.reason),
        watcher::Error::WatchFailed(_) | watcher::Error::NoResourceVersion => {
            "connection lost".to_owned()
        }
    }
}

fn refused(verb: &str, error: &kube::Error) -> String {
    let words = summary(error);
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            format!("{words}: the operator may not {verb} it: grant it in the operator's role")
        }
        _ => words,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_busy_api_server_and_a_watch_that_expires_are_a_warning_only_once_they_last() {
        let mut watch = Interruptions::default();
        assert!(watch.is_news(None) && watch.is_news(Some(403)), "not busy");
        assert!(!watch.is_news(Some(503)) && !watch.is_news(Some(429)));
        advance(PATIENCE).await;
        assert!(watch.is_news(Some(503)));
        watch.over();
        assert!(!watch.is_news(Some(503)));
        advance(APART).await;
        assert!(!watch.is_news(Some(503)), "another interruption");
        let mut expires = Interruptions::default();
        assert!(!expires.is_news(Some(410)));
        advance(PATIENCE).await;
        assert!(expires.is_news(Some(410)), "it cannot list");
    }
}
