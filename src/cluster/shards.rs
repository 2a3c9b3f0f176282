//! Which process reconciles what, where several share the work: the integration decides, and everything that
//! names it follows. Pure.

use kube::ResourceExt as _;

use super::{Kind, Lister, ObjectKey, integration_of};
use crate::{
    api::{ClinchIntegration, SHARD_LABEL},
    domain::{Reason, Shard},
};

/// The shard that an integration asks for: its label.
pub fn wanted_shard(integration: &ClinchIntegration) -> &str {
    integration.labels().get(SHARD_LABEL).map_or(Shard::DEFAULT, String::as_str)
}

/// The shard that has an integration. Only its process contacts the account. A label says where the integration
/// is to go; it goes there once the shard that has it has ended its runs and says so in the status.
pub fn holding_shard(integration: &ClinchIntegration) -> &str {
    let named = integration.status.as_ref().and_then(|status| status.shard.as_deref());
    named.unwrap_or(Shard::DEFAULT)
}

/// Whether the process of `own` reconciles an object. An integration that moves has two: the shard that ends its
/// runs, and the one that waits for that.
pub fn is_served_by(own: &Shard, kind: Kind, key: &ObjectKey, seen: &impl Lister) -> bool {
    let is_awaited = || {
        let found = seen.integration(key);
        kind == Kind::Integration && found.is_some_and(|found| wanted_shard(&found) == own.as_str())
    };
    is_held_by(own, kind, key, seen) || is_awaited()
}

/// Whether the process of `own` has an object: one process has each.
pub fn is_held_by(own: &Shard, kind: Kind, key: &ObjectKey, seen: &impl Lister) -> bool {
    let follows = |integration: &ObjectKey| match seen.integration(integration) {
        Some(found) => holding_shard(&found) == own.as_str(),
        None => own.is_default(),
    };
    match kind {
        // It names no integration, and compiling it is no work.
        Kind::Mapping => own.is_default(),
        Kind::Integration => {
            seen.integration(key).is_some_and(|found| holding_shard(&found) == own.as_str())
        }
        Kind::Export => {
            seen.export(key).is_some_and(|export| follows(&integration_of(key, &export.spec)))
        }
        Kind::Import => {
            seen.import(key).is_some_and(|import| follows(&integration_of(key, &import.spec)))
        }
    }
}

/// Whether an integration may not use its account because of another one.
pub(super) fn lacks_its_account(integration: &ClinchIntegration) -> bool {
    let conditions = integration.status.iter().flat_map(|status| &status.conditions);
    let shared = Reason::AccountShared.as_str();
    conditions.into_iter().any(|condition| condition.reason == shared)
}

/// The names of the accounts that an integration uses, or asks to use.
pub fn accounts(integration: &ClinchIntegration) -> impl Iterator<Item = &str> {
    let account = integration.status.as_ref().and_then(|status| status.account.as_ref());
    account.into_iter().flat_map(|account| {
        [Some(&account.id), Some(&account.credential), account.changed_to.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
    })
}

/// Whether an integration has precedence over another of the same account: the older one, and of two that are of
/// the same second the one with the smaller UID.
pub fn precedes(one: &ClinchIntegration, other: &ClinchIntegration) -> bool {
    let rank = |object: &ClinchIntegration| {
        let created = object.metadata.creation_timestamp.as_ref().map(|created| created.0);
        (created, object.metadata.uid.clone())
    };
    rank(one) < rank(other)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn integration(value: &Value) -> ClinchIntegration {
        let mut all = json!({
            "apiVersion": "clinch.hireez.dev/v1alpha1", "kind": "ClinchIntegration",
            "metadata": {"name": "x"},
            "spec": {
                "region": "EU", "environment": "Sandbox", "credentialName": "hireEZ",
                "credentials": {"secretRef": {"name": "c"}},
            },
        });
        all.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn created(second: &str, uid: &str) -> ClinchIntegration {
        let at = format!("2026-11-27T10:00:{second}Z");
        integration(&json!({"metadata": {"name": "x", "uid": uid, "creationTimestamp": at}}))
    }

    #[test]
    fn a_label_asks_for_a_shard_and_the_status_says_which_one_has_it() {
        let plain = integration(&json!({}));
        assert_eq!((wanted_shard(&plain), holding_shard(&plain)), ("default", "default"));
        let moving = integration(&json!({
            "metadata": {"name": "x", "labels": {"clinch.hireez.dev/shard": "emea"}},
            "status": {"shard": "apac"},
        }));
        assert_eq!((wanted_shard(&moving), holding_shard(&moving)), ("emea", "apac"));
    }

    #[test]
    fn the_older_integration_has_precedence() {
        let (first, second) = (created("01", "b"), created("02", "a"));
        assert!(precedes(&first, &second) && !precedes(&second, &first));
        let same_second = created("01", "c");
        assert!(precedes(&first, &same_second) && !precedes(&same_second, &first));
        assert!(!precedes(&first, &first));
    }

    #[test]
    fn an_account_has_several_names() {
        let account = json!({"id": "1", "credential": "2", "changedTo": "3"});
        let found = integration(&json!({"status": {"account": account}}));
        assert_eq!(accounts(&found).collect::<Vec<_>>(), ["1", "2", "3"]);
        assert_eq!(accounts(&integration(&json!({}))).count(), 0);
    }
}
