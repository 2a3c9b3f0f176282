//! What GitOps tools rely on: nothing is dropped silently, the API server and `apply` agree on every
//! field, and applying a manifest again changes nothing.

use std::path::{Path, PathBuf};

use clinch_operator::{
    api,
    cluster::Kind,
    domain::Clock,
    local::{LoadOptions, Loader, LocalCluster, load},
};
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams, ValidationDirective},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};

use crate::{
    parity::{compact, make_namespaces},
    support::{
        kubectl::Kubectl,
        world::{World, condition},
    },
};

/// Folders of manifests with every field that a rule is about.
const FOLDERS: [&str; 8] = [
    "tests/data/manifests/good",
    "examples/quickstart",
    "examples/approval",
    "examples/files",
    "examples/rediscovery",
    "examples/import",
    "examples/import-endpoint",
    "examples/plan",
];

fn root(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(part)
}

fn clock() -> Clock {
    Clock::fixed("2025-05-01T12:00:00Z".parse().unwrap())
}

/// The objects of our kinds in the manifests, with their defaults and without status.
fn declared() -> Vec<(Kind, Value)> {
    let paths: Vec<PathBuf> = FOLDERS.iter().map(|folder| root(folder)).collect();
    let manifests = load(&paths, &LoadOptions::default()).unwrap();
    let cluster = LocalCluster::open(manifests, None, [0; 32], clock()).unwrap();
    let of = |kind: Kind| {
        let objects = cluster.objects_as_json(kind).into_iter();
        objects.map(move |object| {
            let clean = json!({
                "apiVersion": object["apiVersion"], "kind": kind.as_str(),
                "metadata": {"name": object["metadata"]["name"]}, "spec": compact(&object["spec"]),
            });
            (kind, clean)
        })
    };
    Kind::ALL.into_iter().flat_map(of).collect()
}

/// The schema of a kind's spec.
fn spec_schema(kind: Kind) -> Value {
    let crds = api::crds().into_iter().map(|crd| serde_json::to_value(crd).unwrap());
    let mut crds = crds.filter(|crd| crd["spec"]["names"]["kind"] == kind.as_str());
    let crd = crds.next().unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
}

/// Where a schema has fields within a value: parent and name. Of a list, the first item.
fn fields(schema: &Value, value: &Value, at: &str, out: &mut Vec<(String, String)>) {
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        if value.is_object() {
            out.push((at.to_owned(), name.clone()));
        }
        if let Some(inner) = value.get(name) {
            fields(child, inner, &format!("{at}/{name}"), out);
        }
    }
    if let (true, Some(item)) = (schema["items"].is_object(), value.get(0)) {
        fields(&schema["items"], item, &format!("{at}/0"), out);
    }
}

/// The object with a field of its spec set.
fn with(object: &Value, parent: &str, name: &str, value: Value) -> Value {
    let mut changed = object.clone();
    let parent = changed["spec"].pointer_mut(parent).unwrap().as_object_mut().unwrap();
    parent.insert(name.to_owned(), value);
    changed
}

/// Whether `apply` takes an object.
fn ours(object: &Value) -> bool {
    let mut loader = Loader::new(LoadOptions::default());
    loader.add_text("x.json", &object.to_string());
    loader.finish().is_ok()
}

/// Whether the API server takes an object; the error if it is refused.
async fn theirs(world: &World, kind: Kind, object: &Value) -> Result<(), String> {
    let gvk = GroupVersionKind::gvk(api::GROUP, api::VERSION, kind.as_str());
    let plural = format!("{}s", kind.as_str().to_lowercase());
    let resource = ApiResource::from_gvk_with_plural(&gvk, &plural);
    let objects: Api<DynamicObject> =
        Api::namespaced_with(world.admin.clone(), &world.namespace, &resource);
    let params = PatchParams {
        dry_run: true,
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply("parity").force()
    };
    let name = object["metadata"]["name"].as_str().unwrap();
    match objects.patch(name, &params, &Patch::Apply(object)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_takes_and_refuses_the_same_with_and_without_a_cluster() {
    let Some(world) = World::prepare().await else { return };
    let values = [
        json!(null),
        json!({}),
        json!([]),
        json!(""),
        json!("text"),
        json!(5),
        json!(-1),
        json!(1.5),
        json!(true),
        json!({"zz": "x"}),
        json!([null]),
        json!(["a", "a"]),
    ];
    let (mut asked, mut differences) = (0, Vec::new());
    for (kind, object) in declared() {
        let mut found = Vec::new();
        fields(&spec_schema(kind), &object["spec"], "", &mut found);
        for (parent, name) in found {
            for value in &values {
                let changed = with(&object, &parent, &name, value.clone());
                let (ours, theirs) = (ours(&changed), theirs(&world, kind, &changed).await);
                asked += 1;
                if ours != theirs.is_ok() {
                    let place =
                        format!("{kind} {} spec{parent}/{name}", object["metadata"]["name"]);
                    differences
                        .push(format!("{place} = {value}: accepted here: {ours}; {theirs:?}"));
                }
            }
        }
    }
    assert!(asked > 2000, "{asked}");
    let count = differences.len();
    differences.truncate(20);
    assert!(differences.is_empty(), "{count} of {asked}: {differences:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_field_is_refused_wherever_it_is() {
    let Some(world) = World::prepare().await else { return };
    let mut parents = std::collections::BTreeSet::new();
    for (kind, object) in declared() {
        let mut found = Vec::new();
        fields(&spec_schema(kind), &object["spec"], "", &mut found);
        found.push(("/destination/prospect".to_owned(), String::new()));
        for (parent, _) in found {
            if object["spec"].pointer(&parent).is_none_or(|value| !value.is_object())
                || !parents.insert(format!("{kind}{parent}"))
            {
                continue;
            }
            let changed = with(&object, &parent, "zzUnknown", json!("x"));
            let refusal = theirs(&world, kind, &changed).await.expect_err(&parent);
            // An object without settings is a map that has no place for an entry.
            let named = refusal.contains("zzUnknown") || parent == "/destination/prospect";
            assert!(named, "{parent}: {refusal}");
            assert!(!ours(&changed), "{parent}");
        }
    }
    assert!(parents.contains("CandidateExport/destination/prospect"), "{parents:?}");
    assert!(parents.len() > 25, "{parents:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_apply_says_unchanged_the_second_time() {
    let Some(world) = World::prepare().await else { return };
    make_namespaces(&Kubectl::admin(world.plane));
    for folder in FOLDERS {
        let folder = root(folder);
        let apply = || world.kubectl(&["apply", "-f", folder.to_str().unwrap()]);
        apply();
        let again = apply();
        let ours = again.lines().filter(|line| line.contains("clinch.hireez.dev/"));
        assert!(ours.clone().count() >= 2, "{again}");
        let changed: Vec<&str> = ours.filter(|line| !line.ends_with(" unchanged")).collect();
        // A null that was written is a difference from what is stored in its place.
        assert!(changed.iter().all(|line| line.contains("/nulls ")), "{changed:?}");
    }
}

/// The list of a stored object is what its manifest says, as Argo CD compares them.
#[tokio::test(flavor = "multi_thread")]
async fn no_default_is_filled_into_a_list() {
    let Some(world) = World::prepare().await else { return };
    let fields = json!([
        {"to": "email", "from": "emails[0].value"},
        {"to": "name", "from": "firstName", "transforms": [{"name": "trim"}]},
    ]);
    let mapping = json!({
        "apiVersion": "clinch.hireez.dev/v1alpha1", "kind": "FieldMapping",
        "metadata": {"name": "lists"}, "spec": {"fields": fields},
    });
    world.apply(&mapping.to_string());
    assert_eq!(world.get("FieldMapping", "lists").await["spec"]["fields"], fields);
    assert_eq!(condition(&world.get("FieldMapping", "lists").await, "Ready"), Value::Null);
}
