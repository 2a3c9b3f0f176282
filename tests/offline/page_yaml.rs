//! The YAML that the pages show: every field of our objects, and of the chart's values, exists.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clinch_operator::api::{GROUP, crds};
use regex::Regex;
use serde_json::Value;

/// Members at the top of fragments that belong to somebody else: Flux, Kustomize, Secrets, ConfigMaps, pre-commit.
const FOREIGN: [&str; 8] = [
    "healthCheckExprs",
    "configMapGenerator",
    "configurations",
    "nameReference",
    "metadata",
    "stringData",
    "data",
    "repos",
];
/// Files of the emulator, which has a test of its own for them.
const EMULATOR: &str = "docs/SANDBOX.md";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md"), root().join("examples/gitops/README.md")];
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    found.extend(docs.filter(|path| {
        path.extension().is_some_and(|end| end == "md") && *path != root().join(EMULATOR)
    }));
    found.sort();
    found
}

/// The documents in the YAML of a page, also of that within lists, with the line of their block.
fn documents(page: &str) -> Vec<(usize, Value)> {
    let block = Regex::new(r"(?ms)^(?P<indent> *)```ya?ml\n(?P<text>.*?)^ *```$").unwrap();
    let mut found = Vec::new();
    for block in block.captures_iter(page) {
        let line = 1 + page[..block.get(0).unwrap().start()].matches('\n').count();
        let indent = &block["indent"];
        let lines: Vec<&str> =
            block["text"].lines().map(|line| line.strip_prefix(indent).unwrap_or(line)).collect();
        let text = lines.join("\n");
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
            .unwrap_or_else(|error| panic!("the block at line {line}: {error}"));
        found.extend(documents.into_iter().map(|document| (line, document)));
    }
    found
}

/// The schemas of the specs, by kind.
fn specs() -> BTreeMap<String, Value> {
    let spec = |crd: Value| {
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap().to_owned();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        (kind, schema["properties"]["spec"].clone())
    };
    crds().iter().map(|crd| spec(serde_json::to_value(crd).unwrap())).collect()
}

/// The fields of a value that its schema does not have.
fn unknown(path: &str, value: &Value, schema: &Value, found: &mut Vec<String>) {
    if schema["x-kubernetes-preserve-unknown-fields"] == true {
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = format!("{path}.{name}");
                let known = schema["properties"].get(name);
                match known.or_else(|| schema.get("additionalProperties")) {
                    Some(schema) => unknown(&path, member, schema, found),
                    None => found.push(path),
                }
            }
        }
        Value::Array(items) => {
            items.iter().for_each(|item| unknown(path, item, &schema["items"], found));
        }
        _ => {
            let words = schema["enum"].as_array();
            if words.is_some_and(|words| !words.contains(value)) {
                found.push(format!("{path}: {value}"));
            }
        }
    }
}

fn unknown_in(kind: &str, value: &Value, specs: &BTreeMap<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    unknown(kind, value, &specs[kind], &mut found);
    found
}

/// Checks a part of a manifest, or of the chart's values. Returns what is wrong.
fn check_part(part: &Value, specs: &BTreeMap<String, Value>, values: &Value) -> Vec<String> {
    let Some(members) = part.as_object() else { return Vec::new() };
    let all = |has: &dyn Fn(&str) -> bool| members.keys().all(|name| has(name));
    if all(&|name| values.get(name).is_some()) || all(&|name| FOREIGN.contains(&name)) {
        return Vec::new();
    }
    let knows = |schema: &Value| all(&|name| schema["properties"].get(name).is_some());
    let kinds: Vec<&String> =
        specs.iter().filter(|(_, schema)| knows(schema)).map(|(kind, _)| kind).collect();
    if kinds.is_empty() {
        return vec![format!("nothing has all of {:?}", members.keys().collect::<Vec<_>>())];
    }
    // Several kinds have some fields, so that it is one of them.
    kinds.into_iter().map(|kind| unknown_in(kind, part, specs)).min_by_key(Vec::len).unwrap()
}

#[test]
fn every_field_in_the_yaml_of_the_pages_exists() {
    let specs = specs();
    let values = fs::read_to_string(root().join("charts/clinch-operator/values.yaml")).unwrap();
    let values: Value = serde_saphyr::from_str(&values).unwrap();
    let (mut checked, mut wrong) = (0, Vec::new());
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        for (line, document) in documents(&page) {
            let ours = document["apiVersion"].as_str().is_some_and(|v| v.starts_with(GROUP));
            let found = match document["kind"].as_str() {
                Some(kind) if ours => unknown_in(kind, &document["spec"], &specs),
                Some(_) => continue,
                None => {
                    let is_outer = document.as_object().is_some_and(|members| {
                        members.keys().all(|name| name == "spec" || name == "metadata")
                            && members.contains_key("spec")
                    });
                    let part = if is_outer { &document["spec"] } else { &document };
                    check_part(part, &specs, &values)
                }
            };
            checked += 1;
            wrong
                .extend(found.into_iter().map(|what| format!("{}:{line}: {what}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 60, "{checked}");
}

#[test]
fn a_field_that_does_not_exist_is_found() {
    let specs = specs();
    let part = |text: &str| {
        let part: Value = serde_saphyr::from_str(text).unwrap();
        check_part(&part, &specs, &serde_json::json!({"shards": []}))
    };
    assert!(part("guards: {maxCreates: 1}").is_empty());
    assert_eq!(part("guards: {maxCreate: 1}"), ["CandidateExport.guards.maxCreate"]);
    assert_eq!(part("mode: Dry"), ["CandidateExport.mode: \"Dry\""]);
    assert!(part("gards: {}")[0].starts_with("nothing has all of"));
    assert!(part("shards: [a]").is_empty() && part("stringData: {a: b}").is_empty());
}
