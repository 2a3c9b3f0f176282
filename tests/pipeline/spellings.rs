//! One address in several spellings is one person: in Clinch, in the source, in ledgers and lists that
//! versions before have written.

use std::sync::Arc;

use clinch_operator::{
    domain::{ClinchId, MatchKey, Reason},
    ledger::{Effect, Entry, Extras, Journal, KeyHash, PayloadDigest, Steps},
    pipeline::{Ending, Neighbour, RunPorts, run},
};
use serde_json::{Value, json};

use crate::setup::{
    ACCOUNT, Export, Store, World, careless, email, keys, keys_of, profile, profiles, seeded,
};

const LETTERS: &str = "ann@m\u{fc}nchen.example";
const APART: &str = "ann@mu\u{308}nchen.example";
const ASCII: &str = "ann@xn--mnchen-3ya.example";
const COMPOSED: &str = "jos\u{e9}@example.com";
const DECOMPOSED: &str = "jose\u{301}@example.com";
const PLAIN: &str = "ann@example.com";
const INVISIBLE: &str = "\u{200b}ann@example.com";
const LINK: &str = "mailto:ann@example.com";
const WIDE: &str = "\u{ff21}nn@example.com";
const ALL_WIDE: &str = "\u{ff41}nn\u{ff20}\u{ff45}xample\u{ff0e}com";
const BESIDE: &str = "N/A; ann@example.com";

/// Pairs of the spelling in Clinch and the one of the source.
const PAIRS: [(&str, &str); 14] = [
    (LETTERS, ASCII),
    (ASCII, LETTERS),
    (APART, ASCII),
    (ASCII, APART),
    (LETTERS, APART),
    (COMPOSED, DECOMPOSED),
    (DECOMPOSED, COMPOSED),
    (PLAIN, INVISIBLE),
    (INVISIBLE, INVISIBLE),
    (LINK, LINK),
    (PLAIN, WIDE),
    (PLAIN, ALL_WIDE),
    (WIDE, WIDE),
    (PLAIN, BESIDE),
];

/// The hash that versions before gave to a person with this address.
fn hash_before(address: &str) -> KeyHash {
    let key = MatchKey::fold(address).unwrap();
    let others = keys().other_hashes(&key);
    others.first().copied().filter(|_| key.expose() != address).unwrap_or(keys().key_hash(&key))
}

fn spelled(address: &str) -> Value {
    json!({"firstName": "Ann", "lastName": "Test", "emails": [{"value": address}]})
}

fn in_clinch(address: &str) -> Value {
    json!({"email": address, "first_name": "Old", "last_name": "Test"})
}

/// A ledger, as a version before left it, that knows one person.
async fn ledger_before(keys: clinch_operator::ledger::Keys, hash: KeyHash, id: &ClinchId) -> Store {
    let store = Store::default();
    let mut opened = Journal::open(store.clone(), keys).await.unwrap();
    opened.ledger.record(&Entry {
        key: hash,
        payload: PayloadDigest::default(),
        extras: Extras::default(),
        clinch_id: id.clone(),
        steps: Steps::CANDIDATE,
        effect: Effect::Unknown,
    });
    opened.journal.queue_changes(&mut opened.ledger);
    opened.journal.flush(&opened.ledger).await.unwrap();
    store
}

fn only_id(world: &World) -> ClinchId {
    let people = world.sandbox.people(ACCOUNT);
    assert_eq!(people.len(), 1);
    ClinchId::parse(people[0]["id"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_person_who_is_spelled_otherwise_in_clinch_is_found_by_look_up_and_on_the_list() {
    for (stored, given) in PAIRS {
        for others in [0, 12] {
            let world = World::new(seeded(careless(), [in_clinch(stored)])).await;
            let mut people = profiles(others);
            people.insert(others / 2, spelled(given));
            let counts = world.counts(&Export::of(people)).await;
            let shown = format!("{stored:?} {given:?} with {others} others");
            assert_eq!((counts.created, counts.updated), (others as u64, 1), "{shown}");
            assert_eq!(world.people().len(), others + 1, "{shown}");
        }
    }
}

#[tokio::test]
async fn a_person_whom_a_ledger_knows_by_another_spelling_is_the_same_person() {
    for (stored, given) in PAIRS {
        // In Clinch they have another address by now: only the ledger knows them.
        let world = World::new(seeded(careless(), [in_clinch("moved@example.com")])).await;
        let id = only_id(&world);
        let store = ledger_before(keys(), hash_before(stored), &id).await;
        let world = World { store, ..world };
        let counts = world.counts(&Export::of(vec![spelled(given)])).await;
        assert_eq!((counts.created, counts.updated), (0, 1), "{stored:?} {given:?}");
        assert_eq!(only_id(&world), id, "{stored:?} {given:?}");
        let before = world.requests();
        let counts = world.counts(&Export::of(vec![spelled(given)])).await;
        assert_eq!((counts.unchanged, world.requests()), (1, before), "and known from now on");
    }
}

#[tokio::test]
async fn a_person_whom_another_export_knows_by_another_spelling_is_the_same_person() {
    for (stored, given) in PAIRS {
        let world = World::new(seeded(careless(), [in_clinch("moved@example.com")])).await;
        let id = only_id(&world);
        let other = keys_of("other-uid");
        let store = ledger_before(other.clone(), hash_before(stored), &id).await;
        let neighbours = Arc::new(move || -> futures::future::BoxFuture<'static, _> {
            let (other, store) = (other.clone(), store.clone());
            let open = Box::new(move || (other, store));
            Box::pin(
                async move { Ok(vec![Neighbour { uid: "other-uid".to_owned(), open: open as _ }]) },
            )
        });
        let ports = RunPorts { neighbours, ..world.ports() };
        let report = run(Export::of(vec![spelled(given)]).spec(), ports).await;
        assert_eq!(report.ending, Ending::Completed);
        assert_eq!(report.progress.counts.created, 0, "{stored:?} {given:?}");
        assert_eq!(only_id(&world), id, "{stored:?} {given:?}");
    }
}

#[tokio::test]
async fn a_person_who_was_suppressed_by_another_spelling_stays_suppressed() {
    for (recorded, given) in PAIRS {
        let world = World::new(careless()).await;
        let id = ClinchId::parse("c1").unwrap();
        world.suppressions.record([(hash_before(recorded), id)]).await.unwrap();
        let counts = world.counts(&Export::of(vec![spelled(given)])).await;
        assert_eq!((counts.suppressed, world.requests()), (1, 0), "{recorded:?} {given:?}");
    }
}

#[tokio::test]
async fn what_is_sent_has_no_character_that_nobody_sees() {
    let world = World::new(careless()).await;
    let given = [
        "\u{feff}a@example.com",
        "b\u{a0}@example.com",
        "C <c@example.com>",
        "mailto:D@x.org",
        "\u{ff45}@x.org",
    ];
    world.counts(&Export::of(given.map(spelled).to_vec())).await;
    let sent: Vec<String> = world.people().into_keys().collect();
    assert_eq!(sent, ["D@x.org", "a@example.com", "b@example.com", "c@example.com", "e@x.org"]);
    // Again, without a ledger.
    let forgetful = World { store: Store::default(), ..world };
    assert_eq!(forgetful.counts(&Export::of(given.map(spelled).to_vec())).await.created, 0);
}

#[tokio::test]
async fn what_is_not_one_address_is_refused_before_anything_is_sent() {
    let junk = ["N/A", "Email", "a@b@c.example", "a@x.org, b@x.org", "a\0b@x.org", "a@x.org;"];
    let world = World::new(careless()).await;
    let report = world.run(&Export::of(junk.map(spelled).to_vec())).await;
    assert_eq!(report.progress.counts.invalid, junk.len() as u64);
    assert_eq!(world.requests(), 0);
    let Ending::SourceFailed(cause) = &report.ending else { panic!("{:?}", report.ending) };
    assert_eq!(cause.reason, Reason::SourceInvalid, "whatever the failure budget");
    let start =
        "none of the 6 records has a usable value for 'email', the match key; first: inline[0] ";
    assert!(cause.message.starts_with(start), "{}", cause.message);
    for rejection in report.progress.rejections.iter() {
        assert_eq!(rejection.cause.reason, Reason::InvalidValue);
        let message = rejection.cause.to_string();
        assert!(message.contains("one e-mail address") && !message.contains("x.org"), "{message}");
    }
}

#[tokio::test]
async fn spellings_of_one_address_in_a_source_are_told_apart_from_contradictions() {
    let upper = |n| {
        let mut profile = profile(n);
        profile["emails"][0]["value"] = email(n).to_uppercase().into();
        profile
    };
    let mut other = upper(1);
    other["title"] = "Director".into();
    let world = World::new(careless()).await;
    let export = Export::of(vec![profile(0), upper(0), profile(0), upper(0), profile(1), other]);
    let report = world.run(&export).await;
    let counts = report.progress.counts;
    assert_eq!((counts.created, counts.unchanged, counts.invalid), (2, 1, 3));
    let told: Vec<_> = report
        .progress
        .rejections
        .iter()
        .map(|rejection| (rejection.position.index, rejection.cause.to_string()))
        .collect();
    for (index, message) in &told {
        assert_eq!(message.contains("with other values"), *index == 5, "{message}");
        assert_eq!(message.contains("differs only in case"), *index != 5, "{message}");
    }
}
