//! The schema on a real API server: defaults, columns, and what it refuses.

use std::path::Path;

use crate::support::{
    manifests::{INTEGRATION, PROSPECT, export},
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_object_nobody_has_seen_reads_minus_one_and_is_listed_with_its_columns() {
    let Some(world) = World::prepare().await else { return };
    world.apply(INTEGRATION);
    world.apply(&export("unseen", 1, PROSPECT));
    world.apply("apiVersion: clinch.hireez.dev/v1alpha1\nkind: FieldMapping\nmetadata: {name: m}\nspec: {fields: [{to: email, from: 'emails[0].value'}]}");
    for (kind, name) in
        [("ClinchIntegration", "acme"), ("CandidateExport", "unseen"), ("FieldMapping", "m")]
    {
        assert_eq!(world.get(kind, name).await["status"]["observedGeneration"], -1, "{kind}");
    }
    let listed = world.kubectl(&["get", "clinch", "-n", &world.namespace]);
    for word in ["READY", "REASON", "DELIVERED", "CONTRACT", "ERRORS", "candidateexport", "acme"] {
        assert!(listed.contains(word), "{word} is not in:\n{listed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_found_by_what_they_use_and_whether_they_are_suspended() {
    let Some(world) = World::prepare().await else { return };
    world.apply(INTEGRATION);
    world.apply(&export("works", 1, PROSPECT));
    world.apply(&export("rests", 1, PROSPECT));
    let suspend = r#"{"spec":{"suspend":true}}"#;
    for object in ["clexp/rests", "clint/acme"] {
        world.kubectl(&["patch", object, "-n", &world.namespace, "--type=merge", "-p", suspend]);
    }
    let found = |kind: &str, selector: &str| {
        let list =
            ["get", kind, "-n", &world.namespace, "-o", "name", "--field-selector", selector];
        let listed = world.kubectl(&list);
        listed.lines().map(|line| line.rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("clexp", "spec.suspend=true"), ["rests"]);
    assert_eq!(found("clexp", "spec.suspend=false"), ["works"]);
    assert_eq!(found("clint", "spec.suspend=true"), ["acme"]);
    assert_eq!(found("climp", "spec.suspend=true"), [""; 0]);
    assert_eq!(found("clexp", "spec.integrationRef.name=acme"), ["rests", "works"]);
    assert_eq!(found("clexp", "spec.integrationRef.name=other"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_manifests_are_refused_with_the_field_named() {
    let Some(world) = World::prepare().await else { return };
    let integration = |spec: &str| {
        format!(
            "apiVersion: clinch.hireez.dev/v1alpha1\nkind: ClinchIntegration\nmetadata: {{name: bad}}\nspec: {{credentials: {{secretRef: {{name: c}}}}, {spec}}}"
        )
    };
    let mapping = |field: &str| {
        format!(
            "apiVersion: clinch.hireez.dev/v1alpha1\nkind: FieldMapping\nmetadata: {{name: bad}}\nspec: {{fields: [{field}]}}"
        )
    };
    let export = |spec: &str| {
        format!(
            "apiVersion: clinch.hireez.dev/v1alpha1\nkind: CandidateExport\nmetadata: {{name: bad}}\nspec: {{integrationRef: {{name: a}}, {spec}}}"
        )
    };
    let inline = "source: {inline: [{id: x}]}";
    let table = [
        (integration("environment: Sandbox"), "region and endpoint"),
        (
            integration("environment: Sandbox, region: EU, endpoint: 'https://a.example'"),
            "region and endpoint",
        ),
        (integration("environment: Production, endpoint: 'http://a.example'"), "spec.endpoint"),
        (integration("environment: Sandbox, endpoint: 'https://a.example/v2'"), "spec.endpoint"),
        (integration("environment: Sandbox, endpoint: 'https://u@a.example'"), "spec.endpoint"),
        (integration("environment: Staging, region: EU"), "spec.environment"),
        (integration("environment: Sandbox, region: EU, interval: 1s"), "spec.interval"),
        (
            integration("environment: Sandbox, region: EU, limits: {maxInFlight: 0}"),
            "spec.limits.maxInFlight",
        ),
        (mapping("{to: email}"), "spec.fields[0]"),
        (mapping("{to: email, from: a, expression: b}"), "spec.fields[0]"),
        (mapping("{to: email, value: {string: a, number: 1}}"), "spec.fields[0].value"),
        (export(&format!("{inline}, destination: {{}}")), "spec.destination"),
        (
            export(&format!("{inline}, destination: {{prospect: {{}}, job: {{id: x, stage: y}}}}")),
            "spec.destination",
        ),
        (
            export(&format!("{inline}, destination: {{job: {{id: x, reference: z, stage: y}}}}")),
            "spec.destination.job",
        ),
        (export("source: {}, destination: {prospect: {}}"), "spec.source"),
        (
            export(&format!("{inline}, destination: {{prospect: {{}}}}, failureBudget: lots")),
            "spec.failureBudget",
        ),
        (export(&format!("{inline}, destination: {{prospect: {{}}}}, mode: Maybe")), "spec.mode"),
    ];
    for (manifest, field) in table {
        let (accepted, error) = world.try_apply(&manifest);
        assert!(!accepted && error.contains(field), "{field}: {manifest}\n{error}");
    }
    world.apply(&integration("environment: Sandbox, region: EU"));
    let (accepted, error) = world.try_apply(&integration("environment: Production, region: EU"));
    assert!(!accepted && error.contains("immutable"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_field_once_and_says_why() {
    let Some(world) = World::prepare().await else { return };
    let bad = |name: &str| {
        let file = format!("tests/data/manifests/bad/{name}.yaml");
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
    };
    for (name, expected) in [
        ("rule-interval-and-schedule", "spec.schedule: Forbidden: cannot be set beside interval"),
        ("rule-file-with-resume", "spec.resume: Forbidden: does not apply to a file"),
        ("rule-format-of-inline", "spec.source.format: Forbidden: does not apply to inline"),
        ("rule-tags-without-activity", "spec.tags.activity: Required value: must be set when"),
        ("rule-report-into-the-file", "spec.report.to.url: Invalid value: must not be the URL"),
        ("rule-full-scan-interval-too-short", "spec.fullScanInterval: Invalid value: "),
        ("rule-endpoint-with-path", "spec.endpoint: Invalid value: "),
    ] {
        let (accepted, error) = world.try_apply(&bad(name));
        assert!(!accepted && error.contains(expected), "{name}: {error}");
        let field = expected.split(": ").next().unwrap();
        assert_eq!(error.matches(field).count(), 1, "{name}: {error}");
        let last = field.rsplit('.').next().unwrap();
        assert!(!error.contains(&format!(": {last} ")), "{name}: {error}");
    }
}

/// Null means nothing: no client that writes it leaves one behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_null_is_left_out_or_refused_and_never_stored() {
    let Some(world) = World::prepare().await else { return };
    let manifest = export("nulls", 1, PROSPECT);
    let with = |more: &str| format!("{}{more}\n", manifest.trim_end());
    let nulls = with("\n  limit: null\n  select: null\n  duplicatePolicy: null\n  suspend: null");
    let stored = || async {
        let spec = world.get("CandidateExport", "nulls").await["spec"].clone();
        assert_eq!(spec["suspend"], false, "the default: {spec}");
        for name in ["limit", "select", "duplicatePolicy"] {
            assert!(spec.get(name).is_none(), "{name}: {spec}");
        }
    };
    let (accepted, error) = world.try_apply_dry(&nulls);
    assert!(accepted, "create: {error}");
    world.apply_client_side(&nulls);
    stored().await;
    world.apply_client_side(&with("\n  limit: 3\n  select: 'true'\n  suspend: true"));
    world.apply_client_side(&nulls);
    stored().await;
    let patch = r#"{"spec": {"limit": null, "suspend": null}}"#;
    world.kubectl(&[
        "patch",
        "clexp",
        "nulls",
        "--type=merge",
        "-p",
        patch,
        "-n",
        &world.namespace,
    ]);
    stored().await;
    // Server-side apply fills in defaults, and refuses the others.
    let (accepted, error) = world.try_apply(&nulls);
    assert!(!accepted && error.contains("spec.select: Invalid value: \"null\""), "{error}");
    let (accepted, error) = world.try_apply(&with("\n  suspend: null"));
    assert!(accepted, "{error}");
    stored().await;
}
