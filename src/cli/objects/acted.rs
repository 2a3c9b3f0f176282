//! What commands that act on objects print of them: a line of each when it is done, or all at the end.

use std::cell::RefCell;

use serde::Serialize;
use serde_json::Value as Json;

use super::{
    super::print_line,
    found::Found,
    output::{self, Output},
    tree::Node,
};
use crate::app;

/// The result of a command on several objects.
pub(super) struct Acted {
    output: Output,
    /// Whether the result of the last verification is a part of it.
    with_drift: bool,
    objects: RefCell<Vec<Found>>,
}

/// An object of the result. Its members are API: those of `status -o json`, and of `verify` also `drift`.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    node: Node,
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<Json>,
}

impl Acted {
    /// Nothing is done yet.
    pub(super) const fn new(output: Output, with_drift: bool) -> Self {
        Self { output, with_drift, objects: RefCell::new(Vec::new()) }
    }

    /// What was done with an object is known: people are shown the line at once.
    pub(super) fn say(&self, found: &Found, line: &str) -> anyhow::Result<()> {
        if self.output == Output::Text {
            return print_line(line);
        }
        self.objects.borrow_mut().push(found.clone());
        Ok(())
    }

    /// Nothing more will be done: programs are given all objects.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        if self.output == Output::Text {
            return Ok(());
        }
        let objects = self.objects.borrow();
        let names = || objects.iter().map(output::full_name).collect();
        output::print_as(self.output, &rows(&objects, self.with_drift), names, String::new)
    }
}

fn rows(objects: &[Found], with_drift: bool) -> Vec<Row> {
    let now = app::system_clock().now();
    let drift = |found: &Found| found.json.pointer("/status/drift").filter(|_| with_drift).cloned();
    let row = |found: &Found| Row { node: Node::of(found, now), drift: drift(found) };
    objects.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::Kind;

    #[test]
    fn a_verified_export_has_the_members_of_status_and_the_numbers() {
        let export = json!({
            "metadata": {"name": "engineers", "namespace": "talent", "generation": 1},
            "status": {
                "observedGeneration": 1,
                "drift": {"people": 3, "missing": 1},
                "conditions": [{
                    "type": "Ready", "status": "True", "reason": "Synced", "message": "",
                    "lastTransitionTime": "2026-11-26T10:00:00Z",
                }],
            },
        });
        let objects = [Found::new(Kind::Export, export).unwrap()];
        let of = |with_drift| serde_json::to_value(rows(&objects, with_drift)).unwrap();
        let verified = &of(true)[0];
        assert_eq!(verified["drift"], json!({"people": 3, "missing": 1}));
        let has = |member: &str, value: &str| verified[member] == value;
        assert!(has("kind", "export") && has("namespace", "talent") && has("name", "engineers"));
        assert!(has("state", "Ready") && has("reason", "Synced"), "{verified}");
        assert_eq!(of(false)[0].get("drift"), None);
    }
}
