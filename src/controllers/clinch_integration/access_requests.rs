//! Which exports and imports use an integration, and which namespaces request access. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::super::access::{Access, access_of};
use crate::{
    api::{AccessMode, AccessRequest, ClinchIntegrationSpec, ClinchIntegrationStatus},
    cluster::ObjectKey,
    conditions::whole_seconds,
};

/// How many requests are listed.
const LISTED: usize = 20;

/// The exports and imports that refer to an integration, by whether they may use it.
pub(super) struct Referrers {
    /// How many exports may use it.
    pub(super) using: usize,
    /// How many imports may use it.
    pub(super) importing: usize,
    /// How many of both wait for approval, by their namespace.
    waiting: BTreeMap<String, i64>,
}

impl Referrers {
    /// Sorts the exports and the imports that refer to the integration `key`.
    pub(super) fn of(
        key: &ObjectKey,
        spec: &ClinchIntegrationSpec,
        (exports, imports): (Vec<ObjectKey>, Vec<ObjectKey>),
        labels: impl Fn(&str) -> Option<BTreeMap<String, String>>,
    ) -> Self {
        let mut referrers = Self { using: 0, importing: 0, waiting: BTreeMap::new() };
        let exports = exports.into_iter().map(|key| (key, false));
        let imports = imports.into_iter().map(|key| (key, true));
        for (user, is_import) in exports.chain(imports) {
            match access_of(key, spec, &user.namespace, &labels) {
                Access::Granted if is_import => referrers.importing += 1,
                Access::Granted => referrers.using += 1,
                Access::Awaiting => *referrers.waiting.entry(user.namespace).or_default() += 1,
                Access::Refused | Access::Denied => {}
            }
        }
        referrers
    }

    /// Writes the requests into `next`, which holds those of the previous status. Returns the
    /// namespaces that are new.
    pub(super) fn write_to(
        &self,
        spec: &ClinchIntegrationSpec,
        next: &mut ClinchIntegrationStatus,
        now: Timestamp,
    ) -> Vec<String> {
        let known: BTreeMap<String, Time> =
            next.access_requests.drain(..).map(|known| (known.namespace, known.since)).collect();
        let asked = i64::try_from(self.waiting.len()).unwrap_or(i64::MAX);
        next.requests = (spec.access.mode == AccessMode::Approval).then_some(asked);
        let now = Time(whole_seconds(now));
        let mut all: Vec<AccessRequest> = self
            .waiting
            .iter()
            .map(|(namespace, exports)| {
                let since = known.get(namespace).unwrap_or(&now).clone();
                AccessRequest { namespace: namespace.clone(), since, exports: *exports }
            })
            .collect();
        // Stable: by name among those of one second.
        all.sort_by_key(|request| request.since.0);
        all.truncate(LISTED);
        let fresh = all.iter().filter(|request| !known.contains_key(&request.namespace));
        let fresh = fresh.map(|request| request.namespace.clone()).collect();
        next.access_requests = all;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(access: &serde_json::Value) -> ClinchIntegrationSpec {
        serde_json::from_value(serde_json::json!({
            "region": "EU", "environment": "Sandbox", "access": access,
            "credentials": {"secretRef": {"name": "c"}}
        }))
        .unwrap()
    }

    fn referrers(spec: &ClinchIntegrationSpec, exports: &[(&str, &str)]) -> Referrers {
        let exports = exports.iter().map(|(namespace, name)| ObjectKey::new(*namespace, *name));
        let both = (exports.collect(), vec![ObjectKey::new("talent", "import")]);
        Referrers::of(&ObjectKey::new("talent", "clinch"), spec, both, |_| None)
    }

    fn listed(status: &ClinchIntegrationStatus) -> Vec<(&str, i64, i64)> {
        let shown = |request: &'_ AccessRequest| (request.since.0.as_second(), request.exports);
        let requests = status.access_requests.iter();
        requests.map(|r| (r.namespace.as_str(), shown(r).0, shown(r).1)).collect()
    }

    #[test]
    fn requests_are_counted_by_namespace_and_keep_their_time() {
        let spec = spec(&serde_json::json!({"mode": "Approval", "approved": ["in"]}));
        let mut status = ClinchIntegrationStatus::default();
        let first = referrers(&spec, &[("talent", "a"), ("in", "b"), ("z", "c")]);
        assert_eq!((first.using, first.importing), (2, 1));
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(first.write_to(&spec, &mut status, at(5)), ["z"]);
        let second = referrers(&spec, &[("a", "1"), ("z", "c"), ("z", "d")]);
        assert_eq!(second.write_to(&spec, &mut status, at(9)), ["a"]);
        assert_eq!(listed(&status), [("z", 5, 2), ("a", 9, 1)]);
        assert_eq!(status.requests, Some(2));
        assert!(referrers(&spec, &[]).write_to(&spec, &mut status, at(10)).is_empty());
        assert_eq!((listed(&status), status.requests), (vec![], Some(0)));
    }

    #[test]
    fn the_list_is_bounded_and_the_number_is_not() {
        let spec = spec(&serde_json::json!({"mode": "Approval"}));
        let names: Vec<String> = (0..30).map(|i| format!("n{i:02}")).collect();
        let exports: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        let mut status = ClinchIntegrationStatus::default();
        referrers(&spec, &exports).write_to(&spec, &mut status, Timestamp::UNIX_EPOCH);
        assert_eq!((status.access_requests.len(), status.requests), (LISTED, Some(30)));
    }

    #[test]
    fn exports_that_may_not_request_access_are_neither_counted_nor_listed() {
        let closed = spec(&serde_json::json!({}));
        let mut status = ClinchIntegrationStatus::default();
        let found = referrers(&closed, &[("talent", "a"), ("z", "b")]);
        assert_eq!(found.using, 1);
        assert!(found.write_to(&closed, &mut status, Timestamp::UNIX_EPOCH).is_empty());
        assert_eq!((listed(&status), status.requests), (vec![], None));
        let denied = spec(&serde_json::json!({"mode": "Approval", "denied": ["z"]}));
        let found = referrers(&denied, &[("talent", "a"), ("z", "b")]);
        assert_eq!(found.using, 1);
        assert!(found.write_to(&denied, &mut status, Timestamp::UNIX_EPOCH).is_empty());
        assert_eq!((listed(&status), status.requests), (vec![], Some(0)));
    }
}
