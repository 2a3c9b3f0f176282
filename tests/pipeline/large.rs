//! Sources of many records.

use std::fmt::Write as _;

use clinch_operator::{
    domain::Reason,
    pipeline::{Counts, Ending, Report, RunSpec, Source, run},
    source::{CsvOptions, Limits, Part},
};
use serde_json::Value;

use crate::{
    scale::scale,
    setup::{Export, World, careless, in_clinch, options, profile, with_people},
};

/// More than one window of records.
fn many() -> usize {
    2_500 * scale()
}

/// One part as a source.
pub(crate) fn parts(name: &str, bytes: impl Into<bytes::Bytes>) -> Source {
    let part = Part { name: name.into(), bytes: bytes.into(), format: None };
    Source::Parts { parts: vec![part], csv: CsvOptions::default(), limits: Limits::default() }
}

/// One CSV file whose cells are escaped against spreadsheets, as a source.
pub(crate) fn escaped(name: &str, bytes: Vec<u8>) -> Source {
    let part = Part { name: name.into(), bytes: bytes.into(), format: None };
    let csv = CsvOptions { unescape: true, ..CsvOptions::default() };
    Source::Parts { parts: vec![part], csv, limits: Limits::default() }
}

/// Lines as the run's source.
fn spec(text: String) -> RunSpec {
    RunSpec { source: parts("people.ndjson", text), ..Export::of(Vec::new()).spec() }
}

pub(crate) fn lines(profiles: impl IntoIterator<Item = Value>) -> String {
    profiles.into_iter().fold(String::new(), |mut text, profile| {
        writeln!(text, "{profile}").unwrap();
        text
    })
}

async fn completed(world: &World, text: &str) -> Counts {
    let report = run(spec(text.to_owned()), world.ports()).await;
    assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress);
    assert_eq!(report.progress.counts.pending(), 0);
    report.progress.counts
}

#[tokio::test]
async fn many_people_cost_a_request_each_and_nothing_the_second_time() {
    let world = World::new(careless()).await;
    let text = lines((0..many()).map(profile));
    let total = many() as u64;
    let counts = completed(&world, &text).await;
    assert_eq!(counts, Counts { read: total, total, created: total, ..Counts::default() });
    world.assert_exactly_once(many());
    let requests = world.requests();
    // One create each; the total before every 48 of them, which are six times the eight in flight, and once a
    // minute; one person in 200, and at least ten, looked up before, and one in 100 at the end.
    let sample = 10.max(total / 200);
    assert!(requests <= total + total / 48 + sample + total / 100 + 20, "{requests}");
    let counts = completed(&world, &text).await;
    assert_eq!(counts, Counts { read: total, total, unchanged: total, ..Counts::default() });
    assert_eq!(world.requests(), requests);
}

#[tokio::test]
async fn people_who_are_there_are_read_by_page() {
    let there = (0..many()).filter(|n| n % 5 == 0).map(in_clinch);
    let world = World::new(with_people(there)).await;
    let mut profiles: Vec<Value> = (0..many()).map(profile).collect();
    profiles[many() - 5]["title"] = "Director".into();
    let counts = completed(&world, &lines(profiles)).await;
    let there = many() as u64 / 5;
    let absent = many() as u64 - there;
    assert_eq!((counts.created, counts.unchanged, counts.updated), (absent, there - 1, 1));
    world.assert_exactly_once(many());
    let requests = world.requests();
    let pages = there / u64::from(world.client.contract().paging.max_per_page);
    // As above, the list read twice, and the one who changed read before they are written.
    let proofs = absent / 48 + 10.max(many() as u64 / 200) + absent / 100;
    assert!(requests <= absent + proofs + 2 * pages + 2 + 20, "{requests} requests");
}

#[tokio::test]
async fn a_person_named_again_much_later_is_recognised() {
    let world = World::new(careless()).await;
    let mut profiles: Vec<Value> = (0..many()).map(profile).collect();
    profiles.push(profile(7));
    let mut other = profile(8);
    other["title"] = "Director".into();
    profiles.push(other);
    let report = run(spec(lines(profiles)), world.ports()).await;
    let counts = report.progress.counts;
    assert_eq!((counts.created, counts.unchanged, counts.invalid), (many() as u64, 1, 1));
    let rejection = &report.progress.rejections[0];
    assert_eq!(rejection.cause.reason, Reason::DuplicateInSource);
    assert_eq!(rejection.position.line, Some(many() as u64 + 2));
    assert!(
        rejection.cause.message.starts_with("people.ndjson line 9 "),
        "{}",
        rejection.cause.message
    );
    world.assert_exactly_once(many());
}

#[tokio::test]
async fn every_malformed_line_is_counted_and_the_rest_delivered() {
    let world = World::new(options()).await;
    let text = (0..10_000).fold(String::new(), |mut text, n| {
        if n % 2 == 0 {
            text.push_str("{\"emails\": [\n");
        } else if n % 100 == 1 {
            writeln!(text, "{}", profile(n)).unwrap();
        } else {
            text.push_str("nothing\n");
        }
        text
    });
    let Report { progress, ending } = run(spec(text), world.ports()).await;
    assert_eq!(ending, Ending::Completed);
    assert_eq!((progress.counts.created, progress.counts.invalid), (100, 9_900));
    assert_eq!((progress.rejections.len(), progress.omitted), (20, 9_880));
    assert_eq!(progress.rejections[0].position.line, Some(1));
    assert_eq!(progress.counts.total, 10_000);
}

#[tokio::test]
async fn nothing_of_a_source_with_a_fault_is_pushed() {
    let world = World::new(options()).await;
    let text = lines((0..many()).map(profile));
    let mut spec = spec(text);
    let Source::Parts { limits, .. } = &mut spec.source else { panic!("parts") };
    limits.max_records = many() as u64 - 200;
    let report = run(spec, world.ports()).await;
    let Ending::SourceFailed(cause) = report.ending else { panic!("{:?}", report.ending) };
    assert_eq!(cause.reason, Reason::SourceInvalid);
    assert_eq!(world.requests(), 0);
}
