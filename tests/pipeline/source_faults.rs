//! Sources that must not be pushed: cut off, of another kind, or about nobody.

use std::io::Write as _;

use clinch_operator::{
    domain::Reason,
    mapping::{MappingSpec, compile},
    pipeline::{Ending, Report, RunSpec, run},
};
use serde_json::json;

use crate::{
    large::{lines, parts},
    setup::{Export, World, options, profile},
};

/// A source of one part, with the default mapping.
fn spec(name: &str, bytes: impl Into<Vec<u8>>) -> RunSpec {
    let source = parts(name, bytes.into());
    let plan = compile(&MappingSpec::default_mapping()).unwrap();
    RunSpec { source, plan, ..Export::of(Vec::new()).spec() }
}

async fn pushed(world: &World, name: &str, bytes: impl Into<Vec<u8>>) -> Report {
    run(spec(name, bytes), world.ports()).await
}

/// The message of a source that is refused before anything is requested of Clinch.
async fn refused(world: &World, name: &str, bytes: impl Into<Vec<u8>>) -> String {
    let report = pushed(world, name, bytes).await;
    let Ending::SourceFailed(cause) = report.ending else { panic!("{name}: {report:?}") };
    assert_eq!(cause.reason, Reason::SourceInvalid);
    assert_eq!(world.requests(), 0, "{name}");
    cause.message
}

#[tokio::test]
async fn a_source_that_is_cut_off_is_noticed_before_anything_is_pushed() {
    let world = World::new(options()).await;
    let text = lines((0..300).map(profile));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(
        text.as_bytes(),
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    let array = serde_json::to_string(&(0..300).map(profile).collect::<Vec<_>>()).unwrap();
    let rows: Vec<String> = (0..300).map(|n| format!("Ann,a{n}@x.org\n")).collect();
    for (name, whole) in [
        ("p.ndjson.gz", gzip),
        ("p.ndjson.zst", zstd),
        ("p.json", array.into_bytes()),
        ("p.ndjson", text.trim_end().as_bytes().to_vec()),
        ("p.csv", format!("First Name,Email\n{}\"Bob,b@x.org\n", rows.concat()).into_bytes()),
    ] {
        refused(&world, name, &whole[..whole.len() - 5]).await;
    }
}

#[tokio::test]
async fn a_source_about_nobody_is_refused_with_what_was_seen() {
    let world = World::new(options()).await;
    let message = refused(&world, "p.csv", "First Name,Mail\nAnn,a@x.org\nBob,b@x.org\n").await;
    assert!(
        message.starts_with("none of the 2 records has a value for 'email', the match key"),
        "{message}"
    );
    assert!(message.contains("'First Name', and unknown: 'Mail'"), "{message}");
    for text in ["foo,bar\n", "foo,bar\n1,2\n"] {
        let message = refused(&world, "p.csv", text).await;
        assert!(message.contains("'foo', 'bar', and none of them is known"), "{message}");
    }
    refused(&world, "page", "Session expired, please sign in again").await;
    let message =
        refused(&world, "p.json", "[{\"mail\": \"a@x.org\"}, {}, {\"id\": \"\\ud83d\"}]").await;
    assert!(message.contains("has 'mail'"), "{message}");
    let empty = pushed(&world, "p.csv", "First Name,Email\n").await;
    let named =
        matches!(&empty.ending, Ending::SourceFailed(cause) if cause.reason != Reason::SourceEmpty);
    assert!(!named, "it has no records yet: {:?}", empty.ending);
}

#[tokio::test]
async fn a_list_in_a_wrapper_is_told_from_a_profile() {
    let world = World::new(options()).await;
    let people: Vec<_> = (0..3).map(profile).collect();
    let small = json!({"candidates": people, "total": 3});
    let many: Vec<_> = (0..20_000).map(profile).collect();
    let large = json!({"data": {"items": many}});
    for text in [small.to_string(), serde_json::to_string_pretty(&small).unwrap()] {
        let message = refused(&world, "p.json", text).await;
        assert!(message.contains("looks like a wrapper: its list candidates"), "{message}");
    }
    for text in [large.to_string(), serde_json::to_string_pretty(&large).unwrap()] {
        assert!(text.len() > 1 << 20, "larger than a record may be");
        let message = refused(&world, "p.json", text).await;
        assert!(message.contains("its list items"), "{message}");
    }
}

#[tokio::test]
async fn a_filter_that_selects_nobody_is_no_fault_of_the_source() {
    let world = World::new(options()).await;
    let mut spec = spec("p.csv", "foo\n1\n");
    spec.select =
        Some(clinch_operator::mapping::Select::compile("candidate.x.foo == '2'", "p").unwrap());
    let report = run(spec, world.ports()).await;
    assert!(!matches!(report.ending, Ending::SourceFailed(_)), "{report:?}");
}

#[tokio::test]
async fn an_element_that_cannot_be_decoded_costs_one_record() {
    for bad in ["\"\\ud83d\"", "1e999", "\"a\tb\"", "NaN"] {
        let world = World::new(options()).await;
        let elements =
            [profile(0).to_string(), format!("{{\"x\": {bad}}}"), profile(1).to_string()];
        for text in [format!("[\n{}\n]", elements.join(",\n")), elements.join("\n")] {
            let report = pushed(&world, "p", text).await;
            assert_eq!(report.ending, Ending::Completed, "{bad}");
            assert_eq!(
                (report.progress.counts.total, report.progress.counts.invalid),
                (3, 1),
                "{bad}"
            );
        }
        world.assert_exactly_once(2);
    }
}

#[tokio::test]
async fn a_mapping_that_reads_a_built_in_column_by_its_header_is_told_so() {
    let world = World::new(options()).await;
    let mut mapping = MappingSpec::default_mapping();
    mapping.fields[2].from = Some("x['LAST-NAME']".to_owned());
    let text = "LAST-NAME,Email\nAlder,a@x.org\n";
    let mut of = spec("p.csv", text);
    of.plan = compile(&mapping).unwrap();
    let report = run(of, world.ports()).await;
    let Ending::SourceFailed(cause) = report.ending else { panic!("{report:?}") };
    assert!(cause.message.contains("column 1 is built in and fills lastName"), "{}", cause.message);
}
