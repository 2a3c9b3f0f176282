//! Mappings read backwards: what an export sends is what it sends again after an import. Deterministic.

use clinch_operator::{
    domain::Profile,
    mapping::{FieldSpec, ImportPlan, MappingSpec, compile},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};

use crate::search::cases;

/// The separators in use. No text contains them by itself.
const SEPARATORS: [&str; 4] = [";", ", ", " | ", " And "];

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z0-9 éÉß+.-]{1,12}", "[+][0-9]{6,12}", "(hz-|HZ |x)?[a-c]{1,2}"]
        .prop_filter("blank", |text| !text.trim().is_empty())
        .prop_filter("separator", |text| {
            let text = text.to_lowercase();
            SEPARATORS.iter().all(|separator| !text.contains(&separator.to_lowercase()))
        })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => text().prop_map(Value::from),
        2 => vec(text(), 1..4).prop_map(Value::from),
        1 => (vec(text(), 1..4), prop::sample::select(SEPARATORS.to_vec()))
            .prop_map(|(parts, separator)| parts.join(separator).into()),
        1 => prop::sample::select(vec![
            json!("2024-02-29"), json!("29.02.2024"), json!(" 2024-02-29 "), json!("29 Feb 2024"),
            json!(7), json!(2.5), json!(true), json!(null), json!({"raw": ["a", {"b": null}]})]),
    ]
}

fn transform() -> impl Strategy<Value = Value> {
    let separator = || prop::sample::select(SEPARATORS.to_vec());
    let added = || prop::sample::select(vec!["hz-", "HZ ", " x", "x ", "x; "]);
    let format = || {
        prop::sample::select(vec!["%Y-%m-%d", "%d.%m.%Y", "%d %b %Y", "%d %B %y", "%Y", "%Y-%j"])
    };
    let otherwise = || prop::sample::select(vec![json!("Skip"), json!("Fail"), json!(null)]);
    prop_oneof![
        prop::sample::select(vec!["trim", "lower", "upper", "titleCase", "unique", "first"])
            .prop_map(|name| json!({"name": name})),
        otherwise().prop_map(|otherwise| {
            json!({"name": "e164", "defaultCountry": "GB", "otherwise": otherwise})
        }),
        (separator(), any::<bool>()).prop_map(|(separator, join)| {
            json!({"name": if join { "join" } else { "split" }, "separator": separator})
        }),
        (added(), any::<bool>()).prop_map(|(text, start)| {
            json!({"name": if start { "prefix" } else { "suffix" }, "text": text})
        }),
        (format(), format(), otherwise()).prop_map(|(from, to, otherwise)| {
            json!({"name": "date", "from": [from], "to": to, "otherwise": otherwise})
        }),
        prop::collection::btree_map("(hz-|HZ |x)?[a-cA]{1,2}", text(), 1..4)
            .prop_map(|values| { json!({"name": "map", "values": values}) }),
    ]
}

fn sent(spec: &MappingSpec, profile: Map<String, Value>) -> Option<Map<String, Value>> {
    let mapped = compile(spec).unwrap().apply(&Profile::new(profile)).ok()?;
    Some(mapped.attributes)
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn an_import_gives_back_what_an_invertible_mapping_sent(
        from in prop::sample::select(vec!["x.a", "title", "skills", "skills[*]", "notes[2].text"]),
        value in value(),
        transforms in vec(transform(), 0..4),
    ) {
        let spec: MappingSpec = serde_json::from_value(json!({"fields": [
            {"to": "email", "from": "emails[0].value"},
            {"to": "out", "from": from, "transforms": transforms}]})).unwrap();
        let Ok(inverse) = ImportPlan::inverse_of(&spec) else { return Ok(()) };
        if !inverse.not_invertible.is_empty() {
            return Ok(());
        }
        let profile = json!({"emails": [{"value": "a@x.org"}], "x": {"a": value}, "title": value,
            "skills": value, "notes": [1, null, {"text": value}]});
        let Value::Object(profile) = profile else { unreachable!() };
        let Some(first) = sent(&spec, profile) else { return Ok(()) };
        let back = inverse.plan.map("c1", &first);
        let back = back.map_err(|issues| TestCaseError::fail(format!("{first:?} {issues:?}")))?;
        prop_assert_eq!(sent(&spec, back.clone()), Some(first), "{:?}", back);
    }

    #[test]
    fn reading_backwards_never_panics(from in "\\PC{0,20}", to in "\\PC{0,20}", value in value()) {
        let fields = json!([{"to": to, "from": from, "transforms": [{"name": "trim"}]}]);
        let fields: Vec<FieldSpec> = serde_json::from_value(fields).unwrap();
        if let Ok(plan) = ImportPlan::compile(&fields) {
            let attributes = Map::from_iter([(from.clone(), value)]);
            prop_assert!(plan.map("c1", &attributes).is_ok_and(|profile| profile.len() < 2));
        }
    }
}
