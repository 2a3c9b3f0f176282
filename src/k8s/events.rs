//! Events on the Kubernetes API. Best effort: a failure is logged.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use crate::{
    api::{GROUP, VERSION},
    cluster::{Notice, NoticeType, ObjectRef},
};

/// The longest note the API takes, in bytes.
const MAX_NOTE: usize = 1000;

#[derive(Clone)]
pub(crate) struct Events {
    recorder: Recorder,
}

impl Events {
    pub(crate) fn new(client: Client, instance: String) -> Self {
        let reporter =
            Reporter { controller: "clinch-operator".to_owned(), instance: Some(instance) };
        Self { recorder: Recorder::new(client, reporter) }
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
        if let Err(error) = self.recorder.publish(&event, &reference).await {
            let error = super::error::summary(&error);
            tracing::debug!(object = %object.key, reason = %event.reason, %error, "event not written");
        }
    }
}
