//! What follows a person: an application, a resume, tags.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clinch_operator::{
    domain::{Disposition, Reason},
    pipeline::{DestinationSpec, Ending, Renderer, RunSpec, run},
    sandbox::{Action, Fault},
};
use serde_json::{Value, json};

use crate::setup::{Export, Store, World, in_clinch, options, profiles, with_people};

fn export(count: usize) -> Export {
    let mut export = Export::of(profiles(count)).applying().with_resume_and_tags();
    for profile in &mut export.profiles {
        profile["resume"] = json!({"name": "cv.pdf", "bytes": STANDARD.encode(b"%PDF-1.7 words")});
        profile["tags"] = json!(["rust", "kubernetes"]);
    }
    export
}

/// How many of each a person has.
fn parts(person: &Value) -> [usize; 3] {
    ["applications", "attachments", "activities"].map(|part| person[part].as_array().unwrap().len())
}

#[tokio::test]
async fn application_resume_and_tags_are_put_in_place_once() {
    let world = World::new(with_people([in_clinch(0)])).await;
    let export = export(5);
    let counts = world.counts(&export).await;
    assert_eq!((counts.created, counts.updated), (4, 1));
    let before = world.requests();
    world.counts(&export).await;
    assert_eq!(world.requests(), before, "known from the ledger, the job included");
    // Without the ledger, Clinch is read, and nothing is duplicated.
    let forgetful = World { store: Store::default(), ..world };
    assert_eq!(forgetful.counts(&export).await.unchanged, 5);
    for n in 0..5 {
        let person = forgetful.person(n);
        assert_eq!(parts(&person), [1, 1, 1]);
        assert_eq!(person["attachments"][0]["content_type"], "application/pdf");
        assert_eq!(person["attachments"][0]["byte_size"], 14);
        assert_eq!(person["activities"][0]["body"], "rust, kubernetes");
    }
}

#[tokio::test]
async fn a_refused_step_leaves_the_person_recorded_and_only_that_step_is_repeated() {
    let world = World::new(options()).await;
    let refusal = Action::Status { code: 422, retry_after: None, html: false };
    world.sandbox.set_faults(vec![Fault::always("createAttachment", refusal).nth(2)]);
    let report = world.run(&export(4)).await;
    assert_eq!(report.ending, Ending::Completed);
    assert_eq!((report.progress.counts.created, report.progress.counts.failed), (3, 1));
    assert_eq!(report.progress.rejections[0].cause.reason, Reason::RecordRejected);
    let (before, writes) = (world.sandbox.requests(), world.writes());
    let counts = world.counts(&export(4)).await;
    assert_eq!((counts.unchanged, counts.updated), (3, 1));
    let after = world.sandbox.requests();
    assert_eq!(after.of("createCandidate"), before.of("createCandidate"));
    assert_eq!(after.of("createAttachment"), before.of("createAttachment") + 1);
    assert_eq!(world.writes(), writes + 2, "the resume, and the tags that come after it");
    assert!((0..4).all(|n| parts(&world.person(n)) == [1, 1, 1]));
}

#[tokio::test]
async fn steps_whose_answers_are_lost_are_not_duplicated() {
    let world = World::new(options()).await;
    let lost = |operation| Fault::always(operation, Action::ResetAfterCommit {}).times(2);
    world
        .sandbox
        .set_faults(["createApplication", "createAttachment", "createActivity"].map(lost).into());
    let counts = world.counts(&export(6)).await;
    assert_eq!(counts.created, 6);
    assert!((0..6).all(|n| parts(&world.person(n)) == [1, 1, 1]));
}

#[tokio::test]
async fn a_changed_resume_is_attached_and_nothing_else_is_done() {
    let world = World::new(options()).await;
    let mut export = export(3);
    world.counts(&export).await;
    let writes = world.writes();
    export.profiles[1]["resume"]["bytes"] = STANDARD.encode(b"%PDF-1.7 other words").into();
    assert_eq!(world.counts(&export).await.updated, 1);
    assert_eq!(world.writes(), writes + 1);
    assert_eq!(parts(&world.person(1)), [1, 2, 1]);
}

/// An export that attaches profiles as documents.
#[cfg(feature = "pdf")]
fn rendering(count: usize, from: &str) -> Export {
    let mut export = export(count);
    export.mapping["resume"] = json!({"attach": true, "from": from});
    export
}

#[cfg(feature = "pdf")]
fn attached(world: &World, n: usize) -> Vec<(String, String, u64)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let attachments = world.person(n)["attachments"].as_array().unwrap().clone();
    let file = |a: &Value| {
        (text(&a["file_name"]), text(&a["content_type"]), a["byte_size"].as_u64().unwrap())
    };
    attachments.iter().map(file).collect()
}

#[cfg(feature = "pdf")]
#[tokio::test]
async fn a_rendered_profile_is_attached_again_only_when_what_it_shows_changes() {
    let world = World::new(options()).await;
    let mut export = rendering(3, "RenderedProfile");
    assert_eq!(world.counts(&export).await.created, 3);
    let [(name, kind, size)] = &attached(&world, 0)[..] else { panic!("one document") };
    let digits = name.strip_prefix("profile-").and_then(|rest| rest.strip_suffix(".pdf"));
    assert!(digits.is_some_and(|digits| digits.len() == 8), "{name}");
    assert_eq!(kind, "application/pdf");
    assert!(*size > 5_000, "{size} bytes");
    // Neither internal members nor the time of the last refresh are shown.
    export.profiles[0]["lastRefreshedAt"] = json!("2026-01-01T00:00:00Z");
    export.profiles[0]["notes"] = json!([{"text": "call back"}]);
    let before = world.requests();
    assert_eq!(world.counts(&export).await.unchanged, 3);
    assert_eq!(world.requests(), before);
    // Another process, without a ledger, finds it by its name.
    let forgetful = World { store: Store::default(), ..world };
    assert_eq!(forgetful.counts(&export).await.unchanged, 3);
    assert_eq!(attached(&forgetful, 0).len(), 1);
    export.profiles[0]["skills"] = json!(["Rust"]);
    assert_eq!(forgetful.counts(&export).await.updated, 1);
    let documents = attached(&forgetful, 0);
    assert_eq!(documents.len(), 2);
    assert_ne!(documents[0].0, documents[1].0);
}

#[cfg(feature = "pdf")]
#[tokio::test]
async fn people_without_a_usable_resume_get_the_rendered_profile() {
    let world = World::new(options()).await;
    let mut export = rendering(4, "ResumeOrRenderedProfile");
    export.profiles[1]["resume"] = json!({"url": "https://files.example/cv.pdf"});
    export.profiles[2]["resume"] = json!({"bytes": "%%"});
    export.profiles[3]["resume"] = json!(null);
    let dry = world.run(&export.dry()).await.progress.counts;
    let counts = world.counts(&export).await;
    assert_eq!((counts.created, counts.warnings), (4, 0));
    assert_eq!((dry.created, dry.warnings), (4, 0));
    let name = |n: usize| attached(&world, n)[0].0.split('-').next().unwrap().to_owned();
    assert_eq!([0, 1, 2, 3].map(name), ["resume", "profile", "profile", "profile"]);
}

#[cfg(feature = "pdf")]
#[tokio::test]
async fn characters_without_a_font_are_a_warning_of_the_coverage() {
    let world = World::new(options()).await;
    let mut export = rendering(3, "RenderedProfile");
    for n in [0, 1] {
        export.profiles[n]["fullName"] = json!("直子");
    }
    let report = world.run(&export).await;
    let counts = report.progress.counts;
    assert_eq!((counts.created, counts.warnings, counts.rejected()), (3, 0, 0));
    let warnings = &report.progress.coverage.warnings;
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!((&*warning.place, warning.cause.reason), ("spec.resume", Reason::MissingGlyph));
    assert_eq!(warning.records, 2);
    assert!(warning.cause.message.contains("Han"), "{}", warning.cause.message);
}

/// A font of Arabic whose outlines are damaged: it is known to be so only when it is embedded.
#[cfg(feature = "pdf")]
pub(crate) fn damaged_font() -> Vec<u8> {
    let mut font = include_bytes!("../data/fonts/arabic.ttf").to_vec();
    let number = |at: usize| u32::from_be_bytes(font[at..at + 4].try_into().unwrap()) as usize;
    let tables = usize::from(u16::from_be_bytes([font[4], font[5]]));
    let glyf = (0..tables).map(|n| 12 + 16 * n).find(|at| font[*at..at + 4] == *b"glyf").unwrap();
    let (start, length) = (number(glyf + 8), number(glyf + 12));
    font[start..start + length].fill(0xff);
    font
}

#[cfg(feature = "pdf")]
#[tokio::test]
async fn a_profile_that_cannot_be_rendered_or_is_too_large_is_a_refused_resume() {
    let world = World::new(options()).await;
    let mut export = rendering(3, "RenderedProfile");
    export.profiles[0]["title"] = json!("\u{633}\u{644}\u{627}\u{645}");
    export.profiles[1]["skills"] = json!(vec!["a"; 30_000]);
    let renderer = Renderer::with([("damaged.ttf".to_owned(), damaged_font())]).0;
    let spec = RunSpec { renderer, ..world.spec(&export) };
    let report = run(spec, world.ports()).await;
    assert_eq!(report.ending, Ending::Completed);
    let counts = report.progress.counts;
    assert_eq!((counts.created, counts.warnings, counts.rejected()), (3, 2, 0));
    let refused: Vec<String> = report
        .progress
        .rejections
        .iter()
        .map(|refused| format!("{} {}", refused.cause.reason, refused.cause.message))
        .collect();
    assert_eq!(
        refused,
        [
            "ResumeRefused the profile could not be rendered as a PDF document",
            "ResumeRefused the rendered profile is larger than 5 MiB",
        ]
    );
    assert_eq!([0, 1, 2].map(|n| attached(&world, n).len()), [0, 0, 1]);
}

#[tokio::test]
async fn a_job_or_stage_that_is_not_there_stalls_before_anything_is_written() {
    let world = World::new(options()).await;
    let missing = [("ENG-404", "Screen"), ("ENG-101", "No such stage")];
    for (reference, stage) in missing {
        let mut export = export(2);
        export.destination = DestinationSpec::Job {
            id: None,
            reference: Some(reference.to_owned()),
            stage: stage.to_owned(),
            permitted: crate::setup::any_job(),
        };
        let Ending::Interrupted { disposition, .. } = world.run(&export).await.ending else {
            panic!("the destination does not exist")
        };
        assert_eq!(disposition, Disposition::Stalled { reason: Reason::DestinationNotFound });
    }
    assert_eq!(world.writes(), 0);
}
