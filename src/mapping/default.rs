//! The mapping used if neither export nor integration names one. Pure.

use super::{
    shape::AttributeKind,
    spec::{FieldSpec, MappingSpec, Otherwise, ResumeSpec, TagsSpec, TransformName, TransformSpec},
    target::TargetAttributes,
};

/// The list of addresses; the first usable one is taken.
const EMAILS: &str = "emails";

/// The telephone numbers; the first that is one is taken.
const PHONES: &str = "phones[*].value";

/// Attributes that Clinch documents for every account, with their path.
const DOCUMENTED: [(&str, &str); 2] = [("first_name", "firstName"), ("last_name", "lastName")];

/// Sent only if the contract has the attribute as a writable string.
const WHERE_OFFERED: [(&str, &str); 11] = [
    ("phone", PHONES),
    ("phone_number", PHONES),
    ("location", "location.raw"),
    ("address", "location.raw"),
    ("city", "location.city"),
    ("state", "location.state"),
    ("country", "location.country"),
    ("current_employer", "currentCompany"),
    ("current_company", "currentCompany"),
    ("current_job_title", "title"),
    ("job_title", "title"),
];

impl MappingSpec {
    /// The default for a contract that does not list its attributes: e-mail, first and last name, which
    /// Clinch documents for every account.
    pub fn default_mapping() -> Self {
        Self::default_for(&TargetAttributes::UNKNOWN)
    }

    /// The default for a contract: always e-mail and names, and those of the other documented
    /// attributes that the contract has.
    pub fn default_for(target: &TargetAttributes) -> Self {
        let email = FieldSpec {
            to: "email".to_owned(),
            from: Some(EMAILS.to_owned()),
            first_usable: true,
            transforms: vec![transform(TransformName::Trim)],
            required: true,
            ..FieldSpec::default()
        };
        let offered = WHERE_OFFERED.into_iter().filter(|(name, _)| {
            target.get(name).is_some_and(|attribute| {
                let text = matches!(attribute.kind, AttributeKind::String | AttributeKind::Any);
                text && !attribute.read_only
            })
        });
        let paths = DOCUMENTED.into_iter().chain(offered).map(|(to, from)| FieldSpec {
            to: to.to_owned(),
            from: Some(from.to_owned()),
            transforms: match from {
                PHONES => vec![
                    or_skip(TransformName::Trim),
                    or_skip(TransformName::Telephone),
                    transform(TransformName::First),
                ],
                _ => vec![or_skip(TransformName::Trim), listed()],
            },
            ..FieldSpec::default()
        });
        Self {
            fields: std::iter::once(email).chain(paths).collect(),
            resume: ResumeSpec::default(),
            tags: TagsSpec::default(),
            match_keys: vec!["email".to_owned()],
        }
    }
}

/// Whether a path of the default mapping leads to one text, which a `join` leaves as it is.
pub(super) fn is_one_text(path: &str) -> bool {
    let mut paths = DOCUMENTED.iter().chain(&WHERE_OFFERED).map(|(_, path)| *path);
    path != PHONES && paths.any(|known| known == path)
}

fn transform(name: TransformName) -> TransformSpec {
    TransformSpec { name, ..TransformSpec::default() }
}

/// For attributes that nobody needs: a value that is no text, such as an object, or no telephone number,
/// does not cost the person.
fn or_skip(name: TransformName) -> TransformSpec {
    TransformSpec { otherwise: Some(Otherwise::Skip), ..transform(name) }
}

/// For attributes that hold one text: a list becomes one.
fn listed() -> TransformSpec {
    TransformSpec { separator: Some(", ".to_owned()), ..or_skip(TransformName::Join) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        domain::{Profile, Reason},
        mapping::{TargetAttribute, compile},
    };

    #[test]
    fn the_default_takes_the_first_address_that_is_not_outdated() {
        let plan = compile(&MappingSpec::default_mapping()).unwrap();
        assert_eq!(plan.attributes().collect::<Vec<_>>(), ["email", "first_name", "last_name"]);
        let profile = json!({"firstName": " Ada ", "emails": [
            {"value": "old@x.org", "outdated": true}, {"kind": "work"},
            {"value": "new@x.org", "outdated": null}, {"value": "third@x.org"}]});
        let mapped = plan.apply(&Profile::try_from(profile).unwrap()).unwrap();
        assert_eq!(json!(mapped.attributes), json!({"email": "new@x.org", "first_name": "Ada"}));
    }

    fn address(emails: &serde_json::Value) -> Result<String, (Reason, String)> {
        let plan = compile(&MappingSpec::default_mapping()).unwrap();
        let profile = Profile::try_from(json!({"emails": emails})).unwrap();
        match plan.apply(&profile) {
            Ok(mapped) => Ok(mapped.attributes["email"].as_str().unwrap().to_owned()),
            Err(issues) => Err((issues[0].reason, issues[0].to_string())),
        }
    }

    #[test]
    fn outdated_addresses_are_left_out_however_that_is_spelt() {
        for yes in [
            json!(true),
            json!(1),
            json!(1.0),
            json!("1"),
            json!("Y"),
            json!("WAHR"),
            json!(" Yes"),
        ] {
            let emails = json!([{"value": "old@x.org", "outdated": yes}, {"value": "new@x.org"}]);
            assert_eq!(address(&emails), Ok("new@x.org".to_owned()), "{yes}");
        }
        for no in [
            json!(false),
            json!(0),
            json!("0"),
            json!("N"),
            json!("FALSCH"),
            json!(null),
            json!(" "),
        ] {
            let emails = json!([{"value": "a@x.org", "outdated": no}, {"value": "b@x.org"}]);
            assert_eq!(address(&emails), Ok("a@x.org".to_owned()), "{no}");
        }
    }

    #[test]
    fn a_mark_that_cannot_be_read_rejects_the_record() {
        for mark in
            [json!("maybe"), json!(2), json!(-1), json!([true]), json!({"is": true}), json!("2019")]
        {
            let emails = json!([{"value": "a@x.org", "outdated": mark}, {"value": "b@x.org"}]);
            let (reason, message) = address(&emails).unwrap_err();
            assert_eq!(reason, Reason::InvalidValue, "{mark}");
            assert_eq!(
                message,
                "spec.fields[0].from: 'outdated' of item 0 is neither true nor false"
            );
        }
        let emails = json!([{"value": "a@x.org"}, {"value": "b@x.org", "outdated": "maybe"}]);
        assert_eq!(address(&emails), Ok("a@x.org".to_owned()), "it is not looked at");
    }

    #[test]
    fn addresses_without_a_value_are_left_out() {
        for blank in [
            json!({"value": null}),
            json!({"value": " "}),
            json!({}),
            json!(null),
            json!(""),
            json!({"value": "\u{200b}\u{a0}"}),
            json!({"value": "", "outdated": "maybe"}),
        ] {
            let emails = json!([blank, {"value": "a@x.org"}]);
            assert_eq!(address(&emails), Ok("a@x.org".to_owned()), "{blank}");
        }
        assert_eq!(address(&json!(["", "a@x.org"])), Ok("a@x.org".to_owned()));
        for other in [json!({"value": "a@x.org"}), json!("a@x.org"), json!(1)] {
            assert_eq!(address(&other).unwrap_err().0, Reason::InvalidValue);
        }
    }

    #[test]
    fn a_placeholder_beside_an_address_does_not_cost_the_person() {
        for word in ["N/A", "n/a", "-", "none", " None ", "#N/A"] {
            for emails in [
                json!([{"value": word}, {"value": "a@x.org"}]),
                json!([word, "a@x.org"]),
                json!([{"value": word, "outdated": "maybe"}, {"value": "a@x.org"}]),
                json!([{"value": "old@x.org", "outdated": true}, word, "a@x.org", "b@x.org"]),
                json!([format!("{word}; a@x.org")]),
            ] {
                assert_eq!(address(&emails), Ok("a@x.org".to_owned()), "{emails}");
            }
            // Alone it is what it is everywhere else: no address.
            let (reason, message) = address(&json!([{"value": word}, word])).unwrap_err();
            assert_eq!(reason, Reason::InvalidValue, "{word}");
            assert!(message.ends_with("it has no '@'"), "{message}");
        }
        // Whatever else is no address is not passed over.
        for wrong in ["Ada", "a@x", "a@b@x.org"] {
            let taken = address(&json!([wrong, "a@x.org"]));
            assert!(taken != Ok("a@x.org".to_owned()), "{wrong}");
        }
    }

    #[test]
    fn a_telephone_number_that_is_none_does_not_cost_the_person() {
        let text = TargetAttribute { kind: AttributeKind::String, ..Default::default() };
        let target = TargetAttributes::of(
            ["email", "first_name", "last_name", "phone"]
                .map(|name| (name.to_owned(), text.clone())),
        );
        let plan = compile(&MappingSpec::default_for(&target)).unwrap();
        let phone = |phones: serde_json::Value| {
            let profile = json!({"emails": ["a@x.org"], "phones": phones});
            let mapped = plan.apply(&Profile::try_from(profile).unwrap()).unwrap();
            mapped.attributes.get("phone").cloned().unwrap_or_default()
        };
        for none in [
            json!("N/A"),
            json!("ask agent"),
            json!("-"),
            json!("0"),
            json!("000-000-0000"),
            json!("#ERROR!"),
            json!("4.47E+11"),
            json!("ada@example.org"),
            json!({"code": 44}),
            json!(true),
        ] {
            assert_eq!(phone(json!([{"value": none}])), json!(null), "{none}");
            let next = json!([{"value": none}, {"value": "+44 20 7946 0958"}]);
            assert_eq!(phone(next), json!("+44 20 7946 0958"), "{none}");
        }
        for (number, sent) in [
            (json!(" (415) 555-2671 "), "(415) 555-2671"),
            (json!("+1 415 555 2671 ext 5"), "+1 415 555 2671 ext 5"),
            (json!("\u{202a}+49 151 23456789\u{202c}"), "+49 151 23456789"),
            (json!("15123456789.0"), "15123456789"),
            (json!(15_123_456_789.0), "15123456789"),
            (json!(14_155_552_671_i64), "14155552671"),
        ] {
            assert_eq!(phone(json!([{"value": number}])), json!(sent), "{number}");
        }
    }

    #[test]
    fn a_list_where_one_text_is_expected_does_not_cost_the_person() {
        let plan = compile(&MappingSpec::default_mapping()).unwrap();
        let profile = json!({"emails": ["a@x.org"], "firstName": ["Ada ", {}, "May"],
            "lastName": [{}]});
        let mapped = plan.apply(&Profile::try_from(profile).unwrap()).unwrap();
        assert_eq!(json!(mapped.attributes), json!({"email": "a@x.org", "first_name": "Ada, May"}));
    }

    #[test]
    fn the_default_rejects_a_profile_without_an_address() {
        let plan = compile(&MappingSpec::default_mapping()).unwrap();
        for profile in [json!({}), json!({"emails": null}), json!({"emails": [{"value": " "}]})] {
            let issues = plan.apply(&Profile::try_from(profile).unwrap()).unwrap_err();
            assert_eq!(issues.len(), 1, "{issues:?}");
            assert_eq!(issues[0].reason, Reason::MatchKeyMissing);
        }
    }

    #[test]
    fn the_default_sends_only_what_the_contract_offers() {
        let attribute = |kind, read_only| TargetAttribute { kind, read_only, ..Default::default() };
        let target = TargetAttributes::of([
            ("email".to_owned(), attribute(AttributeKind::String, false)),
            ("first_name".to_owned(), attribute(AttributeKind::String, false)),
            ("last_name".to_owned(), attribute(AttributeKind::String, false)),
            ("phone".to_owned(), attribute(AttributeKind::String, false)),
            ("location".to_owned(), attribute(AttributeKind::Object, false)),
            ("current_employer".to_owned(), attribute(AttributeKind::Any, false)),
            ("job_title".to_owned(), attribute(AttributeKind::String, true)),
        ]);
        let plan = compile(&MappingSpec::default_for(&target)).unwrap();
        let names: Vec<_> = plan.attributes().collect();
        assert_eq!(names, ["email", "first_name", "last_name", "phone", "current_employer"]);
        assert_eq!(plan.check(&target), []);
    }
}
