//! Values against the contract that Clinch publishes, and what a dry run foretells of them: over
//! generated dirty people, every record ends in the push as in the dry run.

use std::collections::BTreeMap;

use clinch_operator::{
    clinch::{Overrides, contract::discover},
    domain::{Fence, Reason},
    pipeline::{Counts, Duplicates as Policy, Report},
};
use serde_json::{Value, json};

use crate::setup::{ACCOUNT, Export, World, client, contract, email, in_clinch, profiles, seeded};

/// What the emulator publishes of the attributes that the mapping fills.
fn constraints() -> Value {
    json!({
        "first_name": {"maxLength": 8},
        "last_name": {"required": true},
        "address": {"type": "integer", "nullable": false},
        "country": {"type": "boolean"},
        "location": {"type": "number"},
        "current_job_title": {"enum": ["CTO", "Engineer"]},
        "linkedin_url": {"format": "uri"},
        "tags": {"items": {"type": "string", "maxLength": 5}},
    })
}

fn mapping() -> Value {
    json!({"fields": [
        {"to": "email", "from": "email"},
        {"to": "first_name", "from": "first"},
        {"to": "last_name", "from": "last"},
        {"to": "address", "from": "whole", "whenMissing": "Clear"},
        {"to": "country", "from": "truth", "writeMode": "OnlyIfEmpty"},
        {"to": "location", "from": "number"},
        {"to": "current_job_title", "from": "title"},
        {"to": "linkedin_url", "from": "link"},
        {"to": "tags", "from": "tags"},
        {"to": "custom_fields", "from": "object"}]})
}

/// Anything that may be met in a field, and the values that fit.
fn dirty(random: &mut fastrand::Rng, fitting: &[Value]) -> Value {
    let anything = [
        Value::Null,
        json!(""),
        json!(" "),
        json!("words"),
        json!("a text of more than eight characters"),
        json!(14_155_552_671_i64),
        json!(5.0),
        json!(2.5),
        json!(u64::MAX),
        json!(true),
        json!([]),
        json!(["CTO", "CEO"]),
        json!(["a", 1, null, ["b"]]),
        json!({}),
        json!({"name": "Berlin"}),
        json!("linkedin.com/in/ada"),
    ];
    let from = if random.u8(..4) == 0 { &anything[..] } else { fitting };
    random.choice(from).cloned().unwrap_or_default()
}

fn person(random: &mut fastrand::Rng, n: usize) -> Value {
    let mut person = json!({"email": email(n)});
    let fitting = [
        ("first", vec![json!("Ada")]),
        ("last", vec![json!("Lovelace"), Value::Null]),
        ("whole", vec![json!(7), json!(7.0), Value::Null]),
        ("truth", vec![json!(true)]),
        ("number", vec![json!(2.5), json!(3)]),
        ("title", vec![json!("CTO")]),
        ("link", vec![json!("https://example.org/ada")]),
        ("tags", vec![json!(["a", "b"]), json!(["a", 1])]),
        ("object", vec![json!({"a": 1})]),
    ];
    for (name, fitting) in fitting {
        person[name] = dirty(random, &fitting);
    }
    if random.u8(..10) == 0 {
        person["email"] = Value::Null;
    }
    person
}

/// An emulator that publishes the constraints and means them or not, and an operator that enforces them
/// or not, with the contract read from the document.
async fn world(means_them: bool, enforced: bool, people: Vec<Value>) -> World {
    let options = contract(json!({
        "constraints": constraints(), "enforceConstraints": means_them, "duplicateEmail": "allow"}));
    let world = World::new(seeded(options, people)).await;
    let document = world.client.openapi().await.unwrap();
    let mut overrides = Overrides::default();
    overrides.enforced = enforced;
    let contract = discover(&document).unwrap().with(&overrides);
    World { client: client(&world.sandbox, contract, Fence::open()), ..world }
}

fn in_emulator(world: &World) -> BTreeMap<String, Value> {
    let people = world.sandbox.people(ACCOUNT);
    let by_email = |person: &Value| person["attributes"]["email"].as_str().unwrap().to_owned();
    people.iter().map(|person| (by_email(person), person["attributes"].clone())).collect()
}

/// What became of one record, by the counts of a run that had it alone.
fn fate(counts: &Counts) -> &'static str {
    let fates = [
        (counts.created, "created"),
        (counts.updated, "updated"),
        (counts.unchanged, "unchanged"),
        (counts.skipped, "skipped"),
        (counts.invalid, "invalid"),
        (counts.failed, "failed"),
    ];
    fates.into_iter().find(|(count, _)| *count == 1).unwrap().1
}

async fn foretold(seed: u64, means_them: bool, enforced: bool) {
    let mut random = fastrand::Rng::with_seed(seed);
    let policy = *random.choice(&[Policy::Update, Policy::Skip, Policy::Fail]).unwrap();
    let there = (0..12).filter(|_| random.bool()).map(in_clinch).collect();
    let world = world(means_them, enforced, there).await;
    let people: Vec<Value> = (0..12).map(|n| person(&mut random, n)).collect();
    let export = Export { mapping: mapping(), ..Export::of(people) }.duplicates(policy);
    let shown = format!("seed {seed}, means them: {means_them}, enforced: {enforced}");

    let mut fates = Vec::new();
    for record in &export.profiles {
        if record["email"].is_null() {
            // A source that names nobody is refused as a whole: this one is not run alone.
            fates.push("invalid");
            continue;
        }
        let alone = Export { profiles: vec![record.clone()], ..export.dry() };
        fates.push(fate(&world.counts(&alone).await));
    }
    let before = in_emulator(&world);
    let dry = world.run(&export.dry()).await;
    let mut push = world.run(&export).await;
    (push.progress.ledger, push.progress.plan) = (dry.progress.ledger, dry.progress.plan);
    assert_eq!(dry, push, "{shown}");

    let after = in_emulator(&world);
    for (n, (record, fate)) in export.profiles.iter().zip(&fates).enumerate() {
        let Some(email) = record["email"].as_str() else {
            continue;
        };
        let (was, is) = (before.get(email), after.get(email));
        let changed = was.zip(is).is_some_and(|(was, is)| changes(was, is));
        let expected = match *fate {
            "created" => was.is_none() && is.is_some(),
            "updated" => changed,
            _ => was.is_some() == is.is_some() && !changed,
        };
        assert!(expected, "{shown}: record {n} was to be {fate}: {record}");
    }
    let of = |wanted| fates.iter().filter(|fate| **fate == wanted).count() as u64;
    let counts = push.progress.counts;
    let counted = [counts.created, counts.updated, counts.unchanged, counts.invalid, counts.failed];
    let expected = ["created", "updated", "unchanged", "invalid", "failed"].map(of);
    assert_eq!(counted, expected, "{shown}");
}

/// Whether a person was changed, apart from the time of the change.
fn changes(was: &Value, is: &Value) -> bool {
    let without_time = |person: &Value| {
        let mut person = person.clone();
        person["updated_at"] = Value::Null;
        person
    };
    without_time(was) != without_time(is)
}

#[tokio::test]
async fn over_dirty_people_every_record_ends_in_the_push_as_the_dry_run_foretells() {
    for seed in 0..8 {
        foretold(seed, true, true).await;
        // A document that is stricter than its server rejects nobody.
        foretold(seed, false, false).await;
        foretold(seed, false, true).await;
    }
}

#[tokio::test]
async fn a_wrong_type_is_refused_before_anything_is_sent_and_a_scalar_becomes_text() {
    let world = World::discovering(crate::setup::options()).await;
    let mut export = Export::of(profiles(4));
    export.mapping["fields"][3] = json!({"to": "phone", "from": "phone"});
    for (n, phone) in [json!(14_155_552_671_i64), json!(["CTO"]), json!({"a": 1}), json!("+44 1")]
        .into_iter()
        .enumerate()
    {
        export.profiles[n]["phone"] = phone;
    }
    let dry = world.run(&export.dry()).await;
    let push = world.run(&export).await;
    assert_eq!((dry.progress.counts, dry.progress.rejections), {
        let Report { progress, .. } = &push;
        (progress.counts, progress.rejections.clone())
    });
    assert_eq!((push.progress.counts.created, push.progress.counts.invalid), (2, 2));
    assert_eq!(world.sandbox.requests().of("createCandidate"), 2);
    let messages: Vec<_> = push.progress.rejections.iter().map(|r| r.cause.clone()).collect();
    assert!(messages.iter().all(|cause| cause.reason == Reason::InvalidValue));
    let messages: Vec<_> = messages.iter().map(|cause| &*cause.message).collect();
    assert_eq!(
        messages,
        [
            "spec.fields[3]: Clinch takes a text, the value is a list",
            "spec.fields[3]: Clinch takes a text, the value is an object"
        ]
    );
    assert_eq!(world.person(0)["attributes"]["phone"], "14155552671");
    assert_eq!(world.counts(&export).await.unchanged, 2, "the text is what was sent");
}

#[tokio::test]
async fn a_required_attribute_is_required_of_new_people_only() {
    let constraints = json!({"current_job_title": {"required": true}});
    let options = contract(json!({"constraints": constraints}));
    let there = json!({"email": email(0), "first_name": "Old"});
    let world = World::discovering(seeded(options, [there])).await;
    let mut export = Export::of(profiles(3));
    for n in [0, 1] {
        export.profiles[n]["title"] = Value::Null;
    }
    let report = world.run(&export).await;
    let counts = report.progress.counts;
    assert_eq!((counts.updated, counts.failed, counts.created), (1, 1, 1));
    let cause = &report.progress.rejections[0].cause;
    assert_eq!(cause.reason, Reason::RequiredMissing);
    assert!(cause.message.contains("'current_job_title' of a new person"), "{}", cause.message);
    assert_eq!(world.sandbox.requests().of("createCandidate"), 1, "the refused record is not sent");
}
