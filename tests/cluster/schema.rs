//! The schema on a real API server: defaults, columns, and what it refuses.

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
