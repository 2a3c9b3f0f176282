//! CRDs change in ways that leave stored objects valid: fields are added, bounds widen.

use std::{fs, path::Path};

use serde_json::Value;

/// What may differ although an object could be stored that the new schema refuses or drops: place,
/// and why.
const ACCEPTED: [(&str, &str); 6] = [
    ("candidateexports.spec.destination", "the rule that one is set also knows of files"),
    (
        "candidateexports.spec.destination.prospect",
        "has no settings, and what was given was dropped",
    ),
    ("candidateexports.spec.source", "the rule on inline candidates is one for each field now"),
    ("candidateexports.spec.limit", "the maximum is beyond the people of any source"),
    (
        "clinchintegrations.spec.pushPermission.jobs",
        "a job that is listed twice has to be merged with the next change of the list",
    ),
    ("clinchintegrations.spec", "the rule on endpoint says more of what it refused before"),
];

/// The same, since the state with imports.
const ACCEPTED_SINCE: [(&str, &str); 2] = [
    ("candidateexports.spec.source", "the rule on inline candidates is one for each field now"),
    ("candidateimports.spec.match.source", "the same"),
];

/// Each kind as it was in a folder of the fixtures, and as it is.
fn versions(earlier: &str) -> Vec<(String, Value, Value)> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(earlier).join("crds");
    let new = clinch_operator::api::crds_yaml().unwrap();
    let parsed = |text: &str| -> Value { serde_saphyr::from_str(text).unwrap() };
    // A kind that is new has no stored objects.
    let pairs = new.iter().filter(|(name, _)| folder.join(name).exists()).map(|(name, text)| {
        let old = fs::read_to_string(folder.join(name)).unwrap();
        (name.trim_end_matches(".yaml").to_owned(), parsed(&old), parsed(text))
    });
    pairs.collect()
}

/// Everything that an old object may hold and the new schema would not take. Nulls are not among
/// it: the API server drops those that a schema does not allow when it reads a stored object.
fn narrowed(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    let mut report = |what: &str| found.push(format!("{path}: {what}"));
    if old["type"] != new["type"] {
        report("another type");
    }
    for word in ["maxLength", "maxItems", "maxProperties", "maximum"] {
        match (old[word].as_f64(), new[word].as_f64()) {
            (None, Some(_)) => report(&format!("{word} is new")),
            (Some(before), Some(after)) if after < before => report(&format!("smaller {word}")),
            _ => {}
        }
    }
    for word in ["minLength", "minItems", "minimum"] {
        let before = old[word].as_f64().unwrap_or(f64::MIN);
        if new[word].as_f64().is_some_and(|after| after > before) {
            report(&format!("greater {word}"));
        }
    }
    if new.get("pattern").is_some() && old["pattern"] != new["pattern"] {
        report("another pattern");
    }
    let merged = "x-kubernetes-list-type";
    if matches!(new[merged].as_str(), Some("set" | "map")) && old[merged] != new[merged] {
        report("no item twice");
    }
    let values = |schema: &Value, word: &str| schema[word].as_array().cloned().unwrap_or_default();
    if new.get("enum").is_some() && values(old, "enum").is_empty() {
        report("enum is new");
    }
    for value in values(old, "enum") {
        if new.get("enum").is_some() && !values(new, "enum").contains(&value) && !value.is_null() {
            report(&format!("{value} is no longer allowed"));
        }
    }
    for name in values(new, "required") {
        let fills = new["properties"][name.as_str().unwrap()].get("default").is_some();
        if !values(old, "required").contains(&name) && !fills {
            report(&format!("{name} is required now"));
        }
    }
    let rules: Vec<Value> =
        values(old, "x-kubernetes-validations").iter().map(|rule| rule["rule"].clone()).collect();
    for rule in values(new, "x-kubernetes-validations") {
        // A rule about a field that is new allows every object that was stored without it.
        let subject = rule["rule"].as_str().and_then(|text| text.strip_prefix("!has(self."));
        let subject = subject.and_then(|text| Some(text.split_once(") || ")?.0));
        let about_new = subject.is_some_and(|name| old["properties"].get(name).is_none());
        if !rules.contains(&rule["rule"]) && !about_new {
            report(&format!("a new rule: {}", rule["message"]));
        }
    }
    for (name, child) in old["properties"].as_object().into_iter().flatten() {
        match new["properties"].get(name) {
            Some(after) => narrowed(&format!("{path}.{name}"), child, after, found),
            None => found.push(format!("{path}.{name}: removed")),
        }
    }
    for part in ["items", "additionalProperties"] {
        if let Some(child) = old.get(part).filter(|child| child.is_object()) {
            narrowed(&format!("{path}[]"), child, &new[part], found);
        }
    }
}

#[test]
fn stored_objects_stay_valid_when_the_crds_are_updated() {
    for (earlier, accepted) in
        [("upgrade", &ACCEPTED[..]), ("upgrade-imports", &ACCEPTED_SINCE[..])]
    {
        stay_valid(earlier, accepted);
    }
}

fn stay_valid(earlier: &str, all_accepted: &[(&str, &str)]) {
    let mut found = Vec::new();
    for (name, old, new) in versions(earlier) {
        let schema = |crd: &Value| crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
        assert_eq!(old["spec"]["versions"][0]["name"], new["spec"]["versions"][0]["name"]);
        narrowed(&name, &schema(&old), &schema(&new), &mut found);
    }
    let place = |found: &String| found.split(": ").next().unwrap().to_owned();
    for (accepted, why) in all_accepted {
        assert!(
            found.iter().any(|found| place(found) == *accepted),
            "not found: {accepted}: {why}"
        );
    }
    found.retain(|found| !all_accepted.iter().any(|(accepted, _)| *accepted == place(found)));
    assert!(found.is_empty(), "an object that was stored may be refused: {found:#?}");
}

#[test]
fn a_narrower_schema_is_noticed() {
    let old = serde_json::json!({"type": "object", "properties": {
        "gone": {"type": "string"}, "short": {"type": "string", "maxLength": 8},
        "word": {"type": "string", "enum": ["A", "B"]}, "list": {"type": "array", "items": {"type": "string"}}}});
    let new = serde_json::json!({"type": "object", "required": ["short"], "properties": {
        "short": {"type": "string", "maxLength": 7, "minLength": 1, "pattern": "^a"},
        "word": {"type": "string", "enum": ["A"]},
        "list": {"type": "array", "maxItems": 3, "items": {"type": "integer"}}}});
    let mut found = Vec::new();
    narrowed("x", &old, &new, &mut found);
    let expected = [
        "x: \"short\" is required now",
        "x.gone: removed",
        "x.list: maxItems is new",
        "x.list[]: another type",
        "x.short: smaller maxLength",
        "x.short: greater minLength",
        "x.short: another pattern",
        "x.word: \"B\" is no longer allowed",
    ];
    for expected in expected {
        assert!(found.iter().any(|found| found == expected), "{expected} is not in {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    let mut same = Vec::new();
    narrowed("x", &old, &old, &mut same);
    assert!(same.is_empty(), "{same:?}");
}
