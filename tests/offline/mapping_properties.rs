//! The mapping engine under arbitrary input, against another implementation of CEL, and against
//! its own reference: every example of `docs/MAPPING.md` is run. Deterministic; no I/O but
//! reading files of the repository.

use std::fs;

use clinch_operator::{
    api,
    domain::{Profile, Reason},
    mapping::{ImportPlan, MappingSpec, Plan, Select, TransformSpec, compile},
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
};
use serde_json::{Map, Value, json};

use crate::search::cases;

fn read(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn sample(name: &str) -> Profile {
    profile(serde_json::from_str(&read(&format!("tests/data/profiles/{name}.json"))).unwrap())
}

fn profile(value: Value) -> Profile {
    Profile::try_from(value).unwrap()
}

fn plan(spec: Value) -> Plan {
    compile(&serde_json::from_value(spec).unwrap()).unwrap()
}

/// A mapping that uses every kind of source and every transform.
fn everything() -> Plan {
    let one = |to: &str, from: &str, transform: Value| json!({"to": to, "from": from, "transforms": [transform]});
    let mut fields = vec![
        json!({"to": "email", "expression": "candidate.emails.filter(e, !e.outdated)[0].value"}),
        json!({"to": "e1", "expression": "candidate.positions.map(p, p.company).join(', ')"}),
        json!({"to": "e2", "expression": "candidate.title.split(' ')[0].lowerAscii()"}),
        json!({"to": "e3", "expression": "candidate.yearsOfExperience * 2 + size(candidate.skills)"}),
        json!({"to": "e4", "expression": "candidate.x"}),
        json!({"to": "e5", "expression": "candidate.skills.distinct() == candidate.tags"}),
        json!({"to": "p1", "from": "location"}),
        json!({"to": "p2", "from": "emails[*].value", "writeMode": "OnlyIfEmpty"}),
        json!({"to": "p3", "from": "positions[*].x[*]"}),
    ];
    let transforms = [
        json!({"name": "trim"}),
        json!({"name": "lower"}),
        json!({"name": "upper"}),
        json!({"name": "titleCase"}),
        json!({"name": "e164", "defaultCountry": "GB"}),
        json!({"name": "date", "from": ["%d.%m.%Y", "%Y-%j"]}),
        json!({"name": "date"}),
        json!({"name": "join", "separator": ","}),
        json!({"name": "split", "separator": "a"}),
        json!({"name": "replace", "pattern": "a", "with": "bb"}),
        json!({"name": "truncate", "length": 2}),
        json!({"name": "map", "values": {"a": "b"}, "otherwise": "Skip"}),
        json!({"name": "default", "value": "none"}),
        json!({"name": "first"}),
        json!({"name": "unique"}),
        json!({"name": "prefix", "text": "p"}),
        json!({"name": "suffix", "text": "s"}),
    ];
    for (n, transform) in transforms.into_iter().enumerate() {
        for (m, from) in ["title", "skills", "phones[0].value", "x"].into_iter().enumerate() {
            fields.push(one(&format!("t{n}_{m}"), from, transform.clone()));
        }
    }
    plan(json!({"fields": fields, "resume": {"attach": true},
        "tags": {"enabled": true, "activity": "tags"}}))
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[+0-9 ().-]{0,16}".prop_map(Value::from),
        Just(json!("2024-02-30")),
        Just(json!(" ")),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(member_name(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn member_name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "value", "outdated", "kind", "company", "x", "city", "name", "bytes", "url", "\u{e9} y",
    ])
    .prop_map(str::to_owned)
}

fn any_profile() -> impl Strategy<Value = Profile> {
    let name = prop::sample::select(vec![
        "email",
        "emails",
        "title",
        "skills",
        "phones",
        "location",
        "positions",
        "tags",
        "x",
        "resume",
        "yearsOfExperience",
    ]);
    btree_map(name.prop_map(str::to_owned), any_json(), 0..12)
        .prop_map(|members| Profile::new(members.into_iter().collect()))
}

/// Pieces of the language in any order: closer to valid than arbitrary text.
fn token_soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "candidate",
        ".",
        ".?",
        "a",
        "x",
        "(",
        ")",
        "[",
        "]",
        "[?",
        "{",
        "}",
        ":",
        "?",
        ",",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        ">=",
        "&&",
        "||",
        " in ",
        "has(",
        ".filter(x, ",
        ".map(x, ",
        ".all(y, ",
        ".size()",
        ".split('')",
        ".matches('a+')",
        "'t'",
        "\"\\u00e9\"",
        "r'\\d'",
        "'''",
        "1",
        "2.5",
        "0x1F",
        "9223372036854775808",
        "1e400",
        "true",
        "null",
        "//",
        "\n",
        "é",
        "for",
        "string(",
    ]);
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn applying_never_panics_and_keeps_its_promises(profile in any_profile()) {
        let first = everything().apply(&profile);
        match &first {
            Ok(mapped) => {
                for value in mapped.attributes.values() {
                    let blank = value.is_null() || value.as_str().is_some_and(|t| t.trim().is_empty())
                        || value.as_array().is_some_and(Vec::is_empty);
                    prop_assert!(!blank, "an empty source would wipe a value");
                }
                prop_assert!(mapped.tags.iter().all(|tag| !tag.is_empty()));
            }
            Err(issues) => prop_assert!(!issues.is_empty()),
        }
        prop_assert_eq!(first, everything().apply(&profile));
    }

    #[test]
    fn an_empty_source_never_wipes(
        empties in vec(prop::sample::select(vec![
            json!(null), json!(""), json!(" \n"), json!([]), json!([null, "", []]), json!({})]), 3),
    ) {
        let plan = plan(json!({"fields": [
            {"to": "email", "from": "email"},
            {"to": "a", "from": "a", "transforms": [{"name": "trim"}, {"name": "lower"}]},
            {"to": "b", "expression": "candidate.b"},
            {"to": "c", "from": "c[*]", "transforms": [{"name": "join", "separator": ""}]},
        ]}));
        let profile = profile(json!({"email": "a@x.org",
            "a": empties[0], "b": empties[1], "c": empties[2]}));
        let mapped = plan.apply(&profile).unwrap();
        prop_assert_eq!(Value::Object(mapped.attributes), json!({"email": "a@x.org"}));
    }

    #[test]
    fn compiling_never_panics_on_any_text(text in prop_oneof!["\\PC{0,60}", ".{0,60}", token_soup()]) {
        let spec: MappingSpec = serde_json::from_value(json!({"fields": [
            {"to": "email", "from": text},
            {"to": text, "expression": text, "transforms": [
                {"name": "date", "from": [text], "to": text},
                {"name": "e164", "defaultCountry": text},
                {"name": "replace", "pattern": text, "with": text}]},
        ], "tags": {"enabled": true, "from": text, "activity": text}})).unwrap();
        if let Err(issues) = compile(&spec) {
            for issue in issues {
                prop_assert!(issue.path.starts_with("spec.") && issue.path.len() < 256);
                prop_assert!(!issue.message.is_empty() && issue.message.len() <= 400);
            }
        }
        if let Ok(select) = Select::compile(&text, "spec.select") {
            let outcome = select.matches(&sample("hostile"));
            prop_assert!(outcome.is_ok() || outcome.is_err());
        }
    }

    #[test]
    fn the_digest_is_stable_and_distinguishes_specs(a in "[a-z]{1,8}", b in "[a-z]{1,8}") {
        let digest = |path: &str| {
            plan(json!({"fields": [{"to": "email", "from": path}]})).digest()
        };
        prop_assert_eq!(digest(&a), digest(&a));
        prop_assert_eq!(digest(&a) == digest(&b), a == b);
    }

    #[test]
    fn where_the_other_implementation_gives_a_value_this_gives_the_same(text in expressions()) {
        // Objects of one member each: the other one has no order of keys.
        agree(&text, &profile(json!({
            "id": "hz-1", "firstName": "Ada", "title": "Rust", "yearsOfExperience": 12,
            "skills": ["Rust", "SQL"], "tags": [], "location": {"city": "London"},
            "emails": [{"value": "a@x.org"}, {"outdated": true}, {"kind": "work"}, 1, null],
        })));
        agree(&text, &profile(json!({
            "id": 7, "firstName": null, "title": {"a": [1, "Rust"]}, "yearsOfExperience": 5.5,
            "skills": {"Rust": true}, "tags": [{"Rust": 1}], "location": [true, 2.5, "a"],
            "emails": "text",
        })));
    }
}

/// Well-formed expressions of the part of the language that both implementations have.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "candidate.firstName",
        "candidate.title",
        "candidate.yearsOfExperience",
        "candidate.skills",
        "candidate.emails",
        "candidate.emails[0].value",
        "candidate.emails[1].outdated",
        "candidate.location",
        "candidate.location.city",
        "candidate.nowhere",
        "candidate.id",
        "candidate.tags",
        "0",
        "1",
        "12",
        "-3",
        "2.5",
        "12.0",
        "'Rust'",
        "'a'",
        "''",
        "true",
        "false",
        "null",
        "[]",
        "[1, 2, 2.5]",
        "['Rust', 'a']",
        "{'Rust': 1}",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operator = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||",
        ]);
        let call = prop::sample::select(vec!["contains", "startsWith", "endsWith"]);
        let each = prop::sample::select(vec!["filter", "map", "all", "exists", "exists_one"]);
        let body = prop::sample::select(vec![
            "v == 'Rust'",
            "v == 1",
            "v.outdated",
            "has(v.kind)",
            "v in candidate.skills",
            "v > 1",
            "v.value.endsWith('.org')",
            "true",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            inner.clone().prop_map(|a| format!("size({a})")),
            (inner.clone(), call, inner.clone()).prop_map(|(a, f, b)| format!("({a}).{f}({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (inner.clone(), each, body).prop_map(|(a, f, b)| format!("({a}).{f}(v, {b})")),
            inner.clone().prop_map(|a| format!("has(candidate.location) ? {a} : 1")),
            vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
        ]
    })
}

/// Evaluates by the other implementation; `None` where it gives no value.
fn reference(text: &str, profile: &Profile) -> Option<Value> {
    let program = cel::Program::compile(text).ok()?;
    let mut context = cel::Context::default();
    context.add_variable("candidate", profile.members()).ok()?;
    program.execute(&context).ok()?.json().ok()
}

/// Takes away what counts as missing here, and writes numbers in one way.
fn normal(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) if text.trim().is_empty() => None,
        Value::Array(items) => {
            let items: Vec<Value> = items.into_iter().filter_map(normal).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(members) if members.is_empty() => None,
        Value::Object(members) => Some(Value::Object(
            members.into_iter().map(|(k, v)| (k, normal(v).unwrap_or_default())).collect(),
        )),
        Value::Number(number) => Some(json!(number.as_f64())),
        other => Some(other),
    }
}

/// Evaluates here: the value, missing, or why there is none.
fn evaluate(text: &str, profile: &Profile) -> Result<Option<Value>, String> {
    let spec: MappingSpec = serde_json::from_value(json!({"fields": [
        {"to": "email", "expression": "'a@x.org'"}, {"to": "out", "expression": text}]}))
    .unwrap();
    let plan = compile(&spec).map_err(|issues| issues[0].to_string())?;
    let mut mapped = plan.apply(profile).map_err(|issues| issues[0].to_string())?;
    Ok(mapped.attributes.remove("out"))
}

fn agree(text: &str, profile: &Profile) {
    let Some(expected) = reference(text, profile) else { return };
    match evaluate(text, profile) {
        Ok(given) => assert_eq!(given.and_then(normal), normal(expected), "{text}"),
        // The other one appends any value to a list; CEL only joins lists.
        Err(error) if error.contains("+ does not accept a") && error.contains("a list") => {}
        Err(error) => panic!("{text}: {error}"),
    }
}

#[test]
fn the_other_implementation_agrees_on_the_features_of_the_language() {
    let table = [
        "candidate.firstName + ' ' + candidate.lastName",
        "candidate.emails.filter(e, !e.outdated)[0].value",
        "candidate.emails.map(e, e.kind == 'work', e.value)",
        "candidate.emails.exists_one(e, e.outdated)",
        "'Rust' in candidate.skills && candidate.yearsOfExperience >= 5",
        "candidate.yearsOfExperience == 12.0",
        "1 + 2 * 3 - 4 / 2 % 3",
        "-(5) - -5",
        "true ? 1 : false ? 2 : 3",
        "1 < 2 == true",
        "!true || !!true",
        "[1, 2] + [3]",
        "'b' > 'a' && 'é' != 'e'",
        "'a\\tb\\u00e9' + r'\\d' + '''x'y''' + \"z\"",
        "0x1F + 1",
        "1e3 + .5",
        "{'a': [1, {'b': 2}]}.a[1].b",
        "candidate['location']['city'].startsWith('Lon')",
        "candidate.nowhere == 1 || true",
        "false && candidate.nowhere",
        "[true, candidate.location.city].exists(x, x)",
        "size('é€') + size([1]) + size({'a': 1})",
        "candidate.location.all(k, size(k) > 2)",
        "int('7') + int(4.9) + int(-4.9)",
        "string(4.5) + string(true)",
        "double('2.5')",
        "1 == 'a'",
        "has(candidate.location.city) && !has(candidate.location.planet)",
    ];
    for text in table {
        assert!(reference(text, &sample("ada")).is_some(), "{text} has no reference value");
        agree(text, &sample("ada"));
    }
}

#[test]
fn a_hostile_profile_is_told_and_a_sparse_one_passes() {
    let default = compile(&MappingSpec::default_mapping()).unwrap();
    let sparse = default.apply(&sample("sparse")).unwrap();
    assert_eq!(Value::Object(sparse.attributes), json!({"email": "charles@example.org"}));
    let issues = default.apply(&sample("hostile")).unwrap_err();
    assert_eq!(issues[0].path, "spec.fields[0].from");
    assert!(issues.iter().all(|i| i.reason == Reason::InvalidValue), "{issues:?}");
    assert!(!format!("{issues:?}").contains("should"), "{issues:?}");
}

/// The fenced blocks of the reference: language and text, in order.
fn blocks() -> Vec<(String, String)> {
    let text = read("docs/MAPPING.md");
    let mut blocks = Vec::new();
    let mut parts = text.split("\n```");
    parts.next();
    while let (Some(block), Some(_)) = (parts.next(), parts.next()) {
        let (language, body) = block.split_once('\n').unwrap();
        blocks.push((language.to_owned(), body.to_owned()));
    }
    blocks
}

#[test]
fn every_mapping_of_the_reference_gives_what_it_says() {
    let blocks = blocks();
    let mut compared = 0;
    for (index, (language, body)) in blocks.iter().enumerate() {
        if language != "yaml" {
            continue;
        }
        let spec: MappingSpec = if body.starts_with("apiVersion") {
            // A whole object goes through the kind's own type: the two have to stay alike.
            let object: api::FieldMapping = serde_saphyr::from_str(body).unwrap();
            let spec = engine(&object.spec);
            if object.spec.direction == api::MappingDirection::Import {
                // The person of the first example comes back.
                let outcome = |(_, body): &(String, String)| serde_json::from_str(body).unwrap();
                let sent: Map<String, Value> =
                    blocks.iter().find(|(l, _)| l == "json").map(outcome).unwrap();
                let back = ImportPlan::compile(&spec.fields).unwrap().map("0f4c", &sent).unwrap();
                assert_eq!(back, outcome(&blocks[index + 1]));
                compared += 1;
                continue;
            }
            spec
        } else {
            serde_saphyr::from_str(body).unwrap()
        };
        let mapped = compile(&spec).unwrap().apply(&sample("ada")).unwrap();
        if spec.tags.enabled {
            assert_eq!(mapped.tags, ["hot", "q3-campaign"]);
            assert!(mapped.resume.is_some());
        }
        if let Some((_, expected)) = blocks.get(index + 1).filter(|(l, _)| l == "json") {
            let expected: Map<String, Value> = serde_json::from_str(expected).unwrap();
            assert_eq!(mapped.attributes, expected);
            compared += 1;
        }
    }
    assert_eq!(compared, 3, "the reference shows three outcomes");
}

/// A spec as the engine reads it, which knows no direction.
fn engine(spec: &api::FieldMappingSpec) -> MappingSpec {
    let mut value = serde_json::to_value(spec).unwrap();
    value.as_object_mut().unwrap().remove("direction");
    serde_json::from_value(value).unwrap()
}

#[test]
fn every_expression_of_the_reference_gives_what_it_says() {
    let lines: Vec<String> = blocks()
        .into_iter()
        .filter(|(language, _)| language == "cel")
        .flat_map(|(_, body)| body.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(lines.len() > 20, "{} examples", lines.len());
    for line in lines {
        let (text, expected) = line.split_once("// => ").unwrap();
        let expected = (expected != "missing").then(|| serde_json::from_str(expected).unwrap());
        assert_eq!(evaluate(text, &sample("ada")), Ok(expected), "{line}");
    }
}

#[test]
fn every_transform_of_the_reference_gives_what_it_says() {
    let text = read("docs/MAPPING.md");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `{name:")).collect();
    assert_eq!(rows.len(), 18, "one row for each transform, two for map and e164");
    for row in rows {
        let cell: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let transform: TransformSpec = serde_saphyr::from_str(cell[0]).unwrap();
        let value: Value = serde_json::from_str(cell[1]).unwrap();
        let expected: Value = serde_json::from_str(cell[2]).unwrap();
        let plan = plan(json!({"fields": [
            {"to": "email", "from": "email"},
            {"to": "out", "from": "value", "transforms": [transform]}]}));
        let mut mapped = plan.apply(&profile(json!({"email": "a@x.org", "value": value}))).unwrap();
        assert_eq!(mapped.attributes.remove("out").unwrap_or_default(), expected, "{row}");
    }
}

#[test]
fn the_kind_and_the_engine_know_the_same_members() {
    // Every member of the kind's spec, filled; the engine refuses members that it does not know.
    let transform = json!({"name": "map", "defaultCountry": "GB", "from": ["%Y"], "to": "%Y",
        "separator": ",", "pattern": "a", "with": "b", "length": 1, "values": {"a": "b"},
        "otherwise": "Keep", "value": "x", "text": "x"});
    let spec: api::FieldMappingSpec = serde_json::from_value(json!({
        "fields": [{"to": "email", "from": "email", "value": {"string": "a", "number": 1.0,
            "boolean": true, "strings": ["a"]}, "expression": "1", "transforms": [transform],
            "required": true, "whenMissing": "Clear", "writeMode": "OnlyIfEmpty"}],
        "resume": {"attach": true},
        "tags": {"enabled": true, "from": "tags", "activity": "a"},
        "matchKeys": ["email"],
    }))
    .unwrap();
    let mut kind = serde_json::to_value(&spec).unwrap();
    assert_eq!(kind.as_object_mut().unwrap().remove("direction"), Some(json!("Export")));
    assert_eq!(serde_json::to_value(engine(&spec)).unwrap(), kind);
}
