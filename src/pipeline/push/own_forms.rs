//! Values that Clinch stores in a form of its own, as corrections have seen: who was written, what was
//! sent, and what was there afterwards. They are not written again by this process. Keeps 8 bytes of
//! each person. No I/O.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, Hash, Hasher as _, RandomState},
    sync::{Mutex, PoisonError},
};

use serde_json::{Map, Value};

use crate::ledger::KeyHash;

/// How many people are remembered; beyond that the memory starts again empty.
const REMEMBERED: usize = 100_000;

/// The forms that the runs of one account have seen.
#[derive(Debug, Default)]
pub(super) struct OwnForms {
    hasher: RandomState,
    seen: Mutex<HashSet<u64>>,
}

impl OwnForms {
    /// Notes that these attributes were sent, and that others were there afterwards.
    pub(super) fn note(
        &self,
        person: &KeyHash,
        sent: &Map<String, Value>,
        present: &Map<String, Value>,
    ) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(self.digest(person, sent, present));
    }

    /// Whether the attributes differ only as they did right after they were sent.
    pub(super) fn includes(
        &self,
        person: &KeyHash,
        sent: &Map<String, Value>,
        present: &Map<String, Value>,
    ) -> bool {
        let digest = self.digest(person, sent, present);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).contains(&digest)
    }

    fn digest(
        &self,
        person: &KeyHash,
        sent: &Map<String, Value>,
        present: &Map<String, Value>,
    ) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        person.hash(&mut hasher);
        for (name, value) in sent {
            (name, value, present.get(name).unwrap_or(&Value::Null)).hash(&mut hasher);
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_is_known_for_this_person_and_these_values_only() {
        let forms = OwnForms::default();
        let values = |phone: &str| json!({"phone": phone}).as_object().cloned().unwrap();
        let (ann, bob) = (KeyHash([1; 16]), KeyHash([2; 16]));
        let (sent, stored) = (values("+1 555"), values("1555"));
        assert!(!forms.includes(&ann, &sent, &stored));
        forms.note(&ann, &sent, &stored);
        assert!(forms.includes(&ann, &sent, &stored));
        assert!(!forms.includes(&ann, &sent, &values("1556")), "somebody edited it");
        assert!(!forms.includes(&ann, &values("+1 556"), &stored));
        assert!(!forms.includes(&bob, &sent, &stored));
    }
}
