//! The exit code of `apply` for each way in which objects can end up, as a real process.

use std::{
    path::Path,
    process::Output,
    time::{Duration, Instant},
};

use clinch_operator::sandbox::{Action, Fault, Options, Sandbox};

use crate::apply::{self, condition, object, shown};

/// REST goes into the spec of the export, MORE into that of the integration.
const MANIFESTS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: clinch}
stringData: {accessKey: K, secretKey: S}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {name: clinch}
spec:
  endpoint: ORIGIN
  environment: Sandbox
  credentials: {secretRef: {name: clinch}}
  pushPermission: {prospects: Allowed}
  MORE
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: people}
spec:
  integrationRef: {name: clinch}
  source: {inline: [{firstName: Ann, emails: [{value: ann@example.com}]}, PERSON]}
  destination: {prospect: {}}
  REST
";
const BOB: &str = "{firstName: Bob, emails: [{value: bob@example.com}]}";

struct World {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let options = Options::default().with_credential("hireEZ", "K", "S");
        Self {
            sandbox: Sandbox::start(options).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Applies the manifests with these changes; the state is kept.
    fn apply(&self, changes: &[(&str, &str)], arguments: &[&str]) -> Output {
        let mut text = MANIFESTS.to_owned();
        for (old, new) in changes {
            text = text.replace(old, new);
        }
        let origin = self.sandbox.base_url();
        for (rest, usual) in [("REST", ""), ("MORE", ""), ("PERSON", BOB), ("ORIGIN", &origin)] {
            text = text.replace(rest, usual);
        }
        let path = self.folder.path().join("manifests.yaml");
        std::fs::write(&path, text).unwrap();
        let state = self.folder.path().join("state");
        apply::apply(Path::new(&path), &state, &origin).args(arguments).output().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn suspension_alone_is_no_failure_and_the_table_shows_it() {
    let world = World::new().await;
    let first = world.apply(&[("REST", "suspend: true")], &[]);
    assert_eq!(first.status.code(), Some(0), "{}", shown(&first));
    assert!(world.sandbox.people("hireEZ").is_empty());
    assert!(shown(&first).contains("READY  REASON     SUSPENDED"), "{}", shown(&first));
    assert!(shown(&first).contains("False  Suspended  True "), "{}", shown(&first));

    let done = world.apply(&[], &[]);
    assert_eq!(done.status.code(), Some(0), "{}", shown(&done));
    // What is in place stays Ready, and is suspended all the same.
    let kept = world.apply(&[("REST", "suspend: true")], &[]);
    assert_eq!(kept.status.code(), Some(0), "{}", shown(&kept));
    assert!(shown(&kept).contains("True   Synced  True "), "{}", shown(&kept));

    let integration = world.apply(&[("MORE", "suspend: true"), (BOB, "")], &["-o", "json"]);
    assert_eq!(integration.status.code(), Some(0), "{}", shown(&integration));
    let other = world.apply(
        &[
            ("MORE", "suspend: true"),
            ("PERSON", "{firstName: Cem, emails: [{value: c@example.com}]}"),
        ],
        &["-o", "json"],
    );
    assert_eq!(other.status.code(), Some(0), "{}", shown(&other));
    let export = object(&other, "CandidateExport");
    assert_eq!(condition(&export, "Ready")["reason"], "IntegrationSuspended");
    assert_eq!(world.sandbox.people("hireEZ").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_outside_their_windows_end_apply_at_once() {
    let world = World::new().await;
    // Open for a minute every four years.
    let closed = [("REST", "windows: [{cron: '0 0 29 2 *', duration: 1m}]")];
    let waiting = world.apply(&closed, &["-o", "json"]);
    assert_eq!(waiting.status.code(), Some(5), "{}", shown(&waiting));
    let export = object(&waiting, "CandidateExport");
    assert_eq!(condition(&export, "Ready")["reason"], "OutsideWindow");
    assert!(world.sandbox.people("hireEZ").is_empty());
    let open = [("REST", "windows: [{cron: '0 0 * * *', duration: 24h}]")];
    let done = world.apply(&open, &[]);
    assert_eq!(done.status.code(), Some(0), "{}", shown(&done));
    // Nothing is due of people in a manifest who are delivered.
    let again = world.apply(&closed, &["-o", "json"]);
    let export = object(&again, "CandidateExport");
    assert_eq!((again.status.code(), &export["status"]["delivered"]), (Some(0), &"2/2".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_must_act_on_is_told_from_what_takes_time() {
    let world = World::new().await;
    let no_address = [("PERSON", "{firstName: Bob}")];
    let rejected = world.apply(&no_address, &["-o", "json"]);
    assert_eq!(rejected.status.code(), Some(1), "{}", shown(&rejected));
    let export = object(&rejected, "CandidateExport");
    assert_eq!(condition(&export, "Ready")["reason"], "RecordsRejected");
    let within = world.apply(&[no_address[0], ("REST", "failureBudget: 1")], &[]);
    assert_eq!(within.status.code(), Some(0), "{}", shown(&within));

    let missing =
        world.apply(&[("integrationRef: {name: clinch}", "integrationRef: {name: x}")], &[]);
    assert_eq!(missing.status.code(), Some(1), "{}", shown(&missing));

    world.sandbox.set_faults(vec![Fault::always(
        "listCandidates",
        Action::Status { code: 503, retry_after: None, html: false },
    )]);
    let started = Instant::now();
    let down = world.apply(&[], &["--timeout", "3"]);
    assert_eq!(down.status.code(), Some(3), "{}", shown(&down));
    assert!(started.elapsed() < Duration::from_mins(2), "{:?}", started.elapsed());
    assert!(shown(&down).contains("time ran out after 3 s (--timeout)"), "{}", shown(&down));
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_printed_as_yaml_that_can_be_applied_again() {
    let world = World::new().await;
    let output = world.apply(&[], &["-o", "yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    let yaml = String::from_utf8(output.stdout).unwrap();
    assert!(yaml.contains("\n---\n") && yaml.contains("  reason: Synced\n"), "{yaml}");
    std::fs::write(world.folder.path().join("again.yaml"), &yaml).unwrap();
    let again = apply::apply(
        &world.folder.path().join("again.yaml"),
        &world.folder.path().join("other-state"),
        &world.sandbox.base_url(),
    );
    let mut again = again;
    let again = again.args(["-o", "name", "--timeout", "20"]).output().unwrap();
    // The Secret is not printed.
    assert_eq!(again.status.code(), Some(1), "{}", shown(&again));
    let names =
        "candidateexport.clinch.hireez.dev/people\nclinchintegration.clinch.hireez.dev/clinch\n";
    assert_eq!(String::from_utf8(again.stdout.clone()).unwrap(), names, "{}", shown(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_level_shows_what_it_says_and_the_result_alone_is_on_standard_output() {
    let world = World::new().await;
    let quiet = world.apply(&[], &["-o", "json"]);
    assert_eq!(String::from_utf8_lossy(&quiet.stderr), "", "nothing is wrong");
    let person = "{firstName: Cem, emails: [{value: cem@example.com}]}";
    let applied = world.apply(&[("PERSON", person)], &["-o", "json", "--log", "info"]);
    let log = String::from_utf8_lossy(&applied.stderr).into_owned();
    assert!(log.contains("\"level\":\"INFO\"") && log.contains("Synced"), "{log}");
    let is_json = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    assert!(log.lines().all(is_json), "{log}");
    let pretty = ["-o", "json", "--log", "info", "--log-format", "pretty"];
    let applied = world.apply(&[], &pretty);
    let log = String::from_utf8_lossy(&applied.stderr).into_owned();
    assert!(log.contains(" INFO ") && log.contains("Synced"), "{log}");
    assert!(!log.contains('\u{1b}'), "no colour where there is no terminal: {log}");
    object(&applied, "CandidateExport");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changed_is_not_ready_while_its_integration_is_not() {
    let world = World::new().await;
    let apply = |name: &str, secret: &str| {
        let people = format!(
            "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: people}}\ndata:\n  people.json: \
             '[{{\"firstName\": \"{name}\", \"emails\": [{{\"value\": \"ann@example.com\"}}]}}]'\n"
        );
        let inline = "{inline: [{firstName: Ann, emails: [{value: ann@example.com}]}, PERSON]}";
        let changes = [
            (inline, "{configMapRef: {name: people}}"),
            ("REST", &people),
            ("secretKey: S", secret),
        ];
        let output = world.apply(&changes, &["-o", "json"]);
        let ready = condition(&object(&output, "CandidateExport"), "Ready");
        (output.status.code(), ready["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(apply("Ann", "secretKey: S"), (Some(0), "True".to_owned()));
    assert_eq!(apply("Ann", "secretKey: X"), (Some(1), "True".to_owned()), "it is as declared");
    assert_eq!(apply("Bea", "secretKey: X"), (Some(1), "False".to_owned()), "it is not");
    assert_eq!(apply("Bea", "secretKey: S"), (Some(0), "True".to_owned()));
    assert_eq!(world.sandbox.people("hireEZ")[0]["attributes"]["first_name"], "Bea");
}
