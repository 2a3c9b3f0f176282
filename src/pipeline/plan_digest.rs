//! The digest that names what a run would do, so that exactly that can be approved. Pure.
//!
//! It covers what the spec says, the compiled mapping and the account; the records of the source, in
//! order; and for each record its outcome and the names of the attributes that would change. It does
//! not cover values in Clinch. The same inputs give the same digest on every machine: it is keyed by
//! the nonce that it states, and by nothing else.

use std::{collections::HashMap, fmt, str::FromStr};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{domain::Digest, source::Decoded};

/// `v1:<nonce>:<hmac>`, both in lower-case hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanDigest {
    nonce: [u8; 16],
    mac: [u8; 32],
}

/// A text that is not a plan digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a plan digest, which looks like v1:NONCE:HMAC")]
pub struct NotAPlanDigest;

impl fmt::Display for PlanDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1:{}:{}", hex::encode(self.nonce), hex::encode(self.mac))
    }
}

impl FromStr for PlanDigest {
    type Err = NotAPlanDigest;

    fn from_str(text: &str) -> Result<Self, NotAPlanDigest> {
        let (nonce, mac) =
            text.strip_prefix("v1:").and_then(|rest| rest.split_once(':')).ok_or(NotAPlanDigest)?;
        let mut digest = Self { nonce: [0; 16], mac: [0; 32] };
        let read = hex::decode_to_slice(nonce, &mut digest.nonce)
            .and_then(|()| hex::decode_to_slice(mac, &mut digest.mac));
        read.map_err(|_| NotAPlanDigest)?;
        Ok(digest)
    }
}

/// What is planned for one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Planned {
    /// Read and not selected, or not decided yet.
    Nothing,
    Create,
    Update,
    Unchanged,
    Skip,
    Suppress,
    Reject,
}

/// Collects a plan while a run finds out what it would do.
#[derive(Debug)]
pub(super) struct PlanRecorder {
    /// Digest of spec, mapping and account.
    identity: Digest,
    source: Sha256,
    /// For each record, in order, an index of `kinds`.
    records: Vec<u32>,
    /// What is planned, and a digest of the names of what would change.
    kinds: Vec<(Planned, [u8; 32])>,
    known: HashMap<(Planned, [u8; 32]), u32>,
}

impl PlanRecorder {
    /// Nothing read yet. `identity`: the digest of spec, mapping and account.
    pub(super) fn new(identity: Digest) -> Self {
        let mut recorder = Self {
            identity,
            source: Sha256::new(),
            records: Vec::new(),
            kinds: Vec::new(),
            known: HashMap::new(),
        };
        recorder.kind(Planned::Nothing, &[]);
        recorder
    }

    /// Adds a record of the source. Records are added in order.
    pub(super) fn read(&mut self, decoded: &Decoded) {
        self.records.push(0);
        let mut record = Sha256::new();
        match &decoded.result {
            Ok(profile) => {
                record.update([1_u8]);
                let members = serde_json::to_vec(profile.members());
                record.update(members.expect("plain data serialises to JSON"));
            }
            // Without its position: the same in another file.
            Err(error) => {
                record.update([0_u8]);
                record.update(error.reason().as_str());
            }
        }
        self.source.update(record.finalize());
    }

    /// Notes what is planned for a record, by its number, and the names of what would change.
    pub(super) fn plan(&mut self, number: usize, planned: Planned, changed: &[String]) {
        let kind = self.kind(planned, changed);
        if let Some(record) = self.records.get_mut(number) {
            *record = kind;
        }
    }

    fn kind(&mut self, planned: Planned, changed: &[String]) -> u32 {
        let mut names: Vec<&str> = changed.iter().map(String::as_str).collect();
        names.sort_unstable();
        let mut digest = Sha256::new();
        for name in names {
            digest.update((name.len() as u64).to_be_bytes());
            digest.update(name);
        }
        let kind = (planned, digest.finalize().into());
        *self.known.entry(kind).or_insert_with(|| {
            self.kinds.push(kind);
            u32::try_from(self.kinds.len() - 1).expect("fewer kinds than records")
        })
    }

    /// Digest of what the plan is made from: spec, mapping, account and source.
    pub(super) fn inputs(&self) -> [u8; 32] {
        let source = self.source.clone().finalize();
        let mut inputs = Sha256::new();
        inputs.update(self.identity.as_bytes());
        inputs.update((self.records.len() as u64).to_be_bytes());
        inputs.update(source);
        inputs.finalize().into()
    }

    /// The digest of the plan.
    pub(super) fn digest(&self) -> PlanDigest {
        let mut nonce = [0; 16];
        // Of nothing personal: the digest of an account and a spec.
        nonce.copy_from_slice(&Sha256::digest(self.identity.as_bytes())[..16]);
        self.keyed_by(nonce)
    }

    /// Whether the plan is the one that was approved.
    pub(super) fn is(&self, approved: &PlanDigest) -> bool {
        self.keyed_by(approved.nonce) == *approved
    }

    fn keyed_by(&self, nonce: [u8; 16]) -> PlanDigest {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&nonce).expect("HMAC takes keys of any length");
        mac.update(b"clinch-operator plan v1\0");
        mac.update(&self.inputs());
        for record in &self.records {
            let (planned, names) =
                usize::try_from(*record).ok().and_then(|kind| self.kinds.get(kind)).expect("noted");
            mac.update(&[*planned as u8]);
            mac.update(names);
        }
        PlanDigest { nonce, mac: mac.finalize().into_bytes().into() }
    }
}

/// How the ledger names an approved plan and its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Admission {
    /// A push has started to carry it out. It may be continued, although what is done already is not
    /// planned any more.
    pub(super) started: [u8; 16],
    /// Everything is in place: the approval admits nothing more.
    pub(super) used: [u8; 16],
}

impl Admission {
    /// The names of a plan that was approved for these inputs.
    pub(super) fn of(approved: &PlanDigest, inputs: &[u8; 32]) -> Self {
        let named = |how: &[u8]| {
            let digest = Sha256::new().chain_update(approved.to_string()).chain_update(inputs);
            let mut name = [0; 16];
            name.copy_from_slice(&digest.chain_update(how).finalize()[..16]);
            name
        };
        Self { started: named(b""), used: named(b"used") }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{Profile, SourcePosition, digest_parts};

    fn record(name: &str) -> Decoded {
        let profile = Profile::try_from(json!({"firstName": name})).unwrap();
        let position = SourcePosition { part: "a".into(), index: 0, line: None };
        Decoded { position, result: Ok(profile) }
    }

    fn recorder(spec: &str, names: &[&str]) -> PlanRecorder {
        let mut recorder = PlanRecorder::new(digest_parts([spec.as_bytes()]));
        names.iter().for_each(|name| recorder.read(&record(name)));
        recorder
    }

    #[test]
    fn a_digest_is_read_as_it_is_shown() {
        let digest = recorder("s", &["Ann"]).digest();
        let text = digest.to_string();
        assert_eq!(text.parse(), Ok(digest));
        assert_eq!(text.len(), 3 + 32 + 1 + 64);
        for bad in ["", "v1:", "v2:00:00", &text[..99], &format!("{text}0")] {
            assert_eq!(bad.parse::<PlanDigest>(), Err(NotAPlanDigest), "{bad}");
        }
    }

    #[test]
    fn everything_that_would_be_done_is_part_of_the_digest_and_its_order_in_time_is_not() {
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut base = recorder("s", &["Ann", "Bo"]);
        base.plan(0, Planned::Create, &[]);
        base.plan(1, Planned::Update, &names(&["city", "phone"]));
        let mut later = recorder("s", &["Ann", "Bo"]);
        later.plan(1, Planned::Update, &names(&["phone", "city"]));
        later.plan(0, Planned::Create, &[]);
        assert_eq!(base.digest(), later.digest());
        assert!(later.is(&base.digest()));

        let mut others = vec![recorder("t", &["Ann", "Bo"]), recorder("s", &["Bo", "Ann"])];
        for other in &mut others {
            other.plan(0, Planned::Create, &[]);
            other.plan(1, Planned::Update, &names(&["city", "phone"]));
        }
        let mut fewer = recorder("s", &["Ann", "Bo"]);
        fewer.plan(0, Planned::Create, &[]);
        fewer.plan(1, Planned::Update, &names(&["city"]));
        let mut unchanged = recorder("s", &["Ann", "Bo"]);
        unchanged.plan(0, Planned::Create, &[]);
        unchanged.plan(1, Planned::Unchanged, &[]);
        others.extend([fewer, unchanged]);
        for other in others {
            assert!(!other.is(&base.digest()));
            assert_ne!(other.digest(), base.digest());
        }
    }

    #[test]
    fn any_nonce_may_key_a_digest() {
        let mut plan = recorder("s", &["Ann"]);
        plan.plan(0, Planned::Create, &[]);
        let other = plan.keyed_by([9; 16]);
        assert_ne!(other, plan.digest());
        assert!(plan.is(&other));
        assert!(!plan.is(&PlanDigest { mac: other.mac, ..plan.digest() }));
    }

    #[test]
    fn an_approval_is_continued_for_the_same_inputs_only() {
        let (plan, other) = (recorder("s", &["Ann"]), recorder("s", &["Bo"]));
        let approved = plan.digest();
        let admission = Admission::of(&approved, &plan.inputs());
        assert_eq!(Admission::of(&approved, &plan.inputs()), admission);
        assert_ne!(admission.started, admission.used);
        for other in [
            Admission::of(&approved, &other.inputs()),
            Admission::of(&other.digest(), &plan.inputs()),
        ] {
            assert_ne!(other.started, admission.started);
            assert_ne!(other.used, admission.used);
        }
    }
}
