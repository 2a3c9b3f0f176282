//! What an admin decided on namespaces: the two lists of `spec.access`, and which of their entries this
//! program applied. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::{cluster::FIELD_MANAGER, found::Found};
use crate::api::{GROUP, VERSION};

/// A list of `spec.access`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Approved,
    Denied,
}

impl List {
    /// The field's name.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
        }
    }
}

/// The namespaces on both lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Decisions {
    pub(super) approved: BTreeSet<String>,
    pub(super) denied: BTreeSet<String>,
}

impl Decisions {
    /// Everything that is decided, by all field managers.
    pub(super) fn of(found: &Found) -> Self {
        let list =
            |list: List| found.part(&format!("/spec/access/{}", list.field())).unwrap_or_default();
        Self { approved: list(List::Approved), denied: list(List::Denied) }
    }

    /// What this program applied. A server-side apply that leaves out one of them removes it.
    pub(super) fn own(found: &Found) -> Self {
        let entries = found.json.pointer("/metadata/managedFields").and_then(Json::as_array);
        let mut own = Self::default();
        for entry in entries.into_iter().flatten() {
            if entry["manager"] != FIELD_MANAGER || entry["operation"] != "Apply" {
                continue;
            }
            for list in [List::Approved, List::Denied] {
                let fields =
                    &entry["fieldsV1"]["f:spec"]["f:access"][format!("f:{}", list.field())];
                let keys = fields.as_object().into_iter().flat_map(Map::keys);
                own.list_mut(list).extend(keys.filter_map(|key| item(key)));
            }
        }
        own
    }

    pub(super) fn list(&self, list: List) -> &BTreeSet<String> {
        match list {
            List::Approved => &self.approved,
            List::Denied => &self.denied,
        }
    }

    fn list_mut(&mut self, list: List) -> &mut BTreeSet<String> {
        match list {
            List::Approved => &mut self.approved,
            List::Denied => &mut self.denied,
        }
    }

    /// Puts a namespace on one list, or on none.
    pub(super) fn decide(&mut self, namespace: &str, on: Option<List>) {
        self.approved.remove(namespace);
        self.denied.remove(namespace);
        if let Some(list) = on {
            self.list_mut(list).insert(namespace.to_owned());
        }
    }

    /// The manifest that applies them.
    pub(super) fn manifest(&self, found: &Found) -> Json {
        let mut access = Map::new();
        for list in [List::Approved, List::Denied] {
            if !self.list(list).is_empty() {
                access.insert(list.field().to_owned(), json!(self.list(list)));
            }
        }
        let mut manifest = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": found.kind.as_str(),
            "metadata": {"name": found.key.name, "namespace": found.key.namespace},
        });
        if !access.is_empty() {
            manifest["spec"] = json!({"access": access});
        }
        manifest
    }
}

/// The namespace that a key of a managed set names: `v:"team-a"`.
fn item(key: &str) -> Option<String> {
    serde_json::from_str(key.strip_prefix("v:")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Kind;

    fn found() -> Found {
        let set = |names: &[&str]| {
            let keys = names.iter().map(|name| (format!("v:\"{name}\""), json!({})));
            let all = std::iter::once((".".to_owned(), json!({}))).chain(keys);
            all.collect::<Map<_, _>>()
        };
        let entry = |manager: &str, operation: &str, names: &[&str]| {
            let access = json!({"f:approved": set(names), "f:denied": set(&["bad"])});
            json!({"manager": manager, "operation": operation,
                "fieldsV1": {"f:spec": {"f:access": access}}})
        };
        let object = json!({
            "metadata": {"name": "clinch", "namespace": "talent", "managedFields": [
                entry("kubectl", "Apply", &["theirs"]),
                entry(FIELD_MANAGER, "Apply", &["ours"]),
                entry(FIELD_MANAGER, "Update", &["patched"]),
            ]},
            "spec": {"access": {"mode": "Approval", "approved": ["theirs", "ours", "patched"]}},
        });
        Found::new(Kind::Integration, object).unwrap()
    }

    #[test]
    fn what_others_applied_is_not_applied_again() {
        let found = found();
        let mut own = Decisions::own(&found);
        assert_eq!(own.approved, BTreeSet::from(["ours".to_owned()]));
        assert_eq!(own.denied, BTreeSet::from(["bad".to_owned()]));
        assert_eq!(Decisions::of(&found).approved.len(), 3);
        assert_eq!(Decisions::of(&found).denied.len(), 0);
        own.decide("bad", Some(List::Approved));
        let manifest = own.manifest(&found);
        assert_eq!(manifest["spec"], json!({"access": {"approved": ["bad", "ours"]}}));
        assert_eq!(manifest["metadata"], json!({"name": "clinch", "namespace": "talent"}));
        own.decide("bad", None);
        own.decide("ours", None);
        assert_eq!(own.manifest(&found).get("spec"), None);
    }
}
