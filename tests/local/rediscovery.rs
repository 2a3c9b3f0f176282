//! Rediscovery: who of a list is in Clinch already, as the documentation says it is found out.

use std::{fs, path::Path, process::Output};

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::Value;

use crate::apply::{self, condition, object, shown};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/rediscovery");
const PAGE: &str = include_str!("../../docs/REDISCOVERY.md");

/// The example, and what it adds for an import.
const FOLDERS: [&str; 2] = ["", "import"];

/// An emulator with the people whom the page adds.
async fn seeded() -> Sandbox {
    let (_, rest) = PAGE.split_once("--credential ").unwrap();
    let credential: Vec<&str> = rest.split_whitespace().next().unwrap().split(':').collect();
    let options = Options::default().with_credential(credential[0], credential[1], credential[2]);
    let sandbox = Sandbox::start(options).await.unwrap();
    let added = PAGE.lines().filter_map(|line| line.strip_prefix("add '")?.strip_suffix('\''));
    for person in added {
        let person: Value = serde_json::from_str(person).unwrap();
        sandbox.add_person(credential[0], &person).unwrap();
    }
    sandbox
}

/// Applies the example against this emulator, with or without the import.
async fn apply_example(sandbox: &Sandbox, folder: &Path, folders: &[&str]) -> Output {
    let manifests = folder.join("manifests");
    let out = folder.join("out");
    fs::create_dir_all(&manifests).unwrap();
    fs::create_dir_all(&out).unwrap();
    for entry in
        folders.iter().flat_map(|name| fs::read_dir(Path::new(EXAMPLE).join(name)).unwrap())
    {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("http://127.0.0.1:18080", &sandbox.base_url());
        let text = text.replace("/tmp/from-clinch", &out.display().to_string());
        fs::write(manifests.join(path.file_name().unwrap()), text).unwrap();
    }
    let mut command = apply::apply(&manifests, &folder.join("state"), &sandbox.base_url());
    command.args(["-o", "json", "--timeout", "30", "--report"]).arg(folder.join("result.ndjson"));
    command.args(["--allowed-destinations", &format!("file://{}", out.display())]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    output
}

/// These members of each line of a report, as `jq` prints them.
fn lines(report: &Path, members: &[&str]) -> Vec<String> {
    let text = fs::read_to_string(report).unwrap();
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let member = |name: &&str| match &line[*name] {
            Value::Array(names) => {
                names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
            }
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        members.iter().map(member).collect::<Vec<_>>().join("\t").trim_end().to_owned()
    };
    text.lines().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_says_who_is_in_clinch_as_its_page_does() {
    let sandbox = seeded().await;
    let before = sandbox.people("hireEZ");
    assert_eq!(before.len(), 5);
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let output = apply_example(&sandbox, folder.path(), &FOLDERS[..1]).await;
        let export = object(&output, "CandidateExport");
        assert_eq!(condition(&export, "Ready")["reason"], "DryRunComplete", "{export}");
        let counts = export["status"]["rediscovery"].to_string();
        assert!(PAGE.contains(&counts), "the page shows {counts}");
        let shown = lines(&folder.path().join("result.ndjson"), &["position", "class", "reason"]);
        assert!(PAGE.contains(&shown.join("\n   ")), "the page shows {shown:#?}");
    }
    assert_eq!(sandbox.people("hireEZ"), before, "nothing is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_an_import_says_who_is_in_clinch_as_its_page_does() {
    let sandbox = seeded().await;
    let before = sandbox.people("hireEZ");
    let folder = tempfile::tempdir().unwrap();
    let output = apply_example(&sandbox, folder.path(), &FOLDERS).await;
    let import = object(&output, "CandidateImport");
    let ready = condition(&import, "Ready");
    assert_eq!(ready["reason"], "Imported", "{import}");
    let message = ready["message"].as_str().unwrap();
    let classes = "of the list 1 known, 1 changed, 1 new, 1 possible, 1 ambiguous, 1 unmatchable";
    assert!(message.ends_with(classes), "{message}");
    let counts = import["status"]["match"].to_string();
    assert!(PAGE.contains(&counts), "the page shows {counts}");
    let report = folder.path().join("out/match.ndjson");
    let mut shown = lines(&report, &["position", "class", "matchedBy", "changed"]);
    shown.sort();
    let (_, page) = PAGE.split_once("/tmp/from-clinch/match.ndjson | sort -V\n").unwrap();
    let page: Vec<&str> = page.lines().take(shown.len()).map(str::trim_end).collect();
    assert_eq!(page, shown);
    assert_eq!(sandbox.people("hireEZ"), before, "nothing is written there");
}
