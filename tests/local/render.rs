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
        (&[], &["--record", "3"], 2, "no export has such a record"),
        (&[], &["--record", "0"], 2, "--record"),
        (&[], &["--contract", "gone.json"], 2, "--contract gone.json"),
    ];
    for (changes, arguments, code, says) in cases {
        let output = Files::with(OFFLINE, changes).render(arguments);
        assert_eq!(output.status.code(), Some(code), "{}", shown(&output));
        assert!(shown(&output).contains(says), "{}", shown(&output));
    }
}

/// Changes that make the export write a file in this format.
fn file(format: &str) -> Files {
    let file = format!("file: {{format: {format}, to: {{url: 's3://b/people.x'}}}}");
    let resume = if format == "PDF" { "resume: {from: RenderedProfile}" } else { "" };
    Files::with(
        OFFLINE,
        &[
            ("job: {reference: ENG-101, stage: Sourced}", &file),
            ("pushPermission: {jobs:", "pushPermission: {files: Allowed, jobs:"),
            ("resume: {attach: true}", resume),
        ],
    )
}

#[test]
fn lines_of_files_are_shown_without_values_and_written_only_where_values_may_be_seen() {
    for (format, header, masked, line) in [
        ("CSV", "email,first_name", "<redacted>,<redacted>", "zoe.secretive@example.com,Zoe"),
        (
            "NDJSON",
            "",
            r#"{"email":"<redacted>","first_name":"<redacted>"}"#,
            r#"{"email":"zoe.secretive@example.com","first_name":"Zoe"}"#,
        ),
    ] {
        let files = file(format);
        let output = files.render(&[]);
        let text = shown(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains(header) && text.contains(&format!("  {masked}\n")), "{text}");
        assert!(text.contains("record 2, ") && text.contains("MatchKeyMissing"), "{text}");
        assert!(!text.contains("Zoe") && !text.contains("secretive"), "{text}");
        assert!(text.contains("who must not leave") && !text.contains("the create"), "{text}");
        let values = shown(&files.render(&["--show-values"]));
        assert!(values.contains(&format!("  {line}\n")), "{values}");
        let refused = files.render(&["--out", "files"]);
        assert_eq!(refused.status.code(), Some(2), "{}", shown(&refused));
        let json = files.json(&["--show-values", "--record", "1", "--out", "files"]);
        assert_eq!(json[0]["records"][0]["line"], line);
        let path = files.folder.path().join(json[0]["file"]["paths"][0].as_str().unwrap());
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(written.contains(line), "{written}");
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[cfg(feature = "pdf")]
#[test]
fn a_document_is_written_into_a_folder() {
    let files = file("PDF");
    let text = shown(&files.render(&[]));
    assert!(text.contains("a document has no lines") && text.contains("record 1, "), "{text}");
    let output = files.render(&["--show-values", "--out", "files"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    let written = std::fs::read(files.folder.path().join("files/default-people.pdf")).unwrap();
    assert!(written.starts_with(b"%PDF-"));
    let path = files.folder.path().join("all.yaml");
    let one = "format: PDF, to: {url: 's3://b/people.x'}";
    let each = "format: PDF, pdf: {layout: PerCandidate}, to: {url: 's3://b/{record}.pdf'}";
    let text = std::fs::read_to_string(&path).unwrap().replace(one, each);
    std::fs::write(&path, text).unwrap();
    let output = files.render(&["--show-values", "--out", "each"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    let each = std::fs::read(files.folder.path().join("each/default-people-1.pdf")).unwrap();
    assert!(each.starts_with(b"%PDF-"));
    std::fs::write(files.folder.path().join("taken"), "").unwrap();
    let failed = files.render(&["--show-values", "--out", "taken"]);
    assert_eq!(failed.status.code(), Some(4), "{}", shown(&failed));
    assert!(shown(&failed).contains("--out: cannot create the folder taken"), "{}", shown(&failed));
}

#[test]
fn a_remote_source_is_not_read_and_a_record_is_found_by_its_position() {
    let files = Files::with(OFFLINE, &[]);
    let json = files.json(&["--record", "2"]);
    let position = json[0]["records"][0]["position"].as_str().unwrap().to_owned();
    let by_position = files.json(&["--record", &position]);
    assert_eq!(by_position, json);
    let source = "    inline:\n      - {firstName: Zoe, emails: [{value: zoe.secretive@example.com}], \
                  resume: {bytes: JVBERi0xLjcgd29yZHM=}}\n      - {firstName: Bob}\n";
    let remote = "    objectStore: {url: 's3://b/people.csv'}\n";
    let output = Files::with(OFFLINE, &[(source, remote)]).render(&[]);
    assert!(shown(&output).contains("its source is remote"), "{}", shown(&output));
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
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
