//! `apply` as a process, and what it prints.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// The command line that every test here shares; `manifests` is a file or a folder.
pub fn apply(manifests: &Path, state: &Path, origin: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
    command
        .args(["apply", "--environment", "sandbox", "--allowed-endpoints", origin, "-f"])
        .arg(manifests)
        .arg("--state")
        .arg(state)
        .stdin(Stdio::null());
    command
}

/// Everything that it printed.
pub fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

/// The object of a kind among those that `-o json` prints.
pub fn object(output: &Output, kind: &str) -> Value {
    let objects: Vec<Value> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", shown(output)));
    objects.into_iter().find(|object| object["kind"] == kind).unwrap()
}

/// A condition of an object.
pub fn condition(object: &Value, expected: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|condition| condition["type"] == expected);
    found.unwrap_or_else(|| panic!("{expected}: {object}")).clone()
}
