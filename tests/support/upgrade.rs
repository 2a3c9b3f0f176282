//! The fixtures of tests/data/upgrade and tests/data/upgrade-imports: what earlier operators left behind.

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
/// The credentials of the object store.
pub const STORE_KEYS: (&str, &str) = ("AKTEST", "bucket-secret");
/// The bucket that an import writes to.
pub const BUCKET: &str = "people";

/// What an earlier operator left behind.
#[derive(Clone, Copy)]
pub struct Earlier {
    folder: &'static str,
    /// People in the emulator.
    pub people: usize,
    /// People of the export `database` who must not be written.
    pub suppressed: i64,
    /// Whether there is an import, which writes to an object store.
    pub imports: bool,
}

/// Exports, and the list of anonymised people.
pub const EXPORTS: Earlier =
    Earlier { folder: "upgrade", people: 5, suppressed: 1, imports: false };
/// The same with an import and the admin's list. Somebody who is in no export is in Clinch, too.
pub const IMPORTS: Earlier =
    Earlier { folder: "upgrade-imports", people: 6, suppressed: 2, imports: true };

impl Earlier {
    /// A file or folder of the fixtures.
    pub fn fixture(self, part: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(self.folder).join(part)
    }

    /// What was applied, for an emulator and an object store.
    pub fn manifests(self, origin: &str, store: &str, title: &str) -> String {
        let text = fs::read_to_string(self.fixture("manifests.yaml")).expect("a fixture");
        text.replace("ORIGIN", origin).replace("STORE", store).replace("TITLE", title)
    }

    /// Nobody was created, changed or given anything again.
    pub fn assert_nothing_written(self, sandbox: &Sandbox) {
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
        assert_eq!(sandbox.people(ACCOUNT).len(), self.people);
    }
}

/// An emulator with the data of a file, which it writes when it is stopped.
pub async fn sandbox(data: PathBuf) -> Sandbox {
    let contract = serde_json::from_value(json!({"duplicateEmail": "allow"})).expect("a contract");
    let options = Options::default().with_credential(ACCOUNT, "KEY-1", "secret-1");
    Sandbox::start(Options { contract, data: Some(data), ..options }).await.expect("it starts")
}

/// Somebody of this name is in Clinch, by another way than an export.
pub fn add_person(sandbox: &Sandbox, name: &str) {
    let person = json!({"email": format!("{name}@example.com"), "first_name": name});
    sandbox.add_person(ACCOUNT, &person).expect("a person");
}

/// The files below a folder, by their path, without those of the store's own.
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    fn walk(at: &Path, root: &Path, found: &mut Vec<(String, Vec<u8>)>) {
        for entry in fs::read_dir(at).expect("a folder").map(|entry| entry.expect("an entry")) {
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let path = entry.path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let name = path.strip_prefix(root).expect("below it").display().to_string();
                found.push((name, fs::read(&path).expect("a file")));
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// Copies a folder in place of another one.
pub fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("removed");
    }
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}
