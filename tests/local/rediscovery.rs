//! Rediscovery: who of a list is in Clinch already, as the documentation says it is found out.

use std::{fs, path::Path};

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::apply::{self, condition, object, shown};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/rediscovery");
const PAGE: &str = include_str!("../../docs/REDISCOVERY.md");

/// Runs the example against this emulator; the export, and the class and reason of each position.
async fn compare(sandbox: &Sandbox, folder: &Path) -> (Value, Vec<[String; 3]>) {
    let manifests = folder.join("manifests");
    fs::create_dir_all(&manifests).unwrap();
    for entry in fs::read_dir(EXAMPLE).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("http://127.0.0.1:18080", &sandbox.base_url());
        fs::write(manifests.join(path.file_name().unwrap()), text).unwrap();
    }
    let result = folder.join("result.ndjson");
    let mut command = apply::apply(&manifests, &folder.join("state"), &sandbox.base_url());
    command.args(["-o", "json", "--timeout", "30", "--report"]).arg(&result);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        ["position", "class", "reason"]
            .map(|name| line[name].as_str().unwrap_or_default().to_owned())
    };
    let lines = fs::read_to_string(&result).unwrap().lines().map(line).collect();
    (object(&output, "CandidateExport"), lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_says_who_is_in_clinch_as_its_page_does() {
    let credentials = ("DEMO-SANDBOX-KEY", "demo-sandbox-secret-not-a-real-one");
    let options = Options::default().with_credential("hireEZ", credentials.0, credentials.1);
    let sandbox = Sandbox::start(options).await.unwrap();
    let person = |first: &str, last: &str, email: &str| {
        let attributes = json!({"email": email, "first_name": first, "last_name": last});
        sandbox.add_person("hireEZ", &attributes).unwrap();
    };
    person("Ada", "Okafor", "ada.okafor@example.com");
    person("Benjamin", "Carter", "ben.carter@example.com");
    person("Dan", "Moss", "dan.moss@example.com");
    person("Daniel", "Moss", "dan.moss@example.com");
    let other = json!({"email": "finn.berg@example.com", "first_name": "Finn",
        "linkedin_url": "http://linkedin.com/in/Finn-Berg-Example/"});
    sandbox.add_person("hireEZ", &other).unwrap();
    let before = sandbox.people("hireEZ");
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let (export, lines) = compare(&sandbox, folder.path()).await;
        assert_eq!(condition(&export, "Ready")["reason"], "DryRunComplete", "{export}");
        let counts = export["status"]["rediscovery"].to_string();
        assert!(PAGE.contains(&counts), "the page shows {counts}");
        let shown: Vec<String> =
            lines.iter().map(|line| line.join("\t").trim_end().to_owned()).collect();
        assert!(PAGE.contains(&shown.join("\n   ")), "the page shows {shown:#?}");
    }
    assert_eq!(sandbox.people("hireEZ"), before, "nothing is written");
}
