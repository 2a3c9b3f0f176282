//! Events on the Kubernetes API. Best effort: a failure is logged, a missing permission once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use crate::{
    api::{GROUP, VERSION},
    cluster::{ClusterError, Notice, NoticeType, ObjectRef},
};

/// The longest note the API takes, in bytes.
const MAX_NOTE: usize = 1000;

#[derive(Clone)]
pub(crate) struct Events {
    recorder: Recorder,
    refusal: Refusal,
}

/// Whether the last Event was refused for want of permission, so that this is logged once.
#[derive(Debug, Clone, Default)]
struct Refusal(Arc<AtomicBool>);

impl Refusal {
    /// Notes how a write ended; returns whether a refusal is news.
    fn is_news(&self, error: Option<&ClusterError>) -> bool {
        let refused = matches!(error, Some(ClusterError::Forbidden { .. }));
        match error {
            // Says nothing about permissions.
            Some(_) if !refused => false,
            Some(_) | None => !self.0.swap(refused, Ordering::Relaxed) && refused,
        }
    }
}

impl Events {
    pub(crate) fn new(client: Client, instance: String) -> Self {
        let reporter =
            Reporter { controller: "clinch-operator".to_owned(), instance: Some(instance) };
        Self { recorder: Recorder::new(client, reporter), refusal: Refusal::default() }
    }

    pub(crate) async fn publish(&self, object: &ObjectRef, notice: Notice) {
        let mut note = notice.message;
        if note.len() > MAX_NOTE {
            let end = (0..=MAX_NOTE).rev().find(|end| note.is_char_boundary(*end)).unwrap_or(0);
            note.truncate(end);
        }
        let event = Event {
            type_: match notice.kind {
                NoticeType::Normal => EventType::Normal,
                NoticeType::Warning => EventType::Warning,
            },
            reason: notice.reason.as_str().to_owned(),
            note: Some(note),
            action: notice.action.to_owned(),
            secondary: None,
        };
        let reference = ObjectReference {
            api_version: Some(format!("{GROUP}/{VERSION}")),
            kind: Some(object.kind.as_str().to_owned()),
            namespace: Some(object.key.namespace.clone()),
            name: Some(object.key.name.clone()),
            uid: Some(object.uid.clone()),
            ..ObjectReference::default()
        };
        let published = self.recorder.publish(&event, &reference).await;
        let failure = published
            .err()
            .map(|error| super::error::cluster_error("create", "events.events.k8s.io", &error));
        let news = self.refusal.is_news(failure.as_ref());
        let Some(error) = failure else { return };
        if news {
            tracing::warn!(%error, "Events cannot be written; this is logged once");
        } else {
            tracing::debug!(object = %object.key, reason = %event.reason, %error, "event not written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_permission_is_news_once_and_again_after_it_was_granted() {
        let refused = ClusterError::Forbidden { verb: "create", what: "events".to_owned() };
        let failed = ClusterError::Conflict { what: "events".to_owned() };
        let refusal = Refusal::default();
        let seen = [
            Some(&refused),
            Some(&refused),
            Some(&failed),
            Some(&refused),
            None,
            None,
            Some(&refused),
        ]
        .map(|error| refusal.is_news(error));
        assert_eq!(seen, [true, false, false, false, false, false, true]);
    }
}
