//! Every fault of a mapping is reported at once, each with its path.

use serde_json::{Value, json};

use super::super::{Issue, IssueCode, MappingSpec, Plan, compile};

fn spec(of: Value) -> MappingSpec {
    serde_json::from_value(of).unwrap()
}

fn codes(issues: &[Issue]) -> Vec<(&str, IssueCode)> {
    issues.iter().map(|issue| (issue.path.as_str(), issue.code)).collect()
}

#[test]
fn every_fault_is_reported_at_once_with_its_path() {
    let issues = compile(&spec(json!({
        "fields": [
            {"to": "email", "value": {"string": "x"}, "transforms": [{"name": "default", "value": "y"}],
             "whenMissing": "Clear"},
            {"to": "email", "from": "a..b"},
            {"to": "a", "expression": "candidate.a +"},
            {"to": "b", "expression": "x".repeat(2049)},
            {"to": "c"},
            {"to": "d", "from": "d", "expression": "1"},
            {"to": "e", "value": {}},
            {"to": "f", "value": {"string": " "}},
            {"to": "g", "from": "g", "transforms": [{"name": "truncate"}, {"name": "trim", "text": "x"}]},
            {"to": "h", "from": "h", "required": true, "whenMissing": "Clear"},
            {"to": "i", "from": "i", "writeMode": "OnlyIfEmpty", "whenMissing": "Clear"},
            {"to": " ", "from": "j"},
        ],
        "tags": {"enabled": true, "from": "tags["},
    })))
    .unwrap_err();
    assert_eq!(
        codes(&issues),
        [
            ("spec.fields[1].to", IssueCode::DuplicateTarget),
            ("spec.fields[1].from", IssueCode::InvalidPath),
            ("spec.fields[2].expression", IssueCode::InvalidExpression),
            ("spec.fields[3].expression", IssueCode::ExpressionTooLarge),
            ("spec.fields[4]", IssueCode::SourceCount),
            ("spec.fields[5]", IssueCode::SourceCount),
            ("spec.fields[6].value", IssueCode::InvalidConstant),
            ("spec.fields[7].value", IssueCode::InvalidConstant),
            ("spec.fields[8].transforms[0].length", IssueCode::InvalidTransform),
            ("spec.fields[8].transforms[1].text", IssueCode::InvalidTransform),
            ("spec.fields[9].whenMissing", IssueCode::InvalidField),
            ("spec.fields[10].whenMissing", IssueCode::InvalidField),
            ("spec.fields[11].to", IssueCode::InvalidField),
            ("spec.matchKeys", IssueCode::InvalidMatchKey),
            ("spec.matchKeys", IssueCode::InvalidMatchKey),
            ("spec.matchKeys", IssueCode::InvalidMatchKey),
            ("spec.tags.from", IssueCode::InvalidPath),
            ("spec.tags.activity", IssueCode::InvalidTags),
        ]
    );
    assert_eq!(
        issues[2].to_string(),
        "spec.fields[2].expression: line 1, column 14: unexpected end of the expression"
    );
}

#[test]
fn a_match_key_must_be_the_target_of_a_field() {
    for keys in [json!([]), json!(["id"]), json!(["email", "email"])] {
        let fields = json!([{"to": "email", "from": "email"}]);
        let issues = compile(&spec(json!({"fields": fields, "matchKeys": keys}))).unwrap_err();
        assert_eq!(codes(&issues), [("spec.matchKeys", IssueCode::InvalidMatchKey)]);
    }
    let issues = compile(&spec(json!({"fields": []}))).unwrap_err();
    assert_eq!(codes(&issues), [("spec.fields", IssueCode::InvalidField)]);
}

fn plan(fields: &Value) -> Plan {
    compile(&spec(json!({ "fields": fields }))).unwrap()
}

#[test]
fn the_digest_changes_with_the_meaning_and_not_with_the_order() {
    let email = json!({"to": "email", "from": "email"});
    let a = json!({"to": "a", "from": "a"});
    let digest = plan(&json!([email, a])).digest();
    assert_eq!(plan(&json!([a, email])).digest(), digest);
    for other in [
        json!({"to": "a", "from": "b"}),
        json!({"to": "a", "from": "a", "transforms": [{"name": "trim"}]}),
        json!({"to": "a", "from": "a", "whenMissing": "Clear"}),
        json!({"to": "a", "from": "a", "writeMode": "OnlyIfEmpty"}),
    ] {
        assert_ne!(plan(&json!([email, other])).digest(), digest, "{other}");
    }
}

mod check {
    use super::*;
    use crate::mapping::{AttributeKind, TargetAttribute, TargetAttributes};

    fn target(rows: &[(&str, TargetAttribute)]) -> TargetAttributes {
        let email = ("email".to_owned(), kind(AttributeKind::String));
        let rows = rows.iter().map(|(name, attribute)| ((*name).to_owned(), attribute.clone()));
        TargetAttributes::of(rows.chain([email]))
    }

    fn kind(kind: AttributeKind) -> TargetAttribute {
        TargetAttribute { kind, ..TargetAttribute::default() }
    }

    #[test]
    fn attributes_must_exist_be_writable_and_be_mapped() {
        let plan = plan(&json!([
            {"to": "email", "from": "email"},
            {"to": "score", "from": "score"},
            {"to": "nickname", "from": "nickname"},
            {"to": "note", "value": {"string": "too long"}},
        ]));
        let target = target(&[
            (
                "score",
                TargetAttribute { read_only: true, required: true, ..kind(AttributeKind::Any) },
            ),
            ("note", TargetAttribute { max_length: Some(3), ..kind(AttributeKind::String) }),
            ("last_name", TargetAttribute { required: true, ..kind(AttributeKind::String) }),
        ]);
        let issues = plan.check(&target);
        assert_eq!(
            codes(&issues),
            [
                ("spec.fields[1].to", IssueCode::ReadOnlyAttribute),
                ("spec.fields[2].to", IssueCode::UnknownAttribute),
                ("spec.fields", IssueCode::RequiredAttributeUnmapped),
            ]
        );
        let enforced = TargetAttributes { enforced: true, ..target };
        let expected = ("spec.fields[3].value", IssueCode::ValueTooLong);
        assert_eq!(codes(&plan.check(&enforced))[2], expected);
        assert!(issues[2].message.contains("'last_name'"));
        assert_eq!(plan.check(&TargetAttributes::UNKNOWN), []);
    }

    #[test]
    fn kinds_are_compared_where_the_mapping_determines_them() {
        use AttributeKind as Kind;
        let table = [
            (json!({"value": {"number": 5}}), Kind::Number, true),
            (json!({"value": {"number": 5}}), Kind::String, true),
            (json!({"value": {"number": 5}}), Kind::Boolean, false),
            (json!({"value": {"strings": ["a"]}}), Kind::List, true),
            (json!({"value": {"strings": ["a"]}}), Kind::String, false),
            (json!({"from": "a"}), Kind::Number, true),
            (json!({"from": "a[*].b"}), Kind::String, false),
            (json!({"from": "a[*].b"}), Kind::List, true),
            (json!({"from": "a[*].b", "transforms": [{"name": "first"}]}), Kind::String, true),
            (
                json!({"from": "a[*].b", "transforms": [{"name": "join", "separator": ","}]}),
                Kind::String,
                true,
            ),
            (json!({"from": "a", "transforms": [{"name": "trim"}]}), Kind::Number, false),
            (json!({"from": "a", "transforms": [{"name": "trim"}]}), Kind::List, true),
            (
                json!({"from": "a", "transforms": [{"name": "split", "separator": ","}]}),
                Kind::String,
                false,
            ),
            (json!({"expression": "candidate.a > 3"}), Kind::Boolean, true),
            (json!({"expression": "candidate.a > 3"}), Kind::String, true),
            (json!({"expression": "candidate.a > 3"}), Kind::Number, false),
            (json!({"expression": "candidate.a + 'x'"}), Kind::Number, true),
            (json!({"expression": "candidate.a ? 'x' : 'y'"}), Kind::Number, false),
            (json!({"expression": "string(candidate.a)"}), Kind::Number, false),
            (json!({"expression": "candidate.a.filter(x, x)"}), Kind::String, false),
            (json!({"expression": "candidate.a.filter(x, x)[0]"}), Kind::String, true),
            (json!({"expression": "{'a': 1}"}), Kind::Object, true),
            (json!({"expression": "size(candidate.a)"}), Kind::Any, true),
        ];
        for (mut field, taken, fits) in table {
            field["to"] = json!("x");
            let shown = format!("{field} to {taken:?}");
            let issues = plan(&json!([{"to": "email", "from": "email"}, field]))
                .check(&target(&[("x", kind(taken))]));
            let expected: &[_] =
                if fits { &[] } else { &[("spec.fields[1].to", IssueCode::TypeMismatch)] };
            assert_eq!(codes(&issues), expected, "{shown}");
        }
    }
}
