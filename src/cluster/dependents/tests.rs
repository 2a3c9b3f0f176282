//! The rule, on objects in memory.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    ObjectChange::{Deleted, Requested, StatusOnly},
    *,
};
use crate::api::{CandidateExport, CandidateImport, ClinchIntegration};

#[derive(Default)]
struct Objects {
    integrations: Vec<(ObjectKey, Arc<ClinchIntegration>)>,
    exports: Vec<(ObjectKey, Arc<CandidateExport>)>,
    imports: Vec<(ObjectKey, Arc<CandidateImport>)>,
}

impl Objects {
    fn integration(mut self, key: &str, spec: Value) -> Self {
        let mut all = json!({
            "region": "EU",
            "environment": "Sandbox",
            "credentials": {"secretRef": {"name": "credentials"}},
        });
        extend(&mut all, spec);
        let object = ClinchIntegration::new("x", serde_json::from_value(all).unwrap());
        self.integrations.push((named(key), Arc::new(object)));
        self
    }

    fn export(mut self, key: &str, spec: Value) -> Self {
        let mut all = json!({"source": {}, "destination": {}});
        extend(&mut all, spec);
        let object = CandidateExport::new("x", serde_json::from_value(all).unwrap());
        self.exports.push((named(key), Arc::new(object)));
        self
    }

    fn import(mut self, key: &str, spec: Value) -> Self {
        let object = CandidateImport::new("x", serde_json::from_value(spec).unwrap());
        self.imports.push((named(key), Arc::new(object)));
        self
    }
}

impl Lister for Objects {
    fn integration(&self, key: &ObjectKey) -> Option<Arc<ClinchIntegration>> {
        self.integrations.iter().find(|(known, _)| known == key).map(|(_, found)| found.clone())
    }
    fn integrations(&self, namespace: Option<&str>) -> Vec<(ObjectKey, Arc<ClinchIntegration>)> {
        let mut found = self.integrations.clone();
        found.retain(|(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace));
        found
    }
    fn export(&self, key: &ObjectKey) -> Option<Arc<CandidateExport>> {
        self.exports.iter().find(|(known, _)| known == key).map(|(_, found)| found.clone())
    }
    fn exports(&self, namespace: Option<&str>) -> Vec<(ObjectKey, Arc<CandidateExport>)> {
        let mut found = self.exports.clone();
        found.retain(|(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace));
        found
    }
    fn import(&self, key: &ObjectKey) -> Option<Arc<CandidateImport>> {
        self.imports.iter().find(|(known, _)| known == key).map(|(_, found)| found.clone())
    }
    fn imports(&self, namespace: Option<&str>) -> Vec<(ObjectKey, Arc<CandidateImport>)> {
        let mut found = self.imports.clone();
        found.retain(|(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace));
        found
    }
}

fn extend(all: &mut Value, more: Value) {
    let Value::Object(more) = more else { panic!("a spec is an object") };
    all.as_object_mut().unwrap().extend(more);
}

fn named(key: &str) -> ObjectKey {
    let (namespace, name) = key.split_once('/').unwrap();
    ObjectKey::new(namespace, name)
}

fn objects() -> Objects {
    Objects::default()
        .integration(
            "hub/main",
            json!({
                "access": {"namespaceSelector": {}},
                "defaults": {"fieldMappingRef": {"name": "default"}},
            }),
        )
        .integration(
            "team/own",
            json!({
                "suppression": {"secretRef": {"name": "listed", "key": "ids"}},
            }),
        )
        .export(
            "team/a",
            json!({
                "integrationRef": {"name": "main", "namespace": "hub"},
                "source": {"configMapRef": {"name": "people", "key": "x"}},
            }),
        )
        .export(
            "team/b",
            json!({
                "integrationRef": {"name": "own"},
                "fieldMappingRef": {"name": "special"},
                "source": {"secretRef": {"name": "listed", "key": "x"}},
            }),
        )
        .export(
            "other/c",
            json!({
                "integrationRef": {"name": "main", "namespace": "hub"},
                "fieldMappingRef": {"name": "special", "namespace": "team"},
                "source": {"configMapRef": {"name": "people", "key": "x"}},
            }),
        )
}

/// The dependents, as `i:`, `m:`, `e:` or `p:` (an import) and a name.
fn due(trigger: Trigger<'_>, seen: &Objects) -> Vec<String> {
    let initial = |kind| match kind {
        Kind::Integration => 'i',
        Kind::Mapping => 'm',
        Kind::Export => 'e',
        Kind::Import => 'p',
    };
    let found = dependents(&trigger, seen).into_iter();
    found.map(|(kind, key)| format!("{}:{key}", initial(kind))).collect()
}

#[test]
fn exports_follow_their_integration_and_its_status() {
    let (seen, main) = (objects(), named("hub/main"));
    let after = |change| due(Trigger::Integration(&main, change), &seen);
    assert_eq!(after(Requested), ["i:hub/main", "e:team/a", "e:other/c"]);
    assert_eq!(after(StatusOnly), ["e:team/a", "e:other/c"]);
    let gone = named("hub/gone");
    assert_eq!(
        due(Trigger::Integration(&gone, Deleted), &seen),
        ["i:hub/main", "i:team/own"],
        "one that was refused because of it may now be accepted"
    );
}

#[test]
fn exports_follow_their_mapping_but_not_its_status() {
    let seen = objects();
    let after = |key: &str, change| due(Trigger::Mapping(&named(key), change), &seen);
    assert_eq!(after("team/special", Requested), ["m:team/special", "e:team/b", "e:other/c"]);
    assert_eq!(after("team/special", Deleted), ["e:team/b", "e:other/c"]);
    assert_eq!(after("hub/default", Requested), ["m:hub/default", "e:team/a"]);
    assert_eq!(after("team/special", StatusOnly), [""; 0]);
}

#[test]
fn integrations_follow_the_exports_that_name_them() {
    let (seen, key) = (objects(), named("team/a"));
    let moved = [named("team/own"), named("hub/main")];
    let after =
        |change, integrations| due(Trigger::Export { key: &key, change, integrations }, &seen);
    assert_eq!(after(Requested, &moved), ["e:team/a", "i:team/own", "i:hub/main"]);
    assert_eq!(after(StatusOnly, &[]), [""; 0]);
    assert_eq!(after(Deleted, &moved[1..]), ["i:hub/main"]);
}

#[test]
fn an_export_that_waits_for_a_file_follows_the_other_exports() {
    let (mut seen, key) = (objects(), named("team/a"));
    let refused = json!({"conditions": [{"type": "Permitted", "status": "False", "message": "",
        "reason": "DestinationConflict", "lastTransitionTime": "2026-11-26T10:00:00Z"}]});
    let export = Arc::make_mut(&mut seen.exports[1].1);
    export.status = Some(serde_json::from_value(refused).unwrap());
    let after = |seen: &Objects, change| {
        due(Trigger::Export { key: &key, change, integrations: &[] }, seen)
    };
    assert_eq!(after(&seen, Deleted), [""; 0], "it writes no file any more");
    let file = json!({"format": "CSV", "to": {"url": "s3://b/x.csv"}});
    let export = Arc::make_mut(&mut seen.exports[1].1);
    export.spec.destination.file = Some(serde_json::from_value(file).unwrap());
    assert_eq!(after(&seen, Deleted), ["e:team/b"]);
    assert_eq!(after(&seen, Requested), ["e:team/a", "e:team/b"]);
    assert_eq!(after(&seen, StatusOnly), [""; 0]);
}

#[test]
fn exports_and_imports_that_wait_for_a_file_follow_each_other() {
    let refused = json!({"conditions": [{"type": "SourceReady", "status": "False",
        "reason": "DestinationConflict", "message": "",
        "lastTransitionTime": "2026-11-26T10:00:00Z"}]});
    let report = json!({"to": {"url": "s3://b/x.csv"}});
    let import = |report: Option<&Value>| {
        let mut seen = objects().import(
            "team/back",
            json!({"integrationRef": {"name": "own"}, "sink": {},
                "match": {"source": {}, "report": report}}),
        );
        let import = Arc::make_mut(&mut seen.imports[0].1);
        import.status = Some(serde_json::from_value(refused.clone()).unwrap());
        seen
    };
    let (export, other) = (named("team/a"), named("team/other"));
    let change = Deleted;
    let of_export = Trigger::Export { key: &export, change, integrations: &[] };
    let of_import = Trigger::Import { key: &other, change, integrations: &[] };
    let waits = import(Some(&report));
    assert_eq!(due(of_export, &waits), ["p:team/back"]);
    assert_eq!(due(of_import, &waits), ["p:team/back"]);
    assert_eq!(due(of_export, &import(None)), [""; 0], "it writes no report any more");
    let own = named("team/back");
    let of_itself = Trigger::Import { key: &own, change: Requested, integrations: &[] };
    assert_eq!(due(of_itself, &waits), ["p:team/back"], "once");
}

#[test]
fn a_config_map_or_secret_concerns_its_own_namespace_only() {
    let seen = objects();
    assert_eq!(due(Trigger::ConfigMap(&named("team/people")), &seen), ["e:team/a"]);
    assert_eq!(due(Trigger::ConfigMap(&named("other/people")), &seen), ["e:other/c"]);
    assert_eq!(due(Trigger::Secret(&named("hub/credentials")), &seen), ["i:hub/main"]);
    assert_eq!(due(Trigger::Secret(&named("team/listed")), &seen), ["i:team/own", "e:team/b"]);
    assert_eq!(due(Trigger::Secret(&named("other/listed")), &seen), [""; 0]);
}

#[test]
fn labels_of_a_namespace_concern_integrations_that_select_by_label() {
    let seen = objects();
    assert_eq!(due(Trigger::Namespace("team"), &seen), ["i:hub/main", "e:team/a"]);
    assert_eq!(due(Trigger::Namespace("hub"), &seen), [""; 0]);
}

#[test]
fn imports_follow_what_they_refer_to_as_exports_do() {
    let sink = json!({"objectStore": {
        "url": "s3://b/people/", "credentialsSecretRef": {"name": "bucket"}}});
    let main = json!({"name": "main", "namespace": "hub"});
    let seen = objects()
        .import("team/p", json!({"integrationRef": main.clone(), "sink": sink.clone()}))
        .import(
            "team/q",
            json!({"integrationRef": {"name": "own"}, "sink": sink,
                "fieldMappingRef": {"name": "special"}}),
        );
    let (main, key) = (named("hub/main"), named("team/p"));
    let after = |trigger| due(trigger, &seen);
    let status = Trigger::Integration(&main, StatusOnly);
    assert_eq!(after(status), ["e:team/a", "e:other/c", "p:team/p"]);
    let special = named("team/special");
    let edited = after(Trigger::Mapping(&special, Requested));
    assert_eq!(edited, ["m:team/special", "e:team/b", "e:other/c", "p:team/q"]);
    let bucket = named("team/bucket");
    assert_eq!(after(Trigger::Secret(&bucket)), ["p:team/p", "p:team/q"]);
    let labels = after(Trigger::Namespace("team"));
    assert_eq!(labels, ["i:hub/main", "e:team/a", "p:team/p"]);
    let (change, integrations) = (Requested, &[main.clone()][..]);
    let changed = after(Trigger::Import { key: &key, change, integrations });
    assert_eq!(changed, ["p:team/p", "i:hub/main"]);
    assert_eq!(after(Trigger::status_of(Kind::Import, &key)), [""; 0]);
    let uid = crate::cluster::ObjectRef { kind: Kind::Import, key, uid: "1".to_owned() };
    assert!(!seen.has_import(&uid));
}

#[test]
fn integrations_of_one_account_in_two_shards_follow_each_other() {
    let mut seen = objects();
    let status = |shard: &str, reason: &str| {
        json!({"shard": shard, "conditions": [{"type": "Ready", "status": "False", "message": "",
            "reason": reason, "lastTransitionTime": "2026-11-27T10:00:00Z"}]})
    };
    let mut set = |index: usize, status: Value| {
        let object = Arc::make_mut(&mut seen.integrations[index].1);
        object.status = Some(serde_json::from_value(status).unwrap());
        let after = |key: &str| due(Trigger::Integration(&named(key), StatusOnly), &seen);
        (after("hub/main"), after("team/own"))
    };
    let users = ["e:team/a", "e:other/c"];
    assert_eq!(set(0, status("a", "Verified")).0, users);
    // It may have to leave its account to the one that lacks it, and has it once that one is elsewhere.
    let (main, own) = set(1, status("b", "AccountShared"));
    assert_eq!(main, [&["i:team/own"][..], &users].concat());
    assert_eq!(own, ["i:hub/main", "e:team/b"]);
}

#[test]
fn a_written_status_is_a_change_of_status_only() {
    let seen = objects();
    let after = |kind, key: &str| due(Trigger::status_of(kind, &named(key)), &seen);
    assert_eq!(after(Kind::Integration, "team/own"), ["e:team/b"]);
    assert_eq!(after(Kind::Mapping, "team/special"), [""; 0]);
    assert_eq!(after(Kind::Export, "team/b"), [""; 0]);
}

#[test]
fn an_export_is_known_by_its_uid_and_attempted_by_its_status() {
    let mut seen = objects();
    let key = named("team/a");
    let uid = |uid: &str| crate::cluster::ObjectRef {
        kind: Kind::Export,
        key: named("team/a"),
        uid: uid.to_owned(),
    };
    assert!(!seen.has_export(&uid("1")));
    let export = Arc::make_mut(&mut seen.exports[0].1);
    export.metadata.uid = Some("1".to_owned());
    assert!(seen.has_export(&uid("1")) && !seen.has_export(&uid("2")));
    assert_eq!(seen.attempted_export(&key), None);
    let export = Arc::make_mut(&mut seen.exports[0].1);
    export.status.get_or_insert_default().last_attempted_revision = Some("r".to_owned());
    assert_eq!(seen.attempted_export(&key).as_deref(), Some("1"));
}
