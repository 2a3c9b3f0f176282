//! A record that is mapped and ready to be pushed, and its comparison with the ledger. Pure.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::{
    profiles::ProfileHash,
    record_log::SourceId,
    rendered::Resume,
    report::{Progress, Rejection},
    weight::weight,
};
use crate::{
    clinch::Spent,
    domain::{Cause, ClinchId, MatchKey, SourcePosition},
    ledger::{Effect, Entry, Extras, KeyHash, Keys, Ledger, PayloadDigest, Steps},
};

/// A record ready to be pushed.
#[derive(Debug)]
pub(super) struct Work {
    /// The number of the record in its source.
    pub(super) number: usize,
    pub(super) position: SourcePosition,
    pub(super) key: MatchKey,
    pub(super) attributes: Map<String, Value>,
    pub(super) only_if_empty: Vec<String>,
    /// Attributes that Clinch requires of a new person and the record does not fill.
    pub(super) lacking: Vec<Box<str>>,
    pub(super) resume: Option<Resume>,
    /// What is left out although the mapping asks for it.
    pub(super) warning: Option<Box<Cause>>,
    pub(super) tags: Option<Tags>,
    /// Whether the destination is a job.
    pub(super) applies: bool,
    /// The person's id, if the ledger knows it.
    pub(super) ours: Option<ClinchId>,
    /// Whether an earlier run was cut off after it may have started to push this record.
    pub(super) undecided: bool,
    /// The steps that the ledger records as done for exactly this input.
    pub(super) done: Steps,
    pub(super) key_hash: KeyHash,
    pub(super) payload: PayloadDigest,
    /// The same with the address folded: equal for spellings of one address.
    pub(super) folded: PayloadDigest,
    pub(super) extras: Extras,
    /// The id that the source has of the record, if it is one and a report wants it.
    pub(super) source_id: Option<SourceId>,
    /// Keyed hashes of the addresses of the person's profiles, where they are compared with Clinch.
    pub(super) profiles: Box<[ProfileHash]>,
    /// What the attempts of its writes have used up.
    pub(super) spent: OnceLock<Spent>,
}

impl Work {
    /// The steps that this record requires.
    pub(super) fn required(&self) -> Steps {
        let step = |required: bool, step| if required { step } else { Steps::NONE };
        Steps::CANDIDATE
            .with(step(self.applies, Steps::APPLICATION))
            .with(step(self.resume.is_some(), Steps::RESUME))
            .with(step(self.tags.is_some(), Steps::ACTIVITY))
    }

    /// Compares the record with the ledger and returns whether the ledger knows the person.
    pub(super) fn compare(&mut self, ledger: &Ledger) -> bool {
        let required = self.required();
        let missing = ledger.missing_steps(&self.key_hash, &self.payload, &self.extras, required);
        self.done = missing.map_or(Steps::NONE, |missing| required.without(missing));
        // A record with nothing left to do needs no id, and there may be a million of them.
        self.ours = if self.is_done() { None } else { ledger.id(&self.key_hash) };
        missing.is_some()
    }

    /// Roughly how many bytes it holds.
    pub(super) fn weight(&self) -> usize {
        let resume = self.resume.as_ref().map_or(0, Resume::weight);
        let tags = self.tags.as_ref().map_or(0, |tags| tags.body.len());
        size_of::<Self>() + resume + tags + weight(&self.attributes)
    }

    /// Whether nothing is left to do.
    pub(super) fn is_done(&self) -> bool {
        self.done.contains(self.required())
    }

    /// The ledger entry for the steps in place. `effect`: of this run.
    pub(super) fn entry(&self, person: ClinchId, steps: Steps, effect: Effect) -> Entry {
        Entry {
            key: self.key_hash,
            payload: self.payload,
            extras: self.extras,
            clinch_id: person,
            steps,
            effect,
        }
    }
}

/// Tags for an activity field.
#[derive(Clone)]
pub(super) struct Tags {
    pub(super) activity: Arc<str>,
    pub(super) body: String,
}

impl std::fmt::Debug for Tags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tags(to {})", self.activity)
    }
}

impl Progress {
    /// Counts and lists what is left out of a delivered record.
    pub(super) fn warn(&mut self, work: &Work, keys: &Keys) {
        let Some(cause) = &work.warning else { return };
        self.counts.warnings += 1;
        let record = Some(keys.record_id(&work.key));
        let (position, cause) = (work.position.clone(), (**cause).clone());
        self.list(Rejection { position, record, place: None, cause });
    }
}
