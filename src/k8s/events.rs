//! Events on the Kubernetes API. Best effort: a failure is logged, a missing permission once.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::time::Instant;

use crate::{
    api::{GROUP, VERSION},
    cluster::{ClusterError, Notice, NoticeType, ObjectRef},
};

/// The longest note the API takes, in bytes.
const MAX_NOTE: usize = 1000;

/// How long a recorder counts repetitions of an Event before it publishes another one.
const REPEATED_FOR: Duration = Duration::from_mins(6);

#[derive(Clone)]
pub(crate) struct Events {
    client: Client,
    reporter: Reporter,
    said: Arc<Mutex<HashMap<Subject, Said>>>,
    refusal: Refusal,
}

/// What Events are repetitions of each other, as a [`Recorder`] sees it.
type Subject = (String, &'static str, &'static str);

/// The last note on a subject, and the recorder that counts its repetitions.
struct Said {
    note: String,
    recorder: Recorder,
    at: Instant,
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
        Self { client, reporter, said: Arc::default(), refusal: Refusal::default() }
    }

    /// The recorder for a note. One recorder takes Events that differ in their note only for
    /// repetitions, keeps the first note and raises its count; the note of an Event cannot be changed.
    /// So a new note gets a new recorder, which publishes a new Event.
    fn recorder(&self, subject: Subject, note: &str) -> Recorder {
        let now = Instant::now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|_, said| now.saturating_duration_since(said.at) < REPEATED_FOR);
        let fresh = || Said {
            note: note.to_owned(),
            recorder: Recorder::new(self.client.clone(), self.reporter.clone()),
            at: now,
        };
        let known = said.entry(subject).or_insert_with(fresh);
        if known.note != note {
            *known = fresh();
        }
        known.at = now;
        known.recorder.clone()
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
            note: Some(note.clone()),
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
        let subject = (object.uid.clone(), notice.reason.as_str(), notice.action);
        let recorder = self.recorder(subject, &note);
        let published = recorder.publish(&event, &reference).await;
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
    use bytes::Bytes;
    use http::{Request, Response, StatusCode};
    use http_body_util::Full;
    use kube::client::Body;
    use tower::BoxError;

    use super::*;
    use crate::{
        cluster::{Kind, ObjectKey},
        domain::Reason,
    };

    /// Collects what is logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_right_that_is_withdrawn_is_logged_once() {
        let refuse = async |_: Request<Body>| {
            let refused = r#"{"kind": "Status", "apiVersion": "v1", "status": "Failure",
                "reason": "Forbidden", "code": 403, "message": "no"}"#;
            let mut refused = Response::new(Full::<Bytes>::from(refused));
            *refused.status_mut() = StatusCode::FORBIDDEN;
            Ok::<_, BoxError>(refused)
        };
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let _logs = tracing::subscriber::set_default(subscriber);
        let client = Client::new(tower::service_fn(refuse), "default");
        let events = Events::new(client, "here".to_owned());
        let key = ObjectKey::new("talent", "nightly");
        let object = ObjectRef { kind: Kind::Export, key, uid: "u".to_owned() };
        for message in ["one", "two"] {
            let (kind, reason) = (NoticeType::Normal, Reason::Synced);
            let notice = Notice { kind, reason, action: "Push", message: message.to_owned() };
            events.publish(&object, notice).await;
        }
        let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(logged.matches("Events cannot be written").count(), 1, "{logged}");
        assert!(logged.contains("may not create events.events.k8s.io"), "{logged}");
    }

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
