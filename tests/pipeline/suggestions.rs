//! People who are in Clinch with another e-mail address are suggested by their profile, and by nothing else.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use clinch_operator::{
    clinch::contract::{Contract, NameOf, Overrides},
    pipeline::{
        AttributeFilter, Ending, MatchClass, MatchedBy, Mode, Progress, RecordLine, RecordReport,
        RunPorts, RunSpec, run,
    },
};
use serde_json::{Value, json};

use crate::setup::{ACCOUNT, Export, World, in_clinch, options, profile, with_people};

#[derive(Default)]
struct Lines(Mutex<Vec<RecordLine>>);

impl RecordReport for Lines {
    fn add(&self, line: RecordLine) {
        self.0.lock().unwrap().push(line);
    }
}

/// Somebody in Clinch whom no record of the source names by e-mail address.
fn with_profile(n: usize, url: &str) -> Value {
    let mut person = in_clinch(n);
    person["linkedin_url"] = url.into();
    person
}

fn profile_at(n: usize, url: &str) -> Value {
    let mut profile = profile(n);
    profile["socialLinks"] = json!([{"kind": "linkedin", "url": url}]);
    profile
}

const ALL: Option<AttributeFilter> = Some(AttributeFilter::All);

async fn compare(
    world: &World,
    export: &Export,
    reveals: Option<AttributeFilter>,
) -> (Progress, BTreeMap<u64, RecordLine>) {
    let lines = Arc::new(Lines::default());
    let spec = RunSpec { reveals, ..world.spec(export) };
    let ports = RunPorts { report: Some(lines.clone()), ..world.ports() };
    let report = run(spec, ports).await;
    assert_eq!(report.ending, Ending::Completed);
    let lines = lines.0.lock().unwrap().drain(..).map(|line| (line.position.index, line)).collect();
    (report.progress, lines)
}

fn classes(lines: &BTreeMap<u64, RecordLine>) -> Vec<MatchClass> {
    lines.values().map(|line| line.class.unwrap()).collect()
}

/// What a line says of the person: who they are, and how they were found.
fn found(line: &RecordLine) -> Option<(String, Option<&'static str>)> {
    let person = line.person.as_ref()?;
    Some((person.id.to_string(), person.by.map(MatchedBy::as_str)))
}

async fn account() -> (World, Export) {
    let people = [
        in_clinch(0),
        with_profile(10, "https://www.linkedin.com/in/ada-1/"),
        with_profile(11, "http://linkedin.com/in/TWICE"),
        with_profile(12, "https://uk.linkedin.com/in/twice?trk=1"),
        with_profile(13, "https://www.linkedin.com/company/acme"),
    ];
    let world = World::discovering(with_people(people)).await;
    let export = Export::of(vec![
        profile(0),
        profile_at(1, "linkedin.com/in/Ada-1"),
        profile_at(2, "https://www.linkedin.com/in/twice"),
        profile_at(3, "https://www.linkedin.com/company/acme"),
        profile_at(4, "https://www.linkedin.com/in/ada-2"),
        profile(5),
    ]);
    (world, export.dry())
}

#[tokio::test]
async fn a_person_whose_profile_is_in_clinch_is_possible_and_nothing_is_decided_by_it() {
    use MatchClass::{Known, New, Possible};
    let (world, export) = account().await;
    let (progress, lines) = compare(&world, &export, ALL).await;
    assert_eq!(classes(&lines), [Known, Possible, Possible, New, New, New]);
    let counts = progress.counts;
    assert_eq!((counts.created, counts.possible, counts.unchanged), (5, 2, 1));
    assert!(progress.profiles_compared);
    let people = world.sandbox.people(ACCOUNT);
    let id = people[1]["id"].as_str().unwrap().to_owned();
    assert_eq!(found(&lines[&1]), Some((id, Some("ProfileUrl"))));
    assert!(lines[&1].person.as_ref().unwrap().changed_at.is_some());
    assert_eq!(found(&lines[&2]), None, "several people have it");
    // The plan is the same as without, and a push creates all of them.
    let (without, _) = compare(&world, &export, None).await;
    assert_eq!(without.plan, progress.plan);
    let push = Export { mode: Mode::Push, ..export };
    let (pushed, lines) = compare(&world, &push, ALL).await;
    assert_eq!((pushed.counts.created, pushed.counts.possible), (5, 0));
    assert!(!pushed.profiles_compared && !classes(&lines).contains(&Possible));
    assert_eq!(world.sandbox.people(ACCOUNT).len(), 10);
}

#[tokio::test]
async fn profiles_are_compared_only_where_they_may_be_read_and_are_offered() {
    let (world, export) = account().await;
    let email = AttributeFilter::Only(["email".to_owned()].into());
    let built_in = World::speaking(options(), Contract::built_in()).await;
    for (world, reveals) in [(&world, None), (&world, Some(email)), (&built_in, ALL)] {
        let (progress, lines) = compare(world, &export, reveals).await;
        assert!(!progress.profiles_compared);
        assert_eq!(progress.counts.possible, 0);
        assert!(!classes(&lines).contains(&MatchClass::Possible));
    }
    // An admin names the attribute, under whatever name the account has it.
    let mut overrides = Overrides::default();
    overrides.attribute(NameOf::GithubUrl.as_str(), "linkedin_url").unwrap();
    let named = Contract::built_in().with(&overrides);
    let world = World::speaking(with_people([with_profile(10, "linkedin.com/in/ada-1")]), named);
    let (progress, _) = compare(&world.await, &export, ALL).await;
    assert_eq!((progress.counts.possible, progress.profiles_compared), (1, true));
}

#[tokio::test]
async fn the_list_is_read_for_profiles_once_and_only_if_somebody_has_one() {
    let (world, export) = account().await;
    let with = compare(&world, &export, ALL).await.0;
    let requests = world.requests();
    let without = compare(&world, &export, None).await.0;
    let plain = world.requests() - requests;
    let requests = world.requests();
    assert_eq!(compare(&world, &export, ALL).await.0, with);
    assert_eq!(world.requests() - requests, plain + 1, "its only page");
    assert_eq!(without.counts.created, with.counts.created);
    // Nobody has a profile: nothing is read, and that is an answer.
    let bare = Export { profiles: vec![profile(0), profile(5)], ..export };
    compare(&world, &bare, ALL).await;
    let requests = world.requests();
    let (progress, _) = compare(&world, &bare, ALL).await;
    let compared = world.requests() - requests;
    assert!(progress.profiles_compared && progress.counts.possible == 0);
    let requests = world.requests();
    compare(&world, &bare, None).await;
    assert_eq!(world.requests() - requests, compared);
}

#[tokio::test]
async fn a_list_that_is_too_long_is_not_read_for_profiles() {
    let mut people: Vec<Value> = (100..1110).map(in_clinch).collect();
    people.push(with_profile(10, "linkedin.com/in/ada-1"));
    let mut overrides = Overrides::default();
    overrides.attribute("linkedin_url", "linkedin_url").unwrap();
    overrides.max_page_size(1).unwrap();
    let world = World::speaking(with_people(people), Contract::built_in().with(&overrides)).await;
    let export = Export::of(vec![profile_at(1, "linkedin.com/in/ada-1"), profile(2)]).dry();
    compare(&world, &export, ALL).await;
    let requests = world.requests();
    let (progress, lines) = compare(&world, &export, ALL).await;
    assert!(world.requests() - requests < 10, "1,011 pages are not read");
    assert!(!progress.profiles_compared, "nobody is said not to be there");
    assert_eq!(classes(&lines), [MatchClass::New, MatchClass::New]);
}

/// People whose profile is in a related resource, in a form of it.
async fn related(form: &str) -> World {
    let people = [
        in_clinch(0),
        with_profile(10, "https://www.linkedin.com/in/ada-1/"),
        with_profile(11, "http://linkedin.com/in/TWICE"),
        with_profile(12, "https://uk.linkedin.com/in/twice?trk=1"),
    ];
    let options = crate::setup::contract(json!({"socialProfile": form}));
    World::discovering(crate::setup::seeded(options, people)).await
}

fn sought() -> Export {
    let found =
        [(1, "linkedin.com/in/Ada-1"), (2, "linkedin.com/in/twice"), (3, "linkedin.com/in/x")];
    let mut profiles = vec![profile(0)];
    profiles.extend(found.map(|(n, url)| profile_at(n, url)));
    Export::of(profiles).dry()
}

#[tokio::test]
async fn a_profile_is_found_in_an_included_resource_in_every_form_of_it() {
    use MatchClass::{Known, New, Possible};
    for form in ["links", "linkTexts", "attributes", "attributeTexts"] {
        let world = related(form).await;
        let (progress, lines) = compare(&world, &sought(), ALL).await;
        assert_eq!(classes(&lines), [Known, Possible, Possible, New], "{form}");
        assert!(progress.profiles_compared && progress.counts.possible == 2);
        let id = world.sandbox.people(ACCOUNT)[1]["id"].as_str().unwrap().to_owned();
        assert_eq!(found(&lines[&1]), Some((id, Some("ProfileUrl"))));
        // It leaves Clinch only if the admin lists it.
        let named = |name: &str| Some(AttributeFilter::Only([name.to_owned()].into()));
        let (progress, _) = compare(&world, &sought(), named("email")).await;
        assert_eq!((progress.profiles_compared, progress.counts.possible), (false, 0));
        let (progress, _) = compare(&world, &sought(), named("social_profile")).await;
        assert_eq!((progress.profiles_compared, progress.counts.possible), (true, 2));
    }
}

#[tokio::test]
async fn nobody_is_said_not_to_be_there_where_profiles_are_not_shown() {
    use MatchClass::{Known, New};
    for form in ["notIncluded", "ignored", "refused"] {
        let world = related(form).await;
        let (progress, lines) = compare(&world, &sought(), ALL).await;
        assert_eq!(classes(&lines), [Known, New, New, New], "{form}: compared by address");
        assert!(!progress.profiles_compared && progress.counts.possible == 0, "{form}");
    }
}

#[tokio::test]
async fn an_admin_may_name_the_parameter_that_includes_profiles() {
    let options = crate::setup::contract(json!({"socialProfile": "links"}));
    let people = [in_clinch(0), with_profile(10, "linkedin.com/in/ada-1")];
    let mut overrides = Overrides::default();
    overrides.include_parameter("include").unwrap();
    let named = Contract::built_in().with(&overrides);
    let world = World::speaking(crate::setup::seeded(options, people), named).await;
    let (progress, _) = compare(&world, &sought(), ALL).await;
    assert_eq!((progress.profiles_compared, progress.counts.possible), (true, 1));
}
