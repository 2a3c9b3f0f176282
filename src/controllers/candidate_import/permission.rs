//! Whether the integration permits what an import takes out of Clinch, and where to. Pure, except that the
//! grant reads the cached integration.

use super::gather::Gathered;
use crate::{
    api::{ClinchIntegrationSpec, Permission, ReadPermission},
    cluster::{Cluster, integration_of},
    controllers::{
        grants::{Used, of_run},
        read_permission::not_listed,
    },
    domain::{Cause, Grant, Reason},
    storage::Location,
};

/// Why the integration refuses an import, if it does. `places`: where it writes or sends to.
pub(super) fn refusal(permission: &ReadPermission, places: &[Location]) -> Option<Cause> {
    let refused = |message: String| Some(Cause::new(Reason::NotPermitted, message));
    if permission.candidates != Permission::Allowed {
        return refused(
            "the integration does not permit imports; ask its admin to set \
             spec.readPermission.candidates: Allowed, and to list the attributes that may leave"
                .to_owned(),
        );
    }
    places.iter().find_map(|place| not_listed(permission, place)).and_then(refused)
}

/// The grant of a run that starts now. Also revoked when the permission is changed in any way: what may
/// leave is part of what runs.
pub(super) fn grant<C: Cluster>(cluster: &C, gathered: &Gathered) -> Grant {
    let started = gathered.integration.granted();
    let permission = started.map(|found| found.spec.read_permission.clone());
    let permits = move |now: &ClinchIntegrationSpec| {
        now.read_permission.candidates == Permission::Allowed
            && permission.as_ref() == Some(&now.read_permission)
    };
    let used = Used {
        integration: integration_of(gathered.key(), &gathered.import.spec),
        namespace: &gathered.key().namespace,
        started,
        connection: gathered.connection.as_ref(),
    };
    of_run(cluster, used, permits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(value: serde_json::Value) -> ReadPermission {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn nothing_leaves_unless_the_admin_says_so() {
        let places = [Location::file("s3://b/team/latest.json").unwrap()];
        let refused = |value| refusal(&permission(value), &places).map(|cause| cause.message);
        assert!(refused(serde_json::json!({})).unwrap().contains("readPermission.candidates"));
        let allowed = |destinations: &[&str]| {
            refused(serde_json::json!({
                "candidates": "Allowed", "attributes": ["*"], "destinations": destinations,
            }))
        };
        assert_eq!(allowed(&[]), None);
        assert_eq!(allowed(&["s3://other", "s3://b/team"]), None);
        assert!(allowed(&["s3://b/teams"]).unwrap().contains("none of the places"));
        assert!(allowed(&["s3://b/*"]).unwrap().contains("cannot be used"));
        let endpoint = [Location::web("https://hooks.example.com/in/people").unwrap()];
        let listed = |place: &str| {
            let allowed = serde_json::json!({
                "candidates": "Allowed", "attributes": ["*"], "destinations": [place],
            });
            refusal(&permission(allowed), &endpoint).map(|cause| cause.message)
        };
        assert_eq!(listed("https://hooks.example.com/in"), None);
        assert!(listed("https://hooks.example.com/out").unwrap().contains("none of the places"));
    }
}
