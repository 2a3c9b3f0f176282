//! `deploy/kube-state-metrics` asks for fields that the CRDs have, of every kind that has a status to look at.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use clinch_operator::api;
use regex::Regex;
use serde_json::Value;

fn read(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kube-state-metrics");
    fs::read_to_string(folder.join(file)).unwrap()
}

/// The schema of each kind, with the version that is served.
fn schemas() -> BTreeMap<String, (String, Value)> {
    let crds = api::crds_yaml().unwrap();
    let read = crds.into_iter().map(|(_, yaml)| {
        let crd: Value = serde_saphyr::from_str(&yaml).unwrap();
        let version = &crd["spec"]["versions"][0];
        let name = version["name"].as_str().unwrap().to_owned();
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap().to_owned();
        (kind, (name, version["schema"]["openAPIV3Schema"].clone()))
    });
    read.collect()
}

fn words(path: &Value) -> Vec<&str> {
    path.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

/// The schema of what a path leads to.
fn below<'a>(schema: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(schema, |schema, word| {
        let found = &schema["properties"][*word];
        assert!(!found.is_null(), "there is no {path:?}");
        found
    })
}

fn assert_labels(labels: &Value, schema: &Value) {
    for (label, path) in labels.as_object().into_iter().flatten() {
        assert!(label.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{label}");
        let path = words(path);
        if path.first() != Some(&"metadata") {
            let kind = below(schema, &path)["type"].as_str();
            assert!(matches!(kind, Some("string" | "boolean")), "{label}: {kind:?}");
        }
    }
}

#[test]
fn every_path_leads_to_a_field_of_its_crd() {
    let config: Value = serde_saphyr::from_str(&read("config.yaml")).unwrap();
    assert_eq!(config["kind"], "CustomResourceStateMetrics");
    let schemas = schemas();
    let mut kinds = BTreeSet::new();
    let mut named = BTreeSet::new();
    for resource in config["spec"]["resources"].as_array().unwrap() {
        let of = &resource["groupVersionKind"];
        let kind = of["kind"].as_str().unwrap();
        let (version, schema) = &schemas[kind];
        assert_eq!(
            (&of["group"], of["version"].as_str()),
            (&"clinch.hireez.dev".into(), Some(&**version))
        );
        assert!(kinds.insert(kind), "{kind} twice");
        assert_labels(&resource["labelsFromPath"], schema);
        let prefix = resource["metricNamePrefix"].as_str().unwrap();
        for metric in resource["metrics"].as_array().unwrap() {
            let name = format!("{prefix}_{}", metric["name"].as_str().unwrap());
            // A page with a metric in two places is refused by readers that follow the format.
            assert!(named.insert(name.clone()), "{name} of two kinds");
            let each = &metric["each"];
            if each["type"] == "Info" {
                assert_labels(&each["info"]["labelsFromPath"], schema);
                continue;
            }
            let gauge = &each["gauge"];
            let value = below(schema, &words(&gauge["path"]));
            let member = &value["items"];
            if member.is_null() {
                let number = value["type"] == "integer" || value["format"] == "date-time";
                assert!(number, "{kind}: {metric} is no number");
            } else {
                below(member, &words(&gauge["valueFrom"]));
                assert_labels(&gauge["labelsFromPath"], member);
            }
        }
    }
    // A CandidateLedger has no status.
    let expected: BTreeSet<&str> =
        schemas.keys().map(String::as_str).filter(|kind| *kind != "CandidateLedger").collect();
    assert_eq!(kinds, expected);
    let page = read("README.md");
    let metric = Regex::new("`(clinch_[a-z_]+)`").unwrap();
    let explained: BTreeSet<String> =
        metric.captures_iter(&page).map(|found| found[1].to_owned()).collect();
    assert_eq!(named, explained);
}
