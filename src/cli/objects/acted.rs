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
    part: Option<Part>,
    objects: RefCell<Vec<Done>>,
}

/// What of a status a result has beside the members of `status -o json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The result of the last verification.
    Drift,
    /// The list of the people whom an export wrote.
    Written,
}

/// An object with which something was done, and the part of the result that is not its state.
struct Done {
    object: Found,
    part: Option<Json>,
}

/// An object of the result. Its members are API: those of `status -o json`, of `verify` also `drift`, and
/// of `written` also `written`.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    node: Node,
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<Json>,
}

impl Acted {
    /// Nothing is done yet.
    pub(super) const fn new(output: Output, part: Option<Part>) -> Self {
        Self { output, part, objects: RefCell::new(Vec::new()) }
    }

    /// What was done with an object is known: people are shown the line at once.
    pub(super) fn say(&self, found: &Found, line: &str) -> anyhow::Result<()> {
        let part = self.part.and_then(|part| found.json.pointer(part.place()).cloned());
        self.say_with(found, line, part)
    }

    /// The same of a result that is not in the status.
    pub(super) fn say_with(
        &self,
        found: &Found,
        line: &str,
        part: Option<Json>,
    ) -> anyhow::Result<()> {
        if self.output == Output::Text {
            return print_line(line);
        }
        self.objects.borrow_mut().push(Done { object: found.clone(), part });
        Ok(())
    }

    /// Nothing more will be done: programs are given all objects.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        if self.output == Output::Text {
            return Ok(());
        }
        let objects = self.objects.borrow();
        let names = || objects.iter().map(|done| output::full_name(&done.object)).collect();
        output::print_as(self.output, &rows(&objects, self.part), names, String::new)
    }
}

impl Part {
    /// Where in an object it is.
    const fn place(self) -> &'static str {
        match self {
            Self::Drift => "/status/drift",
            Self::Written => "/status/written",
        }
    }
}

fn rows(objects: &[Done], part: Option<Part>) -> Vec<Row> {
    let now = app::system_clock().now();
    let row = |done: &Done| {
        let of = |wanted| done.part.clone().filter(|_| part == Some(wanted));
        let (drift, written) = (of(Part::Drift), of(Part::Written));
        Row { node: Node::of(&done.object, now), drift, written }
    };
    objects.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::Kind;

    #[test]
    fn an_export_has_the_members_of_status_and_what_was_asked_for() {
        let export = json!({
            "metadata": {"name": "engineers", "namespace": "talent", "generation": 1},
            "status": {
                "observedGeneration": 1,
                "drift": {"people": 3, "missing": 1},
                "written": {"created": 3},
                "conditions": [{
                    "type": "Ready", "status": "True", "reason": "Synced", "message": "",
                    "lastTransitionTime": "2026-11-26T10:00:00Z",
                }],
            },
        });
        let export = Found::new(Kind::Export, export).unwrap();
        let of = |part| {
            let acted = Acted::new(Output::Json, part);
            acted.say(&export, "").unwrap();
            serde_json::to_value(rows(&acted.objects.borrow(), part)).unwrap()
        };
        let verified = &of(Some(Part::Drift))[0];
        assert_eq!(verified["drift"], json!({"people": 3, "missing": 1}));
        assert_eq!(verified.get("written"), None);
        assert_eq!(of(Some(Part::Written))[0]["written"], json!({"created": 3}));
        let has = |member: &str, value: &str| verified[member] == value;
        assert!(has("kind", "export") && has("namespace", "talent") && has("name", "engineers"));
        assert!(has("state", "Ready") && has("reason", "Synced"), "{verified}");
        assert_eq!(of(None)[0].get("drift"), None);
    }
}
