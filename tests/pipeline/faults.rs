//! Many faults at once: every fifth request, every tenth record, the source as a whole. Judged by
//! what the emulator holds at the end.

use std::{fmt::Write as _, io::Write as _};

use clinch_operator::{
    domain::{Disposition, Reason},
    pipeline::{Counts, Ending, Report, RunSpec, run},
    sandbox::{Action, Fault},
};
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

use crate::{
    large::{lines, parts},
    scale::scale,
    setup::{
        ACCOUNT, Export, World, careless, email, in_clinch, options, profile, profiles, seeded,
    },
};

/// Every fifth request fails, in each way that the emulator has.
fn mix(seed: u64) -> Vec<Fault> {
    let status = |code, retry_after| Action::Status { code, retry_after, html: code == 502 };
    let actions = [
        (0.02, status(500, None)),
        (0.02, status(502, None)),
        (0.02, status(503, Some(0))),
        (0.03, Action::Stall { ms: 30 }),
        (0.025, Action::ResetBeforeCommit {}),
        (0.025, Action::ResetAfterCommit {}),
        (0.01, Action::Truncated {}),
        (0.01, Action::NotJson {}),
        (0.01, Action::Html {}),
        (0.02, Action::WrongDate { offset_seconds: -7200 }),
    ];
    let mut faults: Vec<_> = (0..)
        .zip(actions)
        .map(|(n, (share, action))| {
            Fault::always("*", action).with_probability(share, seed * 100 + n)
        })
        .collect();
    let large = Fault::always("createCandidate", Action::Oversized { bytes: 9 << 20 });
    faults.push(large.with_probability(0.02, seed * 100 + 98));
    // Each halves the rate, so there are few of them.
    let limited = Fault::always("createCandidate", status(429, Some(0)));
    faults.push(limited.with_probability(0.05, seed * 100 + 99).times(3));
    faults
}

/// Runs until everybody is delivered; the number of runs.
async fn until_completed(world: &World, export: &Export) -> u32 {
    for attempt in 1..=60 {
        let Report { ending, progress } = world.run(export).await;
        match ending {
            Ending::Completed if progress.counts.rejected() == 0 => return attempt,
            Ending::Completed
            | Ending::Interrupted { disposition: Disposition::Retry { .. }, .. } => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("never completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_with_all_that_is_theirs_arrive_once_though_every_fifth_request_fails() {
    let people = 500 * scale();
    let world = World::new(careless()).await;
    world.sandbox.set_faults(mix(1));
    let mut export = Export::of(profiles(people)).applying().with_resume_and_tags();
    for (n, profile) in export.profiles.iter_mut().enumerate().filter(|(n, _)| n % 4 == 0) {
        profile["tags"] = serde_json::json!(["remote", format!("t{n}")]);
    }
    let attempts = until_completed(&world, &export).await;
    world.assert_exactly_once(people);
    for person in world.sandbox.people(ACCOUNT) {
        let address = person["attributes"]["email"].as_str().unwrap();
        let count = |kind: &str| person[kind].as_array().map_or(0, Vec::len);
        assert_eq!(count("applications"), 1, "applications of {address}");
        let tagged = (0..people).step_by(4).any(|n| email(n) == address);
        assert_eq!(count("activities"), usize::from(tagged), "activities of {address}");
    }
    let answered = world.sandbox.requests().by_operation;
    for kind in ["createCandidate 500", "createCandidate 429", "createCandidate -"] {
        assert!(answered.get(kind).is_some_and(|times| *times > 0), "{kind}: {answered:?}");
    }
    world.sandbox.set_faults(Vec::new());
    let before = world.requests();
    let counts = world.counts(&export).await;
    assert_eq!((counts.unchanged, counts.total), (people as u64, people as u64));
    assert_eq!(world.requests(), before, "after {attempts} attempts the ledger knows everybody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_dry_run_foretells_the_push() {
    let people = 5_000 * scale();
    let there = (0..people).filter(|n| n % 3 == 0).map(in_clinch);
    let world = World::new(seeded(careless(), there)).await;
    let known = world.people().len() as u64;
    let text = lines((0..people).map(|n| {
        let mut profile = profile(n);
        if n % 6 == 0 {
            profile["title"] = "Director".into();
        }
        if n % 1_000 == 1 {
            profile["emails"] = Value::Array(Vec::new());
        }
        profile
    }));
    let export = Export::of(Vec::new());
    let spec =
        |export: &Export| RunSpec { source: parts("people.ndjson", text.clone()), ..export.spec() };
    let dry = run(spec(&export.dry()), world.ports()).await;
    assert_eq!((world.writes(), world.people().len() as u64), (0, known));
    let mut push = run(spec(&export), world.ports()).await;
    // A dry run stores nothing.
    (push.progress.ledger, push.progress.plan) = (dry.progress.ledger, dry.progress.plan);
    assert_eq!(dry, push, "what was foretold is what was done");
    let (changed, invalid) = (people.div_ceil(6) as u64, people as u64 / 1_000);
    let lost = (1..people).step_by(1_000).filter(|n| n % 3 == 0).count() as u64;
    let created = people as u64 - known - (invalid - lost);
    let expected = Counts {
        read: people as u64,
        total: people as u64,
        created,
        updated: changed,
        unchanged: known - changed - lost,
        invalid,
        ..Counts::default()
    };
    assert_eq!(push.progress.counts, expected);
    let found = world.people();
    assert_eq!(found.len() as u64, known + created);
    assert!(found.values().all(|times| *times == 1));
    let requests = world.sandbox.requests();
    assert_eq!(
        (requests.of("createCandidate"), requests.of("updateCandidate")),
        (created, changed)
    );
    let again = run(spec(&export.dry()), world.ports()).await.progress.counts;
    assert_eq!((again.unchanged, again.invalid), (people as u64 - invalid, invalid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenth_of_malformed_lines_holds_up_nobody() {
    let all = 10_000 * scale();
    // Most are there already: the test is about reading.
    let valid = |n: usize| n % 10 != 3;
    let there = (0..all).filter(|n| valid(*n) && n % 50 != 0).map(in_clinch);
    let world = World::new(seeded(options(), there)).await;
    let broken =
        ["{\"emails\": [", "[]", "\"text\"", "{\"emails\": [{\"value\": \"x\"}]}}", "\u{1}"];
    let text = (0..all).fold(String::new(), |mut text, n| {
        if valid(n) {
            writeln!(text, "{}", profile(n)).unwrap();
        } else {
            writeln!(text, "{}", broken[n / 10 % broken.len()]).unwrap();
        }
        text
    });
    let spec = RunSpec { source: parts("people.ndjson", text), ..Export::of(Vec::new()).spec() };
    let Report { progress, ending } = run(spec, world.ports()).await;
    assert_eq!(ending, Ending::Completed);
    let total = all as u64;
    let expected = Counts {
        read: total,
        total,
        created: total / 50,
        unchanged: total / 100 * 88,
        invalid: total / 10,
        ..Counts::default()
    };
    assert_eq!(progress.counts, expected);
    let positions: Vec<_> =
        progress.rejections.iter().map(|rejection| rejection.position.line).collect();
    let first: Vec<_> = (0..positions.len() as u64).map(|n| Some(n * 10 + 4)).collect();
    assert_eq!(positions, first, "the first ones are listed, each by its line");
    assert_eq!(progress.rejections.len() as u64 + progress.omitted, total / 10);
    let people = world.people();
    assert_eq!(people.len(), all / 10 * 9);
    assert!((0..all).filter(|n| valid(*n)).all(|n| people.get(&email(n)) == Some(&1)));
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Runs a damaged part: who is in Clinch afterwards, and the report.
async fn damaged(name: &str, bytes: Vec<u8>) -> (World, Report) {
    let world = World::new(careless()).await;
    let spec = RunSpec { source: parts(name, bytes), ..Export::of(Vec::new()).spec() };
    let report = run(spec, world.ports()).await;
    (world, report)
}

fn fault(report: &Report) -> (Reason, &str) {
    let Ending::SourceFailed(cause) = &report.ending else { panic!("{:?}", report.ending) };
    (cause.reason, &cause.message)
}

#[tokio::test]
async fn nothing_of_a_compressed_source_that_is_cut_off_is_pushed() {
    let whole = gzip(lines((0..3_000).map(profile)).as_bytes());
    let cut = whole[..whole.len() * 2 / 3].to_vec();
    let (world, report) = damaged("people.ndjson.gz", cut).await;
    let (reason, message) = fault(&report);
    assert_eq!(reason, Reason::SourceInvalid);
    assert!(message.contains("people.ndjson.gz") && message.contains("cut off"), "{message}");
    assert!((500..3_000).contains(&report.progress.counts.total), "{:?}", report.progress.counts);
    assert_eq!(world.requests(), 0);
    let spec =
        RunSpec { source: parts("people.ndjson.gz", whole), ..Export::of(Vec::new()).spec() };
    let repaired = run(spec, world.ports()).await;
    assert_eq!(repaired.ending, Ending::Completed);
    world.assert_exactly_once(3_000);
}

#[tokio::test]
async fn a_source_that_explodes_is_given_up_where_it_does() {
    let mut text = lines((0..50).map(profile)).into_bytes();
    text.resize(32 << 20, b' ');
    let bomb = gzip(&text);
    assert!(bomb.len() < 1 << 20, "it fits into a ConfigMap: {}", bomb.len());
    drop(text);
    let (world, report) = damaged("bomb.ndjson.gz", bomb).await;
    let (reason, message) = fault(&report);
    assert_eq!(reason, Reason::SourceInvalid);
    assert!(message.contains("decompress"), "{message}");
    assert_eq!((report.progress.counts.total, world.requests()), (50, 0));
}

#[tokio::test]
async fn a_record_of_a_hundred_megabytes_is_refused_and_not_kept() {
    let mut text = lines((0..50).map(profile)).into_bytes();
    text.extend_from_slice(b"{\"summary\": \"");
    text.resize(100 << 20, b'x');
    text.extend_from_slice(b"\"}\n");
    text.extend_from_slice(lines((50..60).map(profile)).as_bytes());
    let (world, report) = damaged("people.ndjson", text).await;
    let (reason, message) = fault(&report);
    assert_eq!(reason, Reason::SourceInvalid);
    assert!(message.contains("larger than") && message.contains("split"), "{message}");
    assert_eq!((report.progress.counts.total, world.requests()), (50, 0));
}

#[tokio::test]
async fn text_in_another_encoding_says_so_line_by_line_and_utf_16_is_read() {
    let ascii = lines((0..20).map(profile));
    let mut latin = ascii.clone().into_bytes();
    latin.extend_from_slice(
        b"{\"firstName\": \"Andr\xe9\", \"emails\": [{\"value\": \"andre@example.com\"}]}\n",
    );
    latin.extend_from_slice(lines((20..30).map(profile)).as_bytes());
    let (world, report) = damaged("latin1.ndjson", latin).await;
    assert_eq!(report.ending, Ending::Completed);
    assert_eq!((report.progress.counts.created, report.progress.counts.invalid), (30, 1));
    let rejection = &report.progress.rejections[0];
    assert_eq!(rejection.position.line, Some(21));
    assert!(rejection.cause.message.contains("UTF-8"), "{}", rejection.cause.message);
    world.assert_exactly_once(30);

    let wide: Vec<u8> =
        std::iter::once(0xFEFF).chain(ascii.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let (world, report) = damaged("utf16.ndjson", wide).await;
    assert_eq!(report.ending, Ending::Completed);
    world.assert_exactly_once(20);
}
