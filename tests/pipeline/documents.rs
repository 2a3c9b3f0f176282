//! The run that writes one PDF document about many people: what appears, and what does not.

use std::{
    fs,
    path::Path,
    sync::{Arc, mpsc},
};

use bytes::Bytes;
use clinch_operator::{
    domain::{Disposition, MatchKey, Reason},
    ledger::Listed,
    pipeline::{
        DocumentStyle, Encoding, Ending, FilePorts, FileSpec, Guards, Mode, Renderer, Source,
        run_file,
    },
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    fake_store::{FakeStore, answer, error},
    files::{Each, Lines, file, last, local, names, object, ports, reason, spec},
    large::{lines, parts},
    setup::profile,
    steps::damaged_font,
};

fn document(source: Source) -> FileSpec {
    FileSpec { encoding: Encoding::Pdf(DocumentStyle::default()), ..spec(source) }
}

fn people(count: usize) -> Source {
    parts("people.ndjson", lines((0..count).map(profile)).into_bytes())
}

fn of(profiles: &[Value]) -> Source {
    parts("people.ndjson", lines(profiles.iter().cloned()).into_bytes())
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_in_one_document_and_the_same_people_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let report = run_file(document(people(3)), ports(local(folder.path(), "x.pdf"))).await;
    let info = file(&report);
    let bytes = read(folder.path(), "x.pdf");
    assert_eq!((info.rows, info.bytes, info.altered), (3, bytes.len() as u64, 0));
    assert!(bytes.starts_with(b"%PDF-"));
    assert_eq!(report.progress.counts.created, 3);
    let again = run_file(document(people(3)), ports(local(folder.path(), "y.pdf"))).await;
    assert_eq!(file(&again).sha256, info.sha256);
    for (count, name) in [(1, "one.pdf"), (40, "forty.pdf")] {
        let report = run_file(document(people(count)), ports(local(folder.path(), name))).await;
        assert_eq!(file(&report).rows, count as u64);
    }
    let style = DocumentStyle { letter: true, ..DocumentStyle::default() };
    let letter = FileSpec { encoding: Encoding::Pdf(style), ..spec(people(3)) };
    let letter = run_file(letter, ports(local(folder.path(), "letter.pdf"))).await;
    assert_ne!(file(&letter).sha256, info.sha256, "another size of paper");
    assert_eq!(names(folder.path()), ["forty.pdf", "letter.pdf", "one.pdf", "x.pdf", "y.pdf"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_would_be_too_large_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let to = || local(folder.path(), "x.pdf");
    fs::write(folder.path().join("x.pdf"), "old").unwrap();
    let few = DocumentStyle { max_people: 3, ..DocumentStyle::default() };
    let thin = DocumentStyle { max_pages: 2, ..DocumentStyle::default() };
    for (style, message) in [
        (&few, "more than 3 people are selected, the most of one document"),
        (&thin, "the first 3 people fill more than 2 pages, the most of one document"),
    ] {
        for mode in [Mode::Push, Mode::DryRun] {
            let spec = FileSpec { encoding: Encoding::Pdf(style.clone()), mode, ..spec(people(5)) };
            let report = run_file(spec, ports(to())).await;
            let Ending::Interrupted { disposition, message: said } = &report.ending else {
                panic!("{report:?}")
            };
            assert_eq!(*disposition, Disposition::Stalled { reason: Reason::TooLarge });
            assert!(said.contains("x.pdf was not written: ") && said.contains(message), "{said}");
            assert_eq!(report.progress.counts.created, 0);
        }
    }
    assert_eq!(read(folder.path(), "x.pdf"), b"old");
    assert_eq!(names(folder.path()), ["x.pdf"]);
    // As many as are permitted, of those who are selected.
    let fits = FileSpec { encoding: Encoding::Pdf(few), limit: Some(3), ..spec(people(5)) };
    assert_eq!(file(&run_file(fits, ports(to())).await).rows, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn characters_without_a_font_are_a_warning_also_of_a_dry_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut profiles: Vec<Value> = (0..4).map(profile).collect();
    profiles[0]["fullName"] = json!("\u{76f4}\u{5b50}");
    profiles[2]["fullName"] = json!("\u{76f4}\u{5b50} \u{76f4}");
    for (mode, count) in [(Mode::Push, 4), (Mode::DryRun, 4), (Mode::Push, 1)] {
        let spec = FileSpec { mode, ..document(of(&profiles[..count])) };
        let lines = Arc::new(Lines::default());
        let ports =
            FilePorts { report: Some(lines.clone()), ..ports(local(folder.path(), "x.pdf")) };
        let report = run_file(spec, ports).await;
        assert_eq!(report.ending, Ending::Completed);
        // Who lacks them is in the report of every record.
        let lines = lines.0.lock().unwrap();
        let lacks: Vec<_> = lines
            .iter()
            .map(|line| line.cause.as_ref().map(|cause| cause.reason))
            .map(|reason| reason == Some(Reason::MissingGlyph))
            .collect();
        assert_eq!(lacks, [true, false, true, false][..count]);
        let positions: Vec<_> = lines.iter().map(|line| line.position.clone()).collect();
        assert!(positions.is_sorted(), "{positions:?}");
        let warnings = &report.progress.coverage.warnings;
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        assert_eq!(
            (&*warning.place, warning.cause.reason),
            ("spec.destination.file", Reason::MissingGlyph)
        );
        let message = &warning.cause.message;
        assert!(message.contains("(Han)") && !message.contains('\u{76f4}'), "{message}");
        assert_eq!(warning.records, if count == 1 { 1 } else { 2 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_ends_early_or_shrinks_leaves_the_old_document() {
    let folder = tempfile::tempdir().unwrap();
    let to = || ports(local(folder.path(), "x.pdf"));
    fs::write(folder.path().join("x.pdf"), "old").unwrap();
    let text = lines((0..9).map(profile));
    let cut = parts("people.ndjson", text.as_bytes()[..text.len() - 9].to_vec());
    assert_eq!(reason(&run_file(document(cut), to()).await), Reason::SourceInvalid);
    let none = run_file(document(people(0)), to()).await;
    assert_eq!(reason(&none), Reason::SourceEmpty);
    let guards = Guards { max_shrink_percent: Some(50), ..Guards::default() };
    let shrunk = FileSpec { baseline: Some(20), guards, ..document(people(9)) };
    assert_eq!(reason(&run_file(shrunk, to()).await), Reason::GuardTripped);
    assert_eq!(read(folder.path(), "x.pdf"), b"old");
    assert_eq!(names(folder.path()), ["x.pdf"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_cannot_be_rendered_leaves_the_old_one_and_names_nobody() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.pdf"), "old").unwrap();
    let mut profiles: Vec<Value> = (0..3).map(profile).collect();
    profiles[1]["title"] = json!("\u{633}\u{644}\u{627}\u{645}");
    let renderer = Renderer::with([("damaged.ttf".to_owned(), damaged_font())]).0;
    let ports = FilePorts { renderer, ..ports(local(folder.path(), "x.pdf")) };
    let report = run_file(document(of(&profiles)), ports).await;
    let Ending::Interrupted { disposition, message } = &report.ending else { panic!("{report:?}") };
    assert_eq!(*disposition, Disposition::Stalled { reason: Reason::RenderFailed });
    assert!(message.ends_with(
        "x.pdf was not written: a font cannot be embedded: look for a damaged file in the font folders"
    ));
    assert_eq!(read(folder.path(), "x.pdf"), b"old");
    assert_eq!(names(folder.path()), ["x.pdf"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_on_the_lists_are_not_in_the_document() {
    let folder = tempfile::tempdir().unwrap();
    let address = |n: usize| profile(n)["emails"][0]["value"].as_str().unwrap().to_owned();
    let write = |name: &str, count: usize, never: String| {
        let ports = ports(local(folder.path(), name));
        let list = ports.suppressions.clone();
        let hash = |key: &MatchKey| list.key_hash(key);
        let listed = Listed::parse(&[("list".to_owned(), Bytes::from(never))], None, hash);
        list.set_listed(Some(Arc::new(listed.unwrap())));
        run_file(document(people(count)), ports)
    };
    let report = write("x.pdf", 3, address(2)).await;
    assert_eq!((file(&report).rows, report.progress.counts.suppressed), (2, 1));
    let without = file(&write("y.pdf", 2, address(9)).await);
    assert_eq!(file(&report).sha256, without.sha256, "as if they had never been there");
    // Nobody is left: the old document is replaced by one about nobody.
    let report = write("x.pdf", 1, address(0)).await;
    assert_eq!(file(&report).rows, 0);
    assert!(read(folder.path(), "x.pdf").starts_with(b"%PDF-"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_document_costs_one_request_and_a_store_that_refuses_has_its_reason() {
    let store = FakeStore::start(|target| {
        let found = [
            ("etag", "\"e\""),
            ("content-length", "3"),
            ("last-modified", "Thu, 26 Nov 2026 10:00:00 GMT"),
        ];
        let put = target.starts_with("PUT");
        answer(200, if put { &found[..1] } else { &found }, "")
    })
    .await;
    let to = || object(&store.origin, "x.pdf");
    let info = file(&run_file(document(people(3)), ports(to())).await);
    let asked = store.asked().len();
    let again = FilePorts { last: Some(last(&info, to())), ..ports(to()) };
    assert_eq!(run_file(document(people(3)), again).await.ending, Ending::SourceUnchanged);
    assert_eq!(store.asked()[asked..], ["HEAD /people/x.pdf"]);
    for (status, code, expected) in [
        (403, "AccessDenied", Reason::DestinationDenied),
        (503, "SlowDown", Reason::DestinationUnreachable),
    ] {
        let store = FakeStore::start(move |_| error(status, code)).await;
        let report = run_file(document(people(3)), ports(object(&store.origin, "x.pdf"))).await;
        assert_eq!((reason(&report), report.progress.counts.created), (expected, 0), "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_document_is_made_at_a_time_and_one_that_waits_can_be_ended() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("second.pdf"), "old").unwrap();
    let renderer = Renderer::with([]).0;
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let begun = std::sync::Mutex::new(Some(begun));
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let waiting = move |n: usize| {
        if n == 1 {
            begun.lock().unwrap().take().unwrap().send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        }
    };
    let first = FilePorts {
        renderer: renderer.clone(),
        report: Some(Each::call(waiting)),
        ..ports(local(folder.path(), "first.pdf"))
    };
    let first = tokio::spawn(run_file(document(people(3)), first));
    has_begun.await.unwrap();
    let cancel = CancellationToken::new();
    let second = || FilePorts {
        renderer: renderer.clone(),
        cancel: cancel.clone(),
        export: "second".to_owned(),
        ..ports(local(folder.path(), "second.pdf"))
    };
    let ended = tokio::spawn(run_file(document(people(3)), second()));
    cancel.cancel();
    let report = ended.await.unwrap();
    assert_eq!((report.ending, report.progress.counts.read), (Ending::Stopped, 0), "it waited");
    assert_eq!(read(folder.path(), "second.pdf"), b"old");
    // A place that cannot be written is reported without waiting.
    fs::create_dir(folder.path().join("third.pdf")).unwrap();
    let third =
        FilePorts { export: "third".to_owned(), ..ports(local(folder.path(), "third.pdf")) };
    let third = FilePorts { renderer: renderer.clone(), ..third };
    let report = run_file(document(people(3)), third).await;
    assert_eq!(reason(&report), Reason::DestinationInvalid);
    assert_eq!(names(folder.path()).len(), 3, "the first is on its way, and nothing is left");
    release.send(()).unwrap();
    assert_eq!(file(&first.await.unwrap()).rows, 3);
    let later = FilePorts { cancel: CancellationToken::new(), ..second() };
    assert_eq!(file(&run_file(document(people(3)), later).await).rows, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_ended_half_way_leaves_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.pdf"), "old").unwrap();
    let cancel = CancellationToken::new();
    let end = cancel.clone();
    let report = Each::call(move |n| {
        if n == 5 {
            end.cancel();
        }
    });
    let ports = FilePorts { cancel, report: Some(report), ..ports(local(folder.path(), "x.pdf")) };
    let ended = run_file(document(people(20)), ports).await;
    assert_eq!(ended.ending, Ending::Stopped);
    assert_eq!(
        (read(folder.path(), "x.pdf"), names(folder.path())),
        (b"old".to_vec(), vec!["x.pdf".to_owned()])
    );
}
