//! The text of a message: names of objects, times, and words from closed lists. Nothing that a condition's
//! message says is sent, which may name files and jobs. Pure.

use bytes::Bytes;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::json;

use crate::{
    api::{ConditionType, Notified, NotifyFormat},
    cluster::{ObjectKey, ObjectRef},
    conditions::find,
    domain::{Reason, digest_parts},
};

/// A message about one object.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The same whenever it is sent: what the body says is part of it.
    pub(super) id: String,
    object: ObjectRef,
    integration: ObjectKey,
    cluster: Option<String>,
    ready: bool,
    /// Whether it fails, and is retried.
    retried: bool,
    reason: Option<Reason>,
    /// Since when it is Ready, or fails.
    since: Timestamp,
    quiet_until: Option<Timestamp>,
}

impl Message {
    /// The message of an entry. `cluster`: the name of the cluster, if it has one.
    pub(super) fn new(
        (object, integration, cluster): (&ObjectRef, &ObjectKey, Option<&str>),
        entry: &Notified,
        conditions: &[Condition],
        quiet_until: Option<Timestamp>,
    ) -> Self {
        let ready = find(conditions, ConditionType::Ready);
        let made = entry.sent.last().map_or(Timestamp::UNIX_EPOCH, |sent| sent.0);
        // An entry of an earlier version says neither.
        let word = entry.reason.as_deref().or(ready.map(|ready| ready.reason.as_str()));
        let reason = word.and_then(Reason::from_word);
        let found = || ready.map_or(made, |ready| ready.last_transition_time.0);
        let since = entry.since.as_ref().map_or_else(found, |since| since.0);
        let numbers = [entry.number, made.as_second(), since.as_second()].map(i64::to_be_bytes);
        let words = [object.uid.as_str(), entry.name.as_str(), reason.map_or("", Reason::as_str)];
        let parts = words.iter().map(|word| word.as_bytes());
        let id = digest_parts(parts.chain(numbers.iter().map(|number| &number[..])));
        Self {
            id: format!("ntf_{}", &id.to_string()[..32]),
            object: object.clone(),
            integration: integration.clone(),
            cluster: cluster.map(str::to_owned),
            ready: entry.ready,
            retried: entry.retried,
            reason,
            since,
            quiet_until,
        }
    }

    /// The body of a request.
    pub(super) fn body(&self, format: NotifyFormat) -> Bytes {
        let body = match format {
            NotifyFormat::Slack => json!({"text": self.text()}),
            NotifyFormat::Webhook => self.json(),
        };
        body.to_string().into()
    }

    fn text(&self) -> String {
        let ObjectRef { kind, key, .. } = &self.object;
        let state = match (self.ready, self.retried) {
            (true, _) => "is Ready again",
            (false, true) => "fails and is retried",
            (false, false) => "is Stalled",
        };
        let reason = self.reason.map(|reason| format!(": {reason}. {}", reason.meaning()));
        let cluster = self.cluster.as_ref().map(|name| format!(" Cluster {}.", escaped(name)));
        let mut lines = vec![
            format!("{kind} {key} {state}{}", reason.unwrap_or_default()),
            format!("Since {}.{}", self.since, cluster.unwrap_or_default()),
        ];
        if !self.ready {
            let (kind, ObjectKey { namespace, name }) = (kind.as_str().to_lowercase(), key);
            lines.push(format!("kubectl describe {kind} {name} -n {namespace}"));
        }
        if let Some(until) = self.quiet_until {
            lines.push(format!("No further message about this object before {until}."));
        }
        lines.join("\n")
    }

    fn json(&self) -> serde_json::Value {
        let ObjectRef { kind, key, uid } = &self.object;
        let mut data = json!({
            "kind": kind.as_str(),
            "namespace": key.namespace,
            "name": key.name,
            "uid": uid,
            "integration": self.integration.to_string(),
            "ready": self.ready,
            "since": self.since.to_string(),
        });
        if let Some(reason) = self.reason {
            data["reason"] = reason.as_str().into();
            data["meaning"] = reason.meaning().into();
        }
        if self.retried {
            data["retried"] = true.into();
        }
        if let Some(cluster) = &self.cluster {
            data["cluster"] = cluster.as_str().into();
        }
        if let Some(until) = self.quiet_until {
            data["quietUntil"] = until.to_string().into();
        }
        let state = match (self.ready, self.retried) {
            (true, _) => "object.ready",
            (false, true) => "object.failing",
            (false, false) => "object.stalled",
        };
        json!({"type": state, "timestamp": self.since.to_string(), "data": data})
    }
}

/// As texts for Slack require.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::cluster::Kind;

    fn entry(ready: bool) -> Notified {
        let reason = if ready { Reason::Synced } else { Reason::RecordsRejected };
        let since = Time("2026-11-27T10:00:00Z".parse().unwrap());
        Notified {
            name: "ops".to_owned(),
            ready,
            retried: false,
            reason: Some(reason.to_string()),
            since: Some(since.clone()),
            number: 3,
            delivered: false,
            sent: vec![since],
        }
    }

    fn message_of(entry: &Notified, quiet_until: Option<Timestamp>) -> Message {
        let conditions = [Condition {
            type_: "Ready".to_owned(),
            status: if entry.ready { "True" } else { "False" }.to_owned(),
            reason: Reason::LedgerRefused.to_string(),
            message: "the file of canary@marker.example".to_owned(),
            observed_generation: None,
            last_transition_time: Time("2026-11-27T09:00:00Z".parse().unwrap()),
        }];
        let key = ObjectKey::new("team", "people");
        let object = ObjectRef { kind: Kind::Export, key, uid: "u-1".to_owned() };
        let integration = ObjectKey::new("crm", "clinch");
        Message::new((&object, &integration, Some("eu <1>")), entry, &conditions, quiet_until)
    }

    fn message(ready: bool, quiet_until: Option<Timestamp>) -> Message {
        message_of(&entry(ready), quiet_until)
    }

    fn json_of(message: &Message) -> serde_json::Value {
        serde_json::from_slice(&message.body(NotifyFormat::Webhook)).unwrap()
    }

    #[test]
    fn a_failure_that_is_retried_says_so() {
        let reason = Some(Reason::VendorUnavailable.to_string());
        let message = message_of(&Notified { retried: true, reason, ..entry(false) }, None);
        let text = message.text();
        let begins = "CandidateExport team/people fails and is retried: VendorUnavailable. Clinch \
                      answered 5xx.\nSince 2026-11-27T10:00:00Z. Cluster eu &lt;1&gt;.\nkubectl describe ";
        assert!(text.starts_with(begins), "{text}");
        let body = json_of(&message);
        assert_eq!(
            (&body["type"], &body["data"]["retried"]),
            (&"object.failing".into(), &true.into())
        );
        assert_eq!(body["data"]["ready"], false);
    }

    #[test]
    fn a_message_stays_as_it_was_made_and_one_of_an_earlier_version_says_what_is_the_case() {
        let body = json_of(&message(false, None));
        assert_eq!(body["data"]["reason"], "RecordsRejected", "whatever the reason is now");
        let earlier = Notified { reason: None, since: None, ..entry(false) };
        let body = json_of(&message_of(&earlier, None));
        assert_eq!(
            (&body["data"]["reason"], &body["timestamp"]),
            (&"LedgerRefused".into(), &"2026-11-27T09:00:00Z".into())
        );
    }

    #[test]
    fn a_text_names_object_reason_time_and_cluster_and_nothing_of_the_condition() {
        let until = "2026-11-27T11:00:00Z".parse().ok();
        assert_eq!(
            message(false, until).text(),
            "CandidateExport team/people is Stalled: RecordsRejected. More records were rejected than \
             the failure budget allows.\nSince 2026-11-27T10:00:00Z. Cluster eu &lt;1&gt;.\n\
             kubectl describe candidateexport people -n team\n\
             No further message about this object before 2026-11-27T11:00:00Z."
        );
        let back = message(true, None).text();
        assert!(back.starts_with("CandidateExport team/people is Ready again: Synced. "), "{back}");
        for format in [NotifyFormat::Slack, NotifyFormat::Webhook] {
            let body = message(false, None).body(format);
            assert!(!String::from_utf8_lossy(&body).contains("canary"));
        }
    }

    #[test]
    fn json_has_the_members_of_standard_webhooks_and_an_id_that_stays() {
        let stalled = message(false, None);
        let body = json_of(&stalled);
        let expected = json!({
            "type": "object.stalled",
            "timestamp": "2026-11-27T10:00:00Z",
            "data": {
                "kind": "CandidateExport", "namespace": "team", "name": "people", "uid": "u-1",
                "integration": "crm/clinch", "ready": false, "since": "2026-11-27T10:00:00Z",
                "reason": "RecordsRejected", "cluster": "eu <1>",
                "meaning": "More records were rejected than the failure budget allows.",
            },
        });
        assert_eq!(body, expected);
        assert_eq!(stalled.id, message(false, None).id);
        assert!(stalled.id.starts_with("ntf_") && stalled.id.len() == 36, "{}", stalled.id);
    }
}
