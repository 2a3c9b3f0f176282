//! Without a cluster, too, an export of another namespace waits for approval, and `apply` says so.

use std::{path::Path, process::Output};

use clinch_operator::sandbox::{Options, Sandbox};

use crate::apply::{self, condition, object};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/approval");

/// Writes the example with other texts in place of some of its own.
fn write(folder: &Path, changes: &[(&str, &str)]) {
    for file in std::fs::read_dir(EXAMPLE).unwrap() {
        let file = file.unwrap();
        let mut text = std::fs::read_to_string(file.path()).unwrap();
        for (old, new) in changes {
            text = text.replace(old, new);
        }
        std::fs::write(folder.join(file.file_name()), text).unwrap();
    }
}

fn apply(folder: &Path, state: &Path, origin: &str) -> Output {
    apply::apply(folder, state, origin).args(["-o", "json", "--timeout", "30"]).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_manifests_requests_approval_and_continues_when_it_is_given() {
    let options = Options::default().with_credential(
        "hireEZ",
        "DEMO-SANDBOX-KEY",
        "demo-sandbox-secret-not-a-real-one",
    );
    let sandbox = Sandbox::start(options).await.unwrap();
    let origin = sandbox.base_url();
    let endpoint = ("http://127.0.0.1:18080", origin.as_str());
    let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());

    write(folder.path(), &[endpoint, ("approved: [sourcing]", "approved: []")]);
    let waiting = apply(folder.path(), state.path(), &origin);
    assert_eq!(waiting.status.code(), Some(5));
    let export = object(&waiting, "CandidateExport");
    assert_eq!(condition(&export, "Ready")["reason"], "AwaitingApproval");
    let integration = object(&waiting, "ClinchIntegration");
    assert_eq!(integration["status"]["accessRequests"][0]["namespace"], "sourcing");
    assert!(sandbox.people("hireEZ").is_empty());

    write(folder.path(), &[endpoint, ("mode: Approval", "mode: SameNamespace")]);
    let closed = apply(folder.path(), state.path(), &origin);
    assert_eq!(closed.status.code(), Some(1));
    assert_eq!(
        condition(&object(&closed, "CandidateExport"), "Ready")["reason"],
        "DependencyNotFound"
    );
    assert!(object(&closed, "ClinchIntegration")["status"]["accessRequests"].is_null());

    write(folder.path(), &[endpoint]);
    let done = apply(folder.path(), state.path(), &origin);
    assert_eq!(done.status.code(), Some(0));
    assert_eq!(object(&done, "CandidateExport")["status"]["delivered"], "2/2");
    assert_eq!(sandbox.people("hireEZ").len(), 2);
}
