//! Which exports an integration lets use it. Pure.

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

/// How exports of `namespace` stand with the integration `key`.
pub(super) fn standing(key: &ObjectKey, spec: &ClinchIntegrationSpec, namespace: &str) -> Standing {
    if key.namespace == namespace {
        return Standing::Granted;
    }
    match spec.access.mode {
        AccessMode::SameNamespace => Standing::Refused,
        AccessMode::Automatic => Standing::Granted,
        AccessMode::Approval if spec.access.approved.iter().any(|known| known == namespace) => {
            Standing::Granted
        }
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
            standing(&ObjectKey::new("talent", "clinch"), &spec.unwrap(), namespace)
        };
        let approval = serde_json::json!({"mode": "Approval", "approved": ["team-a"]});
        let modes = [serde_json::json!({}), approval, serde_json::json!({"mode": "Automatic"})];
        let stands = |namespace| modes.clone().map(|mode| of(mode, namespace));
        assert_eq!(stands("talent"), [Granted, Granted, Granted]);
        assert_eq!(stands("team-a"), [Refused, Granted, Granted]);
        assert_eq!(stands("team-b"), [Refused, Awaiting, Granted]);
    }
}
