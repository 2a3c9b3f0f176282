//! What no read can say: the effects of writes. Pure.

use super::{
    finding::Verdict,
    inspector::{Inspector, path_of},
};
use crate::clinch::contract::{Effect, Op};

/// Assumptions about what writes do, and what settles each.
const EFFECTS: [(&str, &str, &str); 4] = [
    (
        "a second create with an address",
        "may give a second person",
        "nothing depends on it; a push never creates somebody whose absence is not proved",
    ),
    (
        "lookupSettle",
        "0s: a person is found as soon as they are created",
        "push one person into a sandbox account: a run that does not find them again says so",
    ),
    (
        "source of new people",
        "the name of the credential",
        "known after the first create: `SourceMatched` of the integration",
    ),
    ("rate limit", "unknown", "learned from the answers of every run; nothing has to be set"),
];

impl Inspector<'_> {
    /// Notes what only writes can settle.
    pub(super) fn writes(&mut self) {
        let writes: Vec<Op> =
            Op::ALL.into_iter().filter(|op| op.effect() != Effect::Read).collect();
        for op in writes {
            if !self.offers(op) {
                continue;
            }
            let operation = self.contract.operation(op);
            let (path, state) = (operation.path.clone(), operation.state.as_str());
            let seen = "a write: settle it by pushing one invented person into a sandbox account";
            self.note(path_of(op), path, state, Verdict::Unknown, seen);
        }
        for (topic, assumed, seen) in EFFECTS {
            self.note(topic, assumed, "Assumed", Verdict::Unknown, seen);
        }
    }
}
