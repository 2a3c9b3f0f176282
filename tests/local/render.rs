//! `render` as a real process, and what it shows against what a push sends.

use std::process::{Command, Output};

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::Value;

use crate::apply::{self, shown};

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
  pushPermission: {jobs: [{job: ENG-101, stages: [Sourced]}]}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: FieldMapping
metadata: {name: people}
spec:
  fields:
    - {to: email, from: 'emails[0].value'}
    - {to: first_name, from: firstName}
  resume: {attach: true}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: people}
spec:
  integrationRef: {name: clinch}
  fieldMappingRef: {name: people}
  source:
    inline:
      - {firstName: Zoe, emails: [{value: zoe.secretive@example.com}], resume: {bytes: JVBERi0xLjcgd29yZHM=}}
      - {firstName: Bob}
  destination: {job: {reference: ENG-101, stage: Sourced}}
";

struct Files {
    folder: tempfile::TempDir,
    origin: String,
}

impl Files {
    fn with(origin: &str, changes: &[(&str, &str)]) -> Self {
        let mut text = MANIFESTS.replace("ORIGIN", origin);
        for (old, new) in changes {
            assert!(text.contains(old), "{old}");
            text = text.replace(old, new);
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("all.yaml"), text).unwrap();
        Self { folder, origin: origin.to_owned() }
    }

    fn render(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
        command.args(["render", "-f", "all.yaml"]).args(arguments);
        command.current_dir(self.folder.path()).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.render(&[arguments, &["-o", "json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// Changes of the manifests, arguments, the exit code, and what is said.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], i32, &'a str);

const OFFLINE: &str = "http://127.0.0.1:1";

#[test]
fn requests_are_shown_in_both_forms_and_without_values() {
    let files = Files::with(OFFLINE, &[]);
    let text = files.render(&[]);
    assert_eq!(text.status.code(), Some(0), "{}", shown(&text));
    let text = shown(&text);
    for part in [
        "export/people (default): record 1, ",
        "GET   /v2/candidates?page=1&per_page=100&filter[email]=<redacted>",
        "POST  /v2/candidates  (if nobody is found)",
        "\"first_name\":\"<redacted>\"",
        "PATCH /v2/candidates/{candidate_id}  (if one is found",
        "(application)  (assumed operation)",
        ", 14 bytes",
        "record 2, ",
        "rejected: MatchKeyMissing",
    ] {
        assert!(text.contains(part), "no {part}:\n{text}");
    }
    assert!(!text.contains("Zoe") && !text.contains("secretive"), "{text}");
    assert!(!text.contains("JVBERi0xLjcgd29yZHM"), "the content of a file is not shown:\n{text}");
    let values = shown(&files.render(&["--show-values", "--record", "1"]));
    assert!(values.contains("zoe.secretive@example.com") && values.contains("Zoe"), "{values}");
    assert!(!values.contains("record 2"), "{values}");
    assert!(!values.contains("JVBERi0xLjcgd29yZHM"), "{values}");
}

#[test]
fn what_is_not_permitted_or_not_there_is_said() {
    let production =
        [("environment: Sandbox", "environment: Production"), (OFFLINE, "https://clinch.example")];
    let text = shown(&Files::with(OFFLINE, &production).render(&["--record", "1"]));
    assert!(text.contains("not sent: ContractUnsupported"), "{text}");
    let cases: [Case<'_>; 5] = [
        (
            &[("integrationRef: {name: clinch}", "integrationRef: {name: x}")],
            &[],
            2,
            "not rendered: its integration",
        ),
        (&[("from: 'emails[0].value'", "from: 'emails[0'")], &[], 2, "column 7"),
        (&[], &["--record", "3"], 2, "no export has so many records"),
        (&[], &["--record", "0"], 2, "--record"),
        (&[], &["--contract", "gone.json"], 2, "--contract gone.json"),
    ];
    for (changes, arguments, code, says) in cases {
        let output = Files::with(OFFLINE, changes).render(arguments);
        assert_eq!(output.status.code(), Some(code), "{}", shown(&output));
        assert!(shown(&output).contains(says), "{}", shown(&output));
    }
    let file = "file: {format: CSV, to: {url: 's3://b/people.csv'}}";
    let permitted = "pushPermission: {files: Allowed, jobs:";
    let files = Files::with(
        OFFLINE,
        &[
            ("job: {reference: ENG-101, stage: Sourced}", file),
            ("pushPermission: {jobs:", permitted),
            ("resume: {attach: true}", ""),
        ],
    );
    let output = files.render(&[]);
    assert!(shown(&output).contains("not rendered: it writes a file"), "{}", shown(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_sends_what_was_rendered() {
    let options = Options::default().with_credential("hireEZ", "K", "S");
    let sandbox = Sandbox::start(options).await.unwrap();
    let prospect = ("job: {reference: ENG-101, stage: Sourced}", "prospect: {}");
    let files = Files::with(&sandbox.base_url(), &[prospect, ("      - {firstName: Bob}\n", "")]);
    let rendered = files.json(&["--show-values"]);
    let requests = rendered[0]["records"][0]["requests"].as_array().unwrap().clone();
    let create = requests.iter().find(|one| one["operation"] == "createCandidate").unwrap();
    let state = files.folder.path().join("state");
    let applied = apply::apply(&files.folder.path().join("all.yaml"), &state, &files.origin);
    let applied = { applied }.output().unwrap();
    assert_eq!(applied.status.code(), Some(0), "{}", shown(&applied));
    let people = sandbox.people("hireEZ");
    let attributes = create["body"]["data"]["attributes"].as_object().unwrap();
    assert_eq!(attributes.len(), 2);
    for (name, value) in attributes {
        assert_eq!(&people[0]["attributes"][name], value, "{name}");
    }
}
