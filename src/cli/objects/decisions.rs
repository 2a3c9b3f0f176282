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
    pub(super) const ALL: [Self; 2] = [Self::Approved, Self::Denied];

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
        Self::owned(found, |entry| is_own(entry) && entry["operation"] == "Apply")
    }

    /// What other field managers own, perhaps beside this program.
    pub(super) fn others(found: &Found) -> Self {
        Self::owned(found, |entry| !is_own(entry))
    }

    fn owned(found: &Found, by: impl Fn(&Json) -> bool) -> Self {
        let mut owned = Self::default();
        for entry in managers(found).filter(|entry| by(entry)) {
            for list in List::ALL {
                let keys = fields(entry, list).into_iter().flat_map(Map::keys);
                owned.list_mut(list).extend(keys.filter_map(|key| item(key)));
            }
        }
        owned
    }

    /// Whether this program owns a list and nothing on it. The list would become null, which the API server
    /// refuses, once another field manager takes back the last entry.
    pub(super) fn owns_bare_list(found: &Found) -> bool {
        managers(found).filter(|entry| is_own(entry) && entry["operation"] == "Apply").any(
            |entry| {
                let is_bare = |list| {
                    fields(entry, list)
                        .is_some_and(|all| !all.keys().any(|key| item(key).is_some()))
                };
                List::ALL.into_iter().any(is_bare)
            },
        )
    }

    pub(super) fn list(&self, list: List) -> &BTreeSet<String> {
        match list {
            List::Approved => &self.approved,
            List::Denied => &self.denied,
        }
    }

    /// Puts a namespace on a list, and leaves the other one alone.
    pub(super) fn add(&mut self, namespace: &str, list: List) {
        self.list_mut(list).insert(namespace.to_owned());
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
            self.add(namespace, list);
        }
    }

    /// Whether a namespace is on one of the lists.
    pub(super) fn name(&self, namespace: &str) -> bool {
        List::ALL.into_iter().any(|list| self.list(list).contains(namespace))
    }

    /// Whether one of these namespaces is on a list here and not on the same list of the other.
    pub(super) fn lose(&self, namespaces: &[String], other: &Self) -> bool {
        let lost = |list: List, name: &String| {
            self.list(list).contains(name) && !other.list(list).contains(name)
        };
        List::ALL.into_iter().any(|list| namespaces.iter().any(|name| lost(list, name)))
    }

    /// The merge patch that makes those of an object these, and is refused if the object has changed. A
    /// list without entries is deleted: as `[]` it would be left to the manager that owned an entry.
    pub(super) fn patch(&self, found: &Found) -> Json {
        let before = Self::of(found);
        let mut access = Map::new();
        for list in List::ALL {
            let all = self.list(list);
            if all != before.list(list) {
                let value = if all.is_empty() { Json::Null } else { json!(all) };
                access.insert(list.field().to_owned(), value);
            }
        }
        json!({
            "metadata": {"resourceVersion": found.text("/metadata/resourceVersion")},
            "spec": {"access": access},
        })
    }

    /// The manifest that applies them.
    pub(super) fn manifest(&self, found: &Found) -> Json {
        let mut access = Map::new();
        for list in List::ALL {
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

fn managers(found: &Found) -> impl Iterator<Item = &Json> {
    let entries = found.json.pointer("/metadata/managedFields").and_then(Json::as_array);
    entries.into_iter().flatten()
}

fn is_own(entry: &Json) -> bool {
    entry["manager"] == FIELD_MANAGER
}

/// What a field manager owns of a list.
fn fields(entry: &Json, list: List) -> Option<&Map<String, Json>> {
    entry["fieldsV1"]["f:spec"]["f:access"][format!("f:{}", list.field())].as_object()
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

    #[test]
    fn a_list_without_entries_is_deleted_and_not_owned() {
        let mut found = found();
        assert!(!Decisions::owns_bare_list(&found));
        assert!(Decisions::others(&found).approved.contains("theirs"));
        assert!(!Decisions::others(&found).approved.contains("patched"));
        found.json["metadata"]["resourceVersion"] = "7".into();
        let before = Decisions::of(&found);
        let mut none = before.clone();
        for name in ["theirs", "ours", "patched"] {
            none.decide(name, None);
        }
        let expected = json!({"metadata": {"resourceVersion": "7"},
            "spec": {"access": {"approved": null}}});
        assert_eq!(none.patch(&found), expected);
        assert!(before.lose(&["ours".to_owned()], &none));
        assert!(!before.lose(&["other".to_owned()], &none));
        let fields = &mut found.json["metadata"]["managedFields"][1]["fieldsV1"];
        fields["f:spec"]["f:access"]["f:approved"] = json!({".": {}});
        assert!(Decisions::owns_bare_list(&found));
    }
}
