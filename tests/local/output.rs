//! What `apply` prints for people and for machines, as a real process.

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
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: an-export-with-a-long-name}
spec:
  integrationRef: {name: clinch}
  source:
    inline:
      - {firstName: Ann, emails: [{value: ann@example.com}]}
      - {firstName: Bob}
      - {firstName: Cem, emails: [{value: nobody}]}
  destination: {prospect: {}}
  failureBudget: 5
";

struct World {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let options = Options::default().with_credential("hireEZ", "K", "S");
        let sandbox = Sandbox::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = MANIFESTS.replace("ORIGIN", &sandbox.base_url());
        std::fs::write(folder.path().join("all.yaml"), text).unwrap();
        Self { sandbox, folder }
    }

    fn command(&self) -> Command {
        let state = self.folder.path().join("state");
        apply::apply(&self.folder.path().join("all.yaml"), &state, &self.sandbox.base_url())
    }

    fn apply(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Each line as JSON.
fn lines(output: &Output) -> Vec<Value> {
    let read = |line: &str| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {}", shown(output)))
    };
    text(&output.stderr).lines().map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_for_people_fits_80_columns_and_ends_with_what_was_done() {
    let world = World::new().await;
    let first = world.apply(&[]);
    assert_eq!(first.status.code(), Some(0), "{}", shown(&first));
    let table = text(&first.stdout);
    let row = table.lines().find(|line| line.starts_with("export/an-export-with-a-long-name "));
    assert!(row.is_some_and(|row| row.contains("SyncedWithRejections")), "{table}");
    let head: Vec<&str> = table.lines().take_while(|line| !line.is_empty()).collect();
    assert!(head.iter().all(|line| line.chars().count() <= 80), "{table}");
    assert!(!table.contains('\u{1b}'), "no colour where there is no terminal");
    let summary = text(&first.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(summary.starts_with("export/an-export-with-a-long-name: 3 in "), "{summary}");
    let end = "1 created, 2 rejected: 1 InvalidValue, 1 MatchKeyMissing";
    assert!(summary.ends_with(end), "{summary}");
    // Nothing was done.
    let again = world.apply(&[]);
    assert_eq!(text(&again.stderr), "", "{}", shown(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_json_every_message_is_json_with_the_exit_code_last() {
    let world = World::new().await;
    let done = world.apply(&["-o", "json"]);
    assert!(done.stderr.is_empty(), "{}", shown(&done));
    let path = world.folder.path().join("all.yaml");
    let manifests = std::fs::read_to_string(&path).unwrap();
    let late = world.apply(&["-o", "json", "--timeout", "0"]);
    assert_eq!(lines(&late).last().unwrap()["exitCode"], 3, "{}", shown(&late));
    std::fs::write(&path, manifests.replace("failureBudget: 5", "failureBudgets: 5")).unwrap();
    let refused = world.apply(&["-o", "json"]);
    let found = lines(&refused);
    assert_eq!(found.len(), 2, "{}", shown(&refused));
    assert_eq!(found[0]["path"], "spec.failureBudgets");
    assert_eq!(found[0]["rule"], "schema/unknown-field");
    assert!(found[0]["line"].as_u64().is_some_and(|line| line > 20), "{}", found[0]);
    assert_eq!(found[1]["exitCode"], 2);
    assert!(refused.stdout.is_empty(), "{}", shown(&refused));

    for (arguments, code, says) in [
        (&["--allowed-sources", "ftp://x"][..], 2, "--allowed-sources"),
        (&["--report", "/dev/null"], 4, "cannot write the report /dev/null"),
    ] {
        std::fs::write(&path, &manifests).unwrap();
        let failed = world.apply(&[arguments, &["-o", "json"]].concat());
        assert_eq!(failed.status.code(), Some(code), "{}", shown(&failed));
        let last = lines(&failed).pop().unwrap();
        assert_eq!((&last["exitCode"], &last["severity"]), (&code.into(), &"error".into()));
        assert!(last["message"].as_str().unwrap().contains(says), "{last}");
    }
}

/// Runs it on a terminal of 80 columns; `None` where there is none to be had.
fn on_a_terminal(command: &Command, settings: &str) -> Option<String> {
    let quoted = |word: &std::ffi::OsStr| format!("'{}'", word.to_str().unwrap());
    let words: Vec<String> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
    let line = format!("stty cols 80 rows 40; {settings} {}", words.join(" "));
    let script = Command::new("script").args(["-qec", &line, "/dev/null"]).output().ok()?;
    let seen = text(&script.stdout);
    // Not that of util-linux.
    script.status.success().then_some(seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_has_colours_unless_they_are_refused_and_no_line_is_too_wide() {
    let world = World::new().await;
    let Some(seen) = on_a_terminal(&world.command(), "TERM=xterm") else { return };
    assert!(seen.contains("\u{1b}[32mTrue\u{1b}[0m"), "{seen:?}");
    let plain = on_a_terminal(&world.command(), "TERM=xterm NO_COLOR=1").unwrap();
    let result = plain.split("NAME").skip(1).collect::<String>();
    assert!(!result.contains("\u{1b}[3"), "{plain:?}");
    for line in result.lines() {
        assert!(line.trim_end().chars().count() <= 80, "{line:?}");
    }
    assert!(result.contains("export/an-export-with-a-long-name"), "{plain:?}");
}
