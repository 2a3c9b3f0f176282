//! The fixtures of tests/data/upgrade: what an earlier operator left behind.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::json;

/// The account in the emulator.
pub const ACCOUNT: &str = "hireEZ";
/// Who was anonymised in Clinch between the two pushes.
pub const ANONYMISED: &str = "cat@example.com";
/// Everybody's title in the first push.
pub const FIRST: &str = "Engineer";
/// Everybody's title in the last push.
pub const LAST: &str = "Director";
/// People in the emulator.
pub const PEOPLE: usize = 5;

/// A file or folder of the fixtures.
pub fn fixture(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/upgrade").join(part)
}

/// What was applied, for an emulator.
pub fn manifests(origin: &str, title: &str) -> String {
    let text = fs::read_to_string(fixture("manifests.yaml")).expect("a fixture");
    text.replace("ORIGIN", origin).replace("TITLE", title)
}

/// An emulator with the data of a file, which it writes when it is stopped.
pub async fn sandbox(data: PathBuf) -> Sandbox {
    let contract = serde_json::from_value(json!({"duplicateEmail": "allow"})).expect("a contract");
    let options = Options::default().with_credential(ACCOUNT, "KEY-1", "secret-1");
    Sandbox::start(Options { contract, data: Some(data), ..options }).await.expect("it starts")
}

/// Nobody was created, changed or given anything again.
pub fn assert_nothing_written(sandbox: &Sandbox) {
    let requests = sandbox.requests();
    for write in [
        "createCandidate",
        "updateCandidate",
        "createApplication",
        "createAttachment",
        "createActivity",
    ] {
        assert_eq!(requests.of(write), 0, "{write}");
    }
    assert_eq!(sandbox.people(ACCOUNT).len(), PEOPLE);
}
