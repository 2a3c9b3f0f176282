//! What is emitted of a person, as a line of JSON. Pure.

use serde_json::{Map, Value, json};

use crate::{
    domain::{ClinchId, Reason},
    ledger::Revision,
};

/// The member of a record that says whose it is. A profile has none of this name.
pub(super) const RESERVED: &str = "clinch";

/// Why a person is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gone {
    Deleted,
    Merged(ClinchId),
    Anonymised,
    /// They are on the admin's list of people who must never be written.
    Suppressed,
}

/// A person as they are.
pub(super) struct Upsert<'a> {
    pub(super) import: &'a str,
    pub(super) id: &'a ClinchId,
    pub(super) revision: Revision,
    /// When they were changed, as Clinch says it.
    pub(super) updated_at: Option<&'a str>,
    pub(super) profile: &'a Map<String, Value>,
}

impl Upsert<'_> {
    /// Appends the line.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut meta = json!({
            "op": "upsert",
            "id": self.id.as_str(),
            "revision": self.revision.to_string(),
            "import": self.import,
        });
        if let Some(at) = self.updated_at {
            meta["updatedAt"] = at.into();
        }
        begin(&meta, out);
        for (name, value) in self.profile.iter().filter(|(name, _)| *name != RESERVED) {
            out.push(b',');
            append(&Value::from(name.as_str()), out);
            out.push(b':');
            append(value, out);
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Appends the line of a person who is gone. It holds nothing of their profile.
pub(super) fn write_gone(import: &str, id: &ClinchId, gone: &Gone, out: &mut Vec<u8>) {
    let mut meta = json!({
        "op": "tombstone",
        "id": id.as_str(),
        "reason": match gone {
            Gone::Deleted => "Deleted",
            Gone::Merged(_) => "Merged",
            Gone::Anonymised => Reason::Anonymised.as_str(),
            Gone::Suppressed => Reason::Suppressed.as_str(),
        },
        "import": import,
    });
    if let Gone::Merged(into) = gone {
        meta["mergedInto"] = into.as_str().into();
    }
    begin(&meta, out);
    out.extend_from_slice(b"}\n");
}

fn begin(meta: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(RESERVED.as_bytes());
    out.extend_from_slice(b"\":");
    append(meta, out);
}

fn append(value: &Value, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, value).expect("a value serialises into memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_whose_it_is_and_a_tombstone_says_nothing_else() {
        let id = ClinchId::parse("c1").unwrap();
        let profile = json!({"firstName": "J\n\"", "clinch": 7}).as_object().unwrap().clone();
        let mut out = Vec::new();
        let revision = Revision([1; 16]);
        let updated_at = Some("2026-11-25T22:07:51Z");
        let person = Upsert { import: "a/b", id: &id, revision, updated_at, profile: &profile };
        person.write(&mut out);
        write_gone("a/b", &id, &Gone::Merged(ClinchId::parse("c2").unwrap()), &mut out);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["clinch"]["op"], "upsert");
        assert_eq!(lines[0]["clinch"]["revision"], "01".repeat(16));
        assert_eq!(lines[0]["firstName"], "J\n\"");
        let gone = json!({"clinch": {"op": "tombstone", "id": "c1", "reason": "Merged",
                                     "mergedInto": "c2", "import": "a/b"}});
        assert_eq!(lines[1], gone);
        assert_eq!(lines.len(), 2);
    }
}
