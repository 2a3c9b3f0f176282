//! Applying a mapping: missing values, match keys, tags, resumes, and nothing personal in faults.

use serde_json::{Value, json};

use super::super::{Mapped, MappingSpec, RecordIssue, ResumeContent, compile};
use crate::{
    domain::{Profile, Reason},
    mapping::cel::limits::RECORD_STEP_LIMIT,
};

fn apply(spec: Value, profile: Value) -> Result<Mapped, Vec<RecordIssue>> {
    let spec: MappingSpec = serde_json::from_value(spec).unwrap();
    compile(&spec).unwrap().apply(&Profile::try_from(profile).unwrap())
}

fn email_and(field: &Value) -> Value {
    json!({"fields": [{"to": "email", "from": "email"}, field]})
}

#[test]
fn an_empty_source_is_left_out_cleared_or_rejected_as_specified() {
    for empty in [json!(null), json!(""), json!(" \t"), json!([]), json!([null, ""]), json!({})] {
        let profile = || json!({"email": "a@x.org", "title": empty});
        let field = |extra: Value| {
            let mut field = json!({"to": "title", "from": "title"});
            field.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            email_and(&field)
        };
        let sent =
            |extra| apply(field(extra), profile()).map(|m| m.attributes.get("title").cloned());
        assert_eq!(sent(json!({})), Ok(None), "{empty}");
        assert_eq!(sent(json!({"whenMissing": "Clear"})), Ok(Some(Value::Null)), "{empty}");
        for extra in [json!({"whenMissing": "Fail"}), json!({"required": true})] {
            let issues = sent(extra).unwrap_err();
            assert_eq!(issues[0].reason, Reason::RequiredMissing, "{empty}");
            assert_eq!(issues[0].path, "spec.fields[1].from");
            assert_eq!(issues[0].attribute.as_deref(), Some("title"));
        }
    }
}

#[test]
fn zero_and_false_are_values() {
    let spec = json!({"fields": [{"to": "email", "from": "email"}, {"to": "n", "from": "n"},
        {"to": "b", "from": "b"}]});
    let mapped = apply(spec, json!({"email": "a@x.org", "n": 0, "b": false})).unwrap();
    assert_eq!(json!(mapped.attributes), json!({"email": "a@x.org", "n": 0, "b": false}));
}

#[test]
fn all_faults_of_a_record_are_reported_without_its_values() {
    let spec = json!({"fields": [
        {"to": "email", "from": "email", "required": true},
        {"to": "phone", "from": "phone", "transforms": [{"name": "trim"}, {"name": "e164"}]},
        {"to": "years", "expression": "candidate.years + 1"},
        {"to": "summary", "from": "summary"},
        {"to": "loop", "expression": "candidate.all.all(a, candidate.all.all(b, a < b || true))"},
        {"to": "city", "from": "city", "whenMissing": "Fail"},
    ]});
    let profile = json!({"phone": "Zyzzyva", "years": "Zyzzyva", "summary": "Zyzzyva".repeat(10_000),
        "all": vec![1; 2000]});
    let issues = apply(spec, profile).unwrap_err();
    let reported: Vec<_> = issues.iter().map(|i| (i.path.as_str(), i.reason)).collect();
    assert_eq!(
        reported,
        [
            ("spec.fields[0].from", Reason::MatchKeyMissing),
            ("spec.fields[1].transforms[1]", Reason::InvalidValue),
            ("spec.fields[2].expression", Reason::InvalidValue),
            ("spec.fields[3].from", Reason::TooLarge),
            ("spec.fields[4].expression", Reason::TooLarge),
            ("spec.fields[5].from", Reason::RequiredMissing),
        ]
    );
    assert!(!format!("{issues:?}").contains("Zyzzyva"), "{issues:?}");
}

#[test]
fn the_match_key_is_folded_and_must_be_one_address() {
    let spec = || json!({"fields": [{"to": "email", "from": "email"}]});
    let mapped = apply(spec(), json!({"email": " Ada@X.org "})).unwrap();
    assert_eq!(mapped.match_key.expose(), "ada@x.org");
    assert_eq!(mapped.attributes["email"], "Ada@X.org");
    let wrong = [json!(["a@x.org"]), json!({"a": 1}), json!(true), json!(5), json!("N/A")];
    for bad in wrong.into_iter().chain([json!("a@b@x.org"), json!("a@x.org\0")]) {
        let issues = apply(spec(), json!({"email": bad})).unwrap_err();
        assert_eq!(issues[0].reason, Reason::InvalidValue, "{bad}");
        assert_eq!(issues[0].path, "spec.fields[0].from", "{bad}");
        assert!(!issues[0].message.contains("x.org"), "{issues:?}");
    }
    let issues = apply(spec(), json!({"email": "\u{200b}\u{a0}"})).unwrap_err();
    assert_eq!(issues[0].reason, Reason::MatchKeyMissing);
}

#[test]
fn only_if_empty_names_the_attributes_that_have_a_value() {
    let spec = json!({"fields": [
        {"to": "email", "from": "email"},
        {"to": "a", "from": "a", "writeMode": "OnlyIfEmpty"},
        {"to": "b", "from": "b", "writeMode": "OnlyIfEmpty"},
    ]});
    let mapped = apply(spec, json!({"email": "a@x.org", "a": 1})).unwrap();
    assert_eq!(mapped.only_if_empty, ["a"]);
}

#[test]
fn constants_are_sent_as_they_are_written() {
    let spec = json!({"fields": [
        {"to": "email", "from": "email"},
        {"to": "source", "value": {"string": "hireEZ"}, "transforms": [{"name": "upper"}]},
        {"to": "rank", "value": {"number": 5.0}},
        {"to": "score", "value": {"number": 0.5}},
        {"to": "active", "value": {"boolean": false}},
        {"to": "labels", "value": {"strings": ["a", "b"]}},
    ]});
    let mapped = apply(spec, json!({"email": "a@x.org"})).unwrap();
    assert_eq!(
        json!(mapped.attributes).to_string(),
        r#"{"active":false,"email":"a@x.org","labels":["a","b"],"rank":5,"score":0.5,"source":"HIREEZ"}"#
    );
}

#[test]
fn tags_are_trimmed_and_sent_once_when_enabled() {
    let spec = |enabled: bool| {
        json!({"fields": [{"to": "email", "from": "email"}],
            "tags": {"enabled": enabled, "activity": "note"}})
    };
    let profile = |tags: Value| json!({"email": "a@x.org", "tags": tags});
    let tags = |tags| apply(spec(true), profile(tags)).map(|mapped| mapped.tags);
    assert_eq!(tags(json!([" hot", "hot ", 7, null, ""])).unwrap(), ["hot", "7"]);
    assert_eq!(tags(json!("one")).unwrap(), ["one"]);
    assert_eq!(tags(json!(null)).unwrap(), [""; 0]);
    assert_eq!(apply(spec(false), profile(json!(["hot"]))).unwrap().tags, [""; 0]);
    let issues = tags(json!([{"name": "Zyzzyva"}])).unwrap_err();
    assert_eq!(
        (issues[0].path.as_str(), issues[0].reason),
        ("spec.tags.from", Reason::InvalidValue)
    );
}

#[test]
fn a_resume_is_passed_on_only_if_requested() {
    let spec = |attach: bool| json!({"fields": [{"to": "email", "from": "email"}], "resume": {"attach": attach}});
    let resume = |attach: bool, resume: Value| {
        apply(spec(attach), json!({"email": "a@x.org", "resume": resume})).unwrap().resume
    };
    let file = json!({"name": "cv.pdf", "mime": "application/pdf", "bytes": "QQ==", "url": "x"});
    assert!(resume(false, file.clone()).is_none());
    let found = resume(true, file).unwrap();
    assert_eq!(found.name.as_deref(), Some("cv.pdf"));
    assert!(found.content == ResumeContent::Base64("QQ==".to_owned()));
    let url = resume(true, json!({"url": "https://x.org/cv"})).unwrap();
    assert!(url.content == ResumeContent::Url("https://x.org/cv".to_owned()));
    for unusable in [json!({}), json!("text"), json!({"bytes": 1})] {
        assert!(resume(true, unusable).unwrap().content == ResumeContent::Unusable);
    }
    assert!(resume(true, json!(null)).is_none());
}

#[test]
fn debug_output_shows_names_and_no_value() {
    let spec = json!({"fields": [{"to": "email", "from": "email"}], "resume": {"attach": true},
        "tags": {"enabled": true, "activity": "note"}});
    let mapped = apply(
        spec,
        json!({"email": "zyzzyva@x.org", "tags": ["zyzzyva"],
        "resume": {"name": "zyzzyva", "url": "https://zyzzyva.org"}}),
    );
    let shown = format!("{mapped:?} {:?}", mapped.as_ref().unwrap().resume);
    assert!(shown.contains("email"), "{shown}");
    assert!(!shown.contains("zyzzyva"), "{shown}");
}

#[test]
fn the_expressions_of_one_record_share_their_steps() {
    let bomb = "candidate.all.all(a, candidate.all.all(b, a <= b))";
    let mut fields = vec![json!({"to": "email", "from": "email"})];
    fields.extend((0..60).map(|n| json!({"to": format!("f{n}"), "expression": bomb})));
    let spec: MappingSpec = serde_json::from_value(json!({ "fields": fields })).unwrap();
    let profile = json!({"email": "a@x.org", "all": vec![1; 3000]});
    let (outcome, used) =
        compile(&spec).unwrap().apply_counted(&Profile::try_from(profile).unwrap(), &mut |_| {});
    assert_eq!(outcome.unwrap_err().len(), 60);
    assert!(used <= RECORD_STEP_LIMIT, "{used}");
}

#[test]
fn a_plan_may_be_shared_between_threads() {
    const fn shared<T: Send + Sync>() {}
    shared::<super::Plan>();
    shared::<super::super::Select>();
}
