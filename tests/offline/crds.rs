//! The files in `crds/` are what the types say, and the types are what the conventions ask for.

use std::path::Path;

use serde_json::{Value, json};

const REGENERATE: &str = "run `make crds` and commit the result";

#[test]
fn files_in_crds_match_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let expected = clinch_operator::api::crds_yaml().unwrap();
    for (name, yaml) in &expected {
        let path = folder.join(name);
        let found = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read crds/{name}: {error}; {REGENERATE}"));
        assert!(found == *yaml, "crds/{name} differs from the types; {REGENERATE}");
    }
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, expected.len(), "a file in crds/ belongs to no type; {REGENERATE}");
}

#[test]
fn the_field_reference_is_that_of_the_types() {
    let written = tempfile::tempdir().unwrap();
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
        .args(["crds", "--reference"])
        .arg(written.path())
        .status();
    assert!(status.unwrap().success());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&folder), names(written.path()), "{REGENERATE}");
    for name in names(&folder) {
        let read = |folder: &Path| std::fs::read_to_string(folder.join(&name)).unwrap();
        let differs = read(&folder) != read(written.path());
        assert!(!differs, "docs/reference/{} differs; {REGENERATE}", name.display());
    }
}

/// An object without the field is valid, so its author must know what happens then.
#[test]
fn what_the_absence_of_a_field_means_is_in_its_description() {
    const WORDS: [&str; 4] = ["Absent: ", "Empty: ", "Exactly one of ", "Required "];
    let mut silent = Vec::new();
    for (path, schema) in all_schemas() {
        let Some(names) = schema["properties"].as_object() else { continue };
        let part = path.split('.').nth(1).unwrap();
        if !part.starts_with("spec") {
            continue;
        }
        for (name, field) in names {
            let required =
                schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
            let text = field["description"].as_str().unwrap_or_default().replace('\n', " ");
            // At the beginning, or as a sentence of its own.
            let says = WORDS
                .iter()
                .any(|word| text.starts_with(word) || text.contains(&format!(". {word}")));
            if !required && field.get("default").is_none() && !says {
                silent.push(format!("{path}.{name}: {text}"));
            }
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn every_string_number_list_and_map_of_a_spec_is_bounded() {
    let mut unbounded = Vec::new();
    for crd in clinch_operator::api::crds() {
        let crd = serde_json::to_value(crd).unwrap();
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap().to_owned();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        find_unbounded(&format!("{kind}.spec"), &schema["spec"], &mut unbounded);
    }
    assert!(unbounded.is_empty(), "without a maximum: {unbounded:#?}");
}

fn find_unbounded(path: &str, schema: &Value, found: &mut Vec<String>) {
    let bounded = |key: &str| schema.get(key).is_some();
    match schema["type"].as_str() {
        Some("string") if !bounded("maxLength") && !bounded("enum") => found.push(path.to_owned()),
        // Segments are written by the operator only.
        Some("integer") if !bounded("maximum") && !path.starts_with("CandidateLedger") => {
            found.push(path.to_owned());
        }
        Some("array") if !bounded("maxItems") => found.push(path.to_owned()),
        Some("object")
            if schema.get("additionalProperties").is_some() && !bounded("maxProperties") =>
        {
            found.push(path.to_owned());
        }
        _ => {}
    }
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        find_unbounded(&format!("{path}.{name}"), child, found);
    }
    if let Some(items) = schema.get("items") {
        find_unbounded(&format!("{path}[]"), items, found);
    }
    if let Some(values) = schema.get("additionalProperties").filter(|v| v.is_object()) {
        find_unbounded(&format!("{path}{{}}"), values, found);
    }
}

/// Under server-side apply, several owners share a map or a set, and one owns the whole of an atomic
/// list; without a type a list is atomic, but nobody has decided it.
#[test]
fn every_list_says_how_it_is_merged() {
    let (mut untyped, mut maps) = (Vec::new(), Vec::new());
    for crd in clinch_operator::api::crds() {
        let crd = serde_json::to_value(crd).unwrap();
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap().to_owned();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        find_untyped(&kind, schema, &mut untyped, &mut maps);
    }
    assert!(untyped.is_empty(), "without a usable x-kubernetes-list-type: {untyped:#?}");
    let jobs = "ClinchIntegration.spec.pushPermission.jobs by job";
    assert!(maps.contains(&jobs.to_owned()), "teams own entries of their own: {maps:#?}");
}

fn find_untyped(path: &str, schema: &Value, untyped: &mut Vec<String>, maps: &mut Vec<String>) {
    if schema["type"] == "array" {
        let (items, keys) = (&schema["items"], &schema["x-kubernetes-list-map-keys"]);
        let required = |key: &Value| {
            let required = items["required"].as_array().is_some_and(|names| names.contains(key));
            required || items["properties"][key.as_str().unwrap()].get("default").is_some()
        };
        let usable = match schema["x-kubernetes-list-type"].as_str() {
            Some("atomic") => true,
            Some("set") => items["type"] != "object" && items["type"] != "array",
            Some("map") => keys.as_array().is_some_and(|keys| keys.iter().all(required)),
            _ => false,
        };
        if !usable {
            untyped.push(path.to_owned());
        }
        for key in keys.as_array().into_iter().flatten() {
            maps.push(format!("{path} by {}", key.as_str().unwrap()));
        }
    }
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        find_untyped(&format!("{path}.{name}"), child, untyped, maps);
    }
    for (part, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(child) = schema.get(part).filter(|child| child.is_object()) {
            find_untyped(&format!("{path}{mark}"), child, untyped, maps);
        }
    }
}

#[test]
fn user_facing_kinds_default_to_an_unobserved_status_and_are_in_the_category() {
    for crd in clinch_operator::api::crds() {
        let crd = serde_json::to_value(crd).unwrap();
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        let status =
            &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
        let categories = &crd["spec"]["names"]["categories"];
        if kind == "CandidateLedger" {
            assert!(categories.as_array().is_none_or(Vec::is_empty), "ledgers are internal");
        } else {
            assert_eq!(status["default"]["observedGeneration"], -1, "{kind}");
            assert_eq!(categories[0], "clinch", "{kind}");
        }
    }
}

#[test]
fn no_field_is_named_like_a_yaml_boolean() {
    fn names(schema: &Value, out: &mut Vec<String>) {
        for (name, child) in schema["properties"].as_object().into_iter().flatten() {
            out.push(name.clone());
            names(child, out);
            names(&child["items"], out);
        }
    }
    for crd in clinch_operator::api::crds() {
        let crd = serde_json::to_value(crd).unwrap();
        let mut found = Vec::new();
        names(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut found);
        for name in found {
            let lower = name.to_lowercase();
            assert!(!["y", "n", "yes", "no", "on", "off"].contains(&lower.as_str()), "{name}");
        }
    }
}

#[test]
fn no_reference_to_data_leaves_its_namespace() {
    fn references(schema: &Value, name: &str, out: &mut Vec<(String, Vec<String>)>) {
        let Some(members) = schema["properties"].as_object() else { return };
        if ["secretRef", "configMapRef"].contains(&name) {
            out.push((name.to_owned(), members.keys().cloned().collect()));
        }
        for (name, child) in members {
            references(child, name, out);
            references(&child["items"], name, out);
        }
    }
    let mut found = Vec::new();
    for crd in clinch_operator::api::crds() {
        let crd = serde_json::to_value(crd).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        references(schema, "", &mut found);
    }
    assert!(found.len() >= 3, "{found:?}");
    for (name, members) in found {
        assert!(members.contains(&"name".to_owned()), "{name}: {members:?}");
        assert!(!members.contains(&"namespace".to_owned()), "{name} names a namespace");
    }
}

/// Every schema of a CRD below its root, with its path; list items as `[]`, map values as `{}`.
fn schemas(path: &str, schema: &Value, out: &mut Vec<(String, Value)>) {
    out.push((path.to_owned(), schema.clone()));
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        schemas(&format!("{path}.{name}"), child, out);
    }
    for (part, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(child) = schema.get(part).filter(|child| child.is_object()) {
            schemas(&format!("{path}{mark}"), child, out);
        }
    }
}

/// The schemas of spec and status of every kind.
fn all_schemas() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for crd in clinch_operator::api::crds() {
        let crd = serde_json::to_value(crd).unwrap();
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        for (part, schema) in root["properties"].as_object().unwrap() {
            schemas(&format!("{kind}.{part}"), schema, &mut found);
        }
    }
    assert!(found.len() > 200, "{}", found.len());
    found
}

/// Rules on an object that refuse none of its fields: place and message, and why.
const OF_NO_FIELD: [(&str, &str, &str); 11] = [
    ("CandidateExport.spec.destination", "exactly one of", ONE),
    ("CandidateExport.spec.destination.job", "exactly one of", ONE),
    ("CandidateExport.spec.source", "exactly one of", ONE),
    ("CandidateImport.spec.match.source", "exactly one of", ONE),
    ("CandidateImport.spec.sink", "exactly one of", ONE),
    ("CandidateImport.spec.sink", "the kind of sink", "one field is gone and another one is there"),
    ("CandidateLedger.spec", "a ledger segment", "whichever field differs, it is another segment"),
    ("ClinchIntegration.spec", "exactly one of", ONE),
    ("ClinchIntegration.spec.suppression", "exactly one of", ONE),
    ("FieldMapping.spec.fields[]", "exactly one of", ONE),
    ("FieldMapping.spec.fields[].value", "exactly one of", ONE),
];
const ONE: &str = "none is set, or several are";

/// The schema of a field below another one.
fn below<'a>(schema: &'a Value, field_path: &str) -> Option<&'a Value> {
    let names = field_path.strip_prefix('.')?.split('.');
    names.into_iter().try_fold(schema, |schema, name| schema["properties"].get(name))
}

/// Clients show the reason as a word of its own (`Forbidden`, `Required value`), and the field before it.
#[test]
fn every_rule_says_why_and_names_the_field_that_it_refuses_once() {
    let (mut wrong, mut excused, mut rules) = (Vec::new(), Vec::new(), 0);
    for (path, schema) in all_schemas() {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let message = rule["message"].as_str().unwrap_or_default();
            let field = rule["fieldPath"].as_str();
            let full = format!("{path}{}", field.unwrap_or_default());
            rules += 1;
            // With `FieldValueDuplicate` the API server leaves the message out.
            let reasons = ["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired"];
            if !reasons.contains(&rule["reason"].as_str().unwrap_or_default()) {
                wrong.push(format!("{full}: no reason: {message}"));
            }
            let name = full.rsplit('.').next().unwrap_or_default();
            if message.is_empty() || message.starts_with(&format!("{name} ")) {
                wrong.push(format!("{full}: the message names the field again: {message}"));
            }
            let excuse = OF_NO_FIELD
                .iter()
                .position(|(place, begins, _)| *place == path && message.starts_with(begins));
            match (field, excuse) {
                (Some(field), None) if below(&schema, field).is_some() => {}
                (None, Some(excuse)) => excused.push(excuse),
                // A rule on a field that has no others is about that field.
                (None, None) if schema.get("properties").is_none() => {}
                _ => wrong.push(format!("{full}: a fieldPath, or an excuse: {message}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    excused.sort_unstable();
    assert_eq!(excused, (0..OF_NO_FIELD.len()).collect::<Vec<_>>(), "excused that are no rules");
    assert!(rules > 80, "{rules}");
}

#[test]
fn no_object_drops_unknown_fields_silently() {
    for (path, schema) in all_schemas() {
        let says = ["properties", "additionalProperties", "x-kubernetes-preserve-unknown-fields"]
            .iter()
            .any(|word| schema.get(word).is_some());
        assert!(schema["type"] != "object" || says, "{path} takes any field and stores none");
    }
}

#[test]
fn nothing_claims_to_take_null_which_means_nothing() {
    for (path, schema) in all_schemas() {
        assert_eq!(schema.get("nullable"), None, "{path}");
        let values = schema["enum"].as_array().into_iter().flatten();
        assert!(!values.clone().any(Value::is_null), "{path}");
    }
}

#[test]
fn no_list_item_has_a_default_so_that_a_list_is_stored_as_written() {
    for (path, schema) in all_schemas() {
        assert!(!path.contains("[]") || schema.get("default").is_none(), "{path}");
    }
}
