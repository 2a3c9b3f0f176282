//! Which exports an integration lets use it. Pure.

use std::collections::BTreeMap;

use crate::{
    api::{AccessMode, ClinchIntegrationSpec},
    cluster::ObjectKey,
};

/// How an export of some namespace stands with an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may use the integration.
    Granted,
    /// It may not until the namespace is approved.
    Awaiting,
    /// It may not, and is not told that there is such an integration.
    Refused,
}

/// How exports of `namespace` stand with the integration `key`. `labels` gives the labels of a
/// namespace, where they can be told.
pub(super) fn standing(
    key: &ObjectKey,
    spec: &ClinchIntegrationSpec,
    namespace: &str,
    labels: impl FnOnce(&str) -> Option<BTreeMap<String, String>>,
) -> Standing {
    if key.namespace == namespace {
        return Standing::Granted;
    }
    let listed = || spec.access.approved.iter().any(|known| known == namespace);
    let meant = || {
        let selector = spec.access.namespace_selector.as_ref();
        selector.is_some_and(|wanted| labels(namespace).is_some_and(|found| wanted.matches(&found)))
    };
    match spec.access.mode {
        AccessMode::SameNamespace => Standing::Refused,
        AccessMode::Automatic => Standing::Granted,
        AccessMode::Approval if listed() || meant() => Standing::Granted,
        AccessMode::Approval => Standing::Awaiting,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Standing::{Awaiting, Granted, Refused},
        *,
    };

    #[test]
    fn only_the_own_namespace_needs_no_leave() {
        let of = |access: serde_json::Value, namespace: &str| {
            let spec = serde_json::from_value(serde_json::json!({
                "region": "EU", "environment": "Sandbox", "access": access,
                "credentials": {"secretRef": {"name": "c"}}
            }));
            let labels = |namespace: &str| {
                let team = ("team".to_owned(), namespace.to_owned());
                (namespace != "unread").then(|| BTreeMap::from([team]))
            };
            standing(&ObjectKey::new("talent", "clinch"), &spec.unwrap(), namespace, labels)
        };
        let approval = serde_json::json!({"mode": "Approval", "approved": ["team-a"]});
        let modes = [serde_json::json!({}), approval, serde_json::json!({"mode": "Automatic"})];
        let stands = |namespace| modes.clone().map(|mode| of(mode, namespace));
        assert_eq!(stands("talent"), [Granted, Granted, Granted]);
        assert_eq!(stands("team-a"), [Refused, Granted, Granted]);
        assert_eq!(stands("team-b"), [Refused, Awaiting, Granted]);
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
