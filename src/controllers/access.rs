//! Which exports an integration lets use it. Pure.

use std::collections::BTreeMap;

use crate::{
    api::{AccessMode, ClinchIntegrationSpec},
    cluster::ObjectKey,
};

/// What access exports of a namespace have to an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// They may use the integration.
    Granted,
    /// They may not until the namespace is approved.
    Awaiting,
    /// They may not: the admin has denied the namespace.
    Denied,
    /// They may not, and must not learn that the integration exists.
    Refused,
}

/// The access that exports of `namespace` have to the integration `key`. `labels` returns the
/// labels of a namespace, where the operator may read them.
pub(super) fn access_of(
    key: &ObjectKey,
    spec: &ClinchIntegrationSpec,
    namespace: &str,
    labels: impl FnOnce(&str) -> Option<BTreeMap<String, String>>,
) -> Access {
    if key.namespace == namespace {
        return Access::Granted;
    }
    let listed = || spec.access.approved.iter().any(|known| known == namespace);
    let selected = || {
        let selector = spec.access.namespace_selector.as_ref();
        selector.is_some_and(|wanted| labels(namespace).is_some_and(|found| wanted.matches(&found)))
    };
    let is_denied = || spec.access.denied.iter().any(|known| known == namespace);
    match spec.access.mode {
        AccessMode::SameNamespace => Access::Refused,
        AccessMode::Approval | AccessMode::Automatic if is_denied() => Access::Denied,
        AccessMode::Automatic => Access::Granted,
        AccessMode::Approval if listed() || selected() => Access::Granted,
        AccessMode::Approval => Access::Awaiting,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Access::{Awaiting, Denied, Granted, Refused},
        *,
    };

    #[test]
    fn only_the_own_namespace_needs_no_approval() {
        let of = |access: serde_json::Value, namespace: &str| {
            let spec = serde_json::from_value(serde_json::json!({
                "region": "EU", "environment": "Sandbox", "access": access,
                "credentials": {"secretRef": {"name": "c"}}
            }));
            let labels = |namespace: &str| {
                let team = ("team".to_owned(), namespace.to_owned());
                (namespace != "unread").then(|| BTreeMap::from([team]))
            };
            access_of(&ObjectKey::new("talent", "clinch"), &spec.unwrap(), namespace, labels)
        };
        let approval = serde_json::json!({"mode": "Approval", "approved": ["team-a"]});
        let modes = [serde_json::json!({}), approval, serde_json::json!({"mode": "Automatic"})];
        let granted = |namespace| modes.clone().map(|mode| of(mode, namespace));
        assert_eq!(granted("talent"), [Granted, Granted, Granted]);
        assert_eq!(granted("team-a"), [Refused, Granted, Granted]);
        assert_eq!(granted("team-b"), [Refused, Awaiting, Granted]);
        // A denial is stronger than an approval, a selector, and mode Automatic.
        let denied = |mode: serde_json::Value, namespace: &str| {
            let mut mode = mode;
            mode["denied"] = serde_json::json!(["talent", "team-a"]);
            of(mode, namespace)
        };
        let found = |namespace| modes.clone().map(|mode| denied(mode, namespace));
        assert_eq!(found("talent"), [Granted, Granted, Granted], "the own namespace");
        assert_eq!(found("team-a"), [Refused, Denied, Denied]);
        assert_eq!(found("team-b"), [Refused, Awaiting, Granted]);
        let any = serde_json::json!({"mode": "Approval", "namespaceSelector": {}});
        assert_eq!(denied(any.clone(), "team-a"), Denied);
        assert_eq!(denied(any, "team-b"), Granted);
        let cases = [
            (serde_json::json!({"matchLabels": {"team": "x"}}), ["x"].as_slice()),
            (serde_json::json!({}), &["x", "y"]),
            (exp("In", &["x", "z"]), &["x"]),
            (exp("NotIn", &["x"]), &["y"]),
            (exp("Exists", &[]), &["x", "y"]),
            (exp("DoesNotExist", &[]), &[]),
        ];
        for (selector, granted) in cases {
            let access = serde_json::json!({"mode": "Approval", "namespaceSelector": selector});
            for namespace in ["x", "y", "unread"] {
                let expected = if granted.contains(&namespace) { Granted } else { Awaiting };
                assert_eq!(of(access.clone(), namespace), expected, "{selector} {namespace}");
            }
        }
    }

    fn exp(operator: &str, values: &[&str]) -> serde_json::Value {
        serde_json::json!({
            "matchExpressions": [{"key": "team", "operator": operator, "values": values}]
        })
    }
}
