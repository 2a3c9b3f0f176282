use serde_json::json;

use super::{
    super::spec::{MappingSpec, TransformSpec},
    *,
};
use crate::{
    domain::Profile,
    mapping::{AttributeKind, TargetAttribute, TargetAttributes, compile},
};

fn fields(fields: Value) -> Vec<FieldSpec> {
    serde_json::from_value(fields).unwrap()
}

fn plan(of: Value) -> ImportPlan {
    ImportPlan::compile(&fields(of)).unwrap()
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => panic!("not an object"),
    }
}

fn mapped(plan: &ImportPlan, attributes: Value) -> Value {
    Value::Object(plan.map("c1", &members(attributes)).unwrap())
}

#[test]
fn attributes_become_a_profile() {
    let plan = plan(json!([
        {"to": "emails[0].value", "from": "email", "transforms": [{"name": "lower"}]},
        {"to": "x.clinch_id", "from": "id"},
        {"to": "x.town", "from": "custom.town"},
        {"to": "fullName", "expression": "candidate.first_name + ' ' + candidate.last_name"},
        {"to": "x.origin", "value": {"string": "clinch"}},
        {"to": "skills[]", "from": "skills"},
        {"to": "title", "from": "job"},
    ]));
    let attributes = json!({"email": "A@X.org", "id": "other", "custom": {"town": "Oslo"},
        "first_name": "Ada", "last_name": "Roe", "skills": "Rust", "job": " "});
    let expected = json!({"emails": [{"value": "a@x.org"}], "x": {"clinch_id": "c1",
        "town": "Oslo", "origin": "clinch"}, "fullName": "Ada Roe", "skills": ["Rust"]});
    assert_eq!(mapped(&plan, attributes), expected);
    let read = plan.reads();
    let names: Vec<&str> = read.names.iter().map(String::as_str).collect();
    assert!(!read.all);
    assert_eq!(names, ["custom", "email", "first_name", "job", "last_name", "skills"]);
}

#[test]
fn every_fault_is_reported_with_its_place() {
    let bad = fields(json!([
        {"to": "emails[*].value", "from": "email"},
        {"to": "clinch.id", "from": "id"},
        {"to": "location", "from": "location"},
        {"to": "location.city", "from": "city[", "transforms": [{"name": "join"}]},
        {"to": "title", "from": "title", "whenMissing": "Clear"},
        {"to": "title", "from": "job"},
        {"to": "", "from": "job"},
        {"to": "a", "expression": "profile.title"},
        {"to": "b", "from": "title", "writeMode": "OnlyIfEmpty"},
    ]));
    let issues = ImportPlan::compile(&bad).unwrap_err();
    let shown: Vec<String> = issues.iter().map(ToString::to_string).collect();
    let expected = [
        "spec.fields[0].to: a target is one place; write [] for a list",
        "spec.fields[1].to: 'clinch' is reserved for the import's own data",
        "spec.fields[3].from: column 5",
        "spec.fields[3].transforms[0].separator: join requires separator",
        "spec.fields[3].to: spec.fields[2] is put in a part of the same place",
        "spec.fields[4].whenMissing: an import clears nothing",
        "spec.fields[5].to: spec.fields[4] is put in the same place",
        "spec.fields[6].to: a path must have 1 to 256 bytes",
        "spec.fields[7].expression: ",
        "spec.fields[8].writeMode: an import writes each profile as a whole",
    ];
    assert_eq!(shown.len(), expected.len(), "{shown:#?}");
    for (shown, expected) in shown.iter().zip(expected) {
        assert!(shown.starts_with(expected), "{shown}\n{expected}");
    }
    assert!(ImportPlan::compile(&[]).is_err());
}

#[test]
fn hostile_attributes_are_an_issue_with_the_place_and_never_shown() {
    let plan = plan(json!([
        {"to": "title", "from": "title", "required": true},
        {"to": "x.phone", "from": "phone", "transforms": [{"name": "e164"}]},
        {"to": "x.any", "from": "any"},
    ]));
    let deep = (0..200).fold(json!("Zyzzyva"), |inner, _| json!([inner]));
    let long = "Zyzzyva".repeat(150_000);
    for (attributes, path, reason) in [
        (json!({}), "spec.fields[0].from", Reason::RequiredMissing),
        (json!({"title": null}), "spec.fields[0].from", Reason::RequiredMissing),
        (json!({"title": []}), "spec.fields[0].from", Reason::RequiredMissing),
        (json!({"title": long}), "spec.fields[0].from", Reason::TooLarge),
        (
            json!({"title": "a", "phone": "Zyzzyva"}),
            "spec.fields[1].transforms[0]",
            Reason::InvalidValue,
        ),
        (
            json!({"title": "a", "phone": {"Zyzzyva": 1}}),
            "spec.fields[1].transforms[0]",
            Reason::InvalidValue,
        ),
        (json!({"title": "a", "any": deep}), "spec.fields[2].from", Reason::InvalidValue),
        (json!({"title": "a", "any": {"list": deep}}), "spec.fields[2].from", Reason::InvalidValue),
    ] {
        let issues = plan.map("c1", &members(attributes)).unwrap_err();
        assert_eq!((issues.len(), issues[0].path.as_str(), issues[0].reason), (1, path, reason));
        assert!(!format!("{issues:?}").contains("Zyzzyva"));
    }
}

fn inverse(of: &Value) -> Inverse {
    let spec: MappingSpec = serde_json::from_value(json!({"fields": of})).unwrap();
    ImportPlan::inverse_of(&spec).unwrap()
}

#[test]
fn the_match_key_comes_back_whatever_computes_it() {
    let given = inverse(&json!([
        {"to": "email", "expression": "candidate.emails.filter(e, e.kind == 'personal')[0].value"},
        {"to": "title", "expression": "candidate.title"},
    ]));
    let listed: Vec<String> = given.not_invertible.iter().map(ToString::to_string).collect();
    assert_eq!(listed, ["spec.fields[1] (expression)"]);
    let attributes = json!({"email": "ann@example.com", "title": "CTO"});
    let profile = given.plan.map("c1", attributes.as_object().unwrap()).unwrap();
    assert_eq!(Value::Object(profile), json!({"emails": [{"value": "ann@example.com"}]}));
}

#[test]
fn what_can_be_read_backwards_is_and_the_rest_is_listed() {
    let given = inverse(&json!([
        {"to": "email", "from": "emails[0].value", "required": true},
        {"to": "source", "value": {"string": "hireEZ"}},
        {"to": "name", "expression": "candidate.firstName"},
        {"to": "skills", "from": "skills", "transforms": [
            {"name": "trim"}, {"name": "join", "separator": "; "}]},
        {"to": "tags", "from": "tags[*]"},
        {"to": "phones", "from": "phones[*].value"},
        {"to": "ref", "from": "id", "transforms": [{"name": "prefix", "text": "hz-"}]},
        {"to": "start", "from": "x.start", "transforms": [
            {"name": "date", "from": ["%d.%m.%Y"], "to": "%Y-%m-%d"}]},
        {"to": "year", "from": "x.year", "transforms": [
            {"name": "date", "from": ["%Y-%m-%d"], "to": "%Y"}]},
        {"to": "level", "from": "x.level", "transforms": [
            {"name": "map", "values": {"1": "junior", "2": "senior"}}]},
        {"to": "city", "from": "location.city"},
        {"to": "place", "from": "location"},
        {"to": "title", "from": "title", "transforms": [{"name": "titleCase"}]},
        {"to": "late", "from": "positions[99].title"},
        {"to": "a", "from": "summary"},
        {"to": "b", "from": "summary"},
    ]));
    let listed: Vec<String> = given.not_invertible.iter().map(ToString::to_string).collect();
    assert_eq!(
        listed,
        [
            "spec.fields[1] (value)",
            "spec.fields[2] (expression)",
            "spec.fields[5] (the path collects a list)",
            "spec.fields[8] (date whose output format drops a part)",
            "spec.fields[10] (spec.fields[11] reads a part of the same value)",
            "spec.fields[11] (spec.fields[10] reads a part of the same value)",
            "spec.fields[12] (titleCase)",
            "spec.fields[13] (the last item of a list that can be filled is 63)",
            "spec.fields[14] (spec.fields[15] reads the same value)",
            "spec.fields[15] (spec.fields[14] reads the same value)",
        ]
    );
    let attributes = json!({"skills": "Rust; Go", "tags": "one", "ref": "hz-7",
        "start": "2026-11-05", "level": "senior", "source": "x", "title": "y"});
    let expected = json!({"skills": ["Rust", "Go"], "tags": ["one"], "id": "7",
        "x": {"start": "05.11.2026", "level": "2"}});
    assert_eq!(mapped(&given.plan, attributes), expected, "no e-mail address is needed");
    assert_eq!(given.plan.len(), 6);
    let wrong = members(json!({"start": "soon"}));
    assert_eq!(given.plan.map("c1", &wrong).unwrap_err()[0].path, "spec.fields[7]");
}

#[test]
fn what_a_later_transform_may_damage_has_no_way_back() {
    let back = |transforms: &Value| {
        let given = inverse(&json!([{"to": "email", "from": "email"},
            {"to": "a", "from": "x.a", "transforms": transforms}]));
        given.not_invertible.first().map(|one| one.why.clone())
    };
    let prefix = |text: &str| json!({"name": "prefix", "text": text});
    let suffix = |text: &str| json!({"name": "suffix", "text": text});
    let map = |values: Value| json!({"name": "map", "values": values});
    let join = |separator: &str| json!({"name": "join", "separator": separator});
    let split = |separator: &str| json!({"name": "split", "separator": separator});
    let plain = |name: &str| json!({"name": name});
    for (transforms, expected) in [
        (json!([prefix("HZ "), plain("lower")]), Some("prefix with lower")),
        (json!([prefix("hz "), plain("lower"), plain("trim")]), None),
        (json!([prefix(" hz"), plain("trim")]), Some("prefix with trim")),
        (json!([suffix(" hz"), plain("trim")]), None),
        (json!([suffix("hz "), plain("trim")]), Some("suffix with trim")),
        (json!([prefix("a;"), split(";")]), Some("prefix with split")),
        (json!([prefix("tel"), plain("e164")]), Some("prefix with e164")),
        (json!([plain("e164"), prefix("tel:")]), None),
        (json!([prefix("p"), map(json!({"pa": "b"}))]), Some("map with prefix")),
        (json!([map(json!({"a": "B"})), plain("lower")]), Some("map with lower")),
        (json!([plain("lower"), map(json!({"A": "b"}))]), Some("map with lower")),
        (json!([plain("lower"), map(json!({"a": "B"}))]), None),
        (json!([map(json!({"a": "b", "c": "b"}))]), Some("map of two values to one")),
        (json!([map(json!({"a": " "}))]), Some("map of a blank")),
        (
            json!([{"name": "map", "values": {"a": "b"}, "otherwise": "Fail"}]),
            Some("map with otherwise: Fail"),
        ),
        (json!([join("")]), Some("join without a separator")),
        (json!([join(" and "), plain("upper")]), Some("join with upper")),
        (json!([join(";"), join(",")]), Some("join with join")),
        (json!([prefix("p"), join(",")]), Some("prefix with join")),
        (json!([join(","), prefix("p")]), None),
        (json!([split(";"), join(",")]), None),
        (json!([plain("date")]), Some("date without exactly one input format")),
        (
            json!([{"name": "date", "from": ["%Y-%m-%d"], "to": "%d %b %Y"}, plain("upper")]),
            Some("date with upper"),
        ),
        (json!([{"name": "date", "from": ["%Y-%m-%d"], "to": "%d %b %Y"}]), None),
        (
            json!([{"name": "date", "from": ["%Y-%m-%d"], "to": "%d.%m.%y"}]),
            Some("date whose output format drops a part"),
        ),
    ] {
        assert_eq!(back(&transforms).as_deref(), expected, "{transforms}");
    }
}

#[test]
fn the_default_mapping_has_a_way_back() {
    let attribute = TargetAttribute { kind: AttributeKind::String, ..Default::default() };
    let names = ["email", "first_name", "last_name", "phone", "location", "city", "job_title"];
    let target = TargetAttributes::of(names.map(|name| (name.to_owned(), attribute.clone())));
    let spec = MappingSpec::default_for(&target);
    let inverse = ImportPlan::inverse_of(&spec).unwrap();
    assert_eq!(inverse.not_invertible, []);
    let sent = json!({"email": "a@x.org", "first_name": "Ada", "last_name": "Roe, Jr.",
        "phone": "+1 (415) 555-2671", "location": "Oslo, Norway", "city": "Oslo",
        "job_title": "CTO, Founder"});
    let profile = mapped(&inverse.plan, sent.clone());
    let expected = json!({"emails": [{"value": "a@x.org"}], "firstName": "Ada",
        "lastName": "Roe, Jr.", "phones": [{"value": "+1 (415) 555-2671"}],
        "location": {"raw": "Oslo, Norway", "city": "Oslo"}, "title": "CTO, Founder"});
    assert_eq!(profile, expected);
    let again = compile(&spec).unwrap().apply(&Profile::try_from(profile).unwrap()).unwrap();
    assert_eq!(Value::Object(again.attributes), sent);
}

#[test]
fn the_digest_changes_with_the_fields() {
    let digest = |to: &str| plan(json!([{"to": to, "from": "title"}])).digest();
    assert_eq!(digest("title"), digest("title"));
    assert_ne!(digest("title"), digest("summary"));
    let back = |separator: &str| {
        inverse(&json!([{"to": "email", "from": "email"}, {"to": "a", "from": "skills",
            "transforms": [{"name": "join", "separator": separator}]}]))
        .plan
        .digest()
    };
    assert_ne!(back(","), back(";"));
    let transform: TransformSpec = serde_json::from_value(json!({"name": "trim"})).unwrap();
    assert_eq!(transform, TransformSpec::default());
}

#[test]
fn a_mapping_that_reads_nothing_that_is_there_is_known() {
    let reads = |of: Value| plan(json!([of])).can_read(|name| name == "email");
    assert!(reads(json!({"to": "emails[0].value", "from": "email"})));
    assert!(!reads(json!({"to": "title", "from": "job"})));
    assert!(reads(json!({"to": "x.id", "from": "id"})), "the id is always there");
    assert!(reads(json!({"to": "x.origin", "value": {"string": "clinch"}})));
    assert!(!reads(json!({"to": "title", "expression": "candidate.job + '!'"})));
    assert!(reads(json!({"to": "title", "expression": "candidate.job + candidate.email"})));

    let names = ["email", "phone"].map(str::to_owned).into();
    let target = TargetAttributes { shown: Some(names), ..TargetAttributes::UNKNOWN };
    assert!(target.hides("nope") && !target.hides("phone") && !target.hides("id"));
    assert!(!TargetAttributes::UNKNOWN.hides("nope"), "the contract does not say");
    assert_eq!(target.suggest("emial"), "emial (did you mean email?)");
    assert_eq!(target.suggest("nope"), "nope");
}
