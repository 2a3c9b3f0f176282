//! One entry as bytes, the same in a segment and in memory. Pure; total on any input.

use super::{
    Effect, Entry, Extras, KeyHash, PayloadDigest, StepDigest, Steps,
    packed::{pack, packed_len, unpack},
};
use crate::domain::ClinchId;

/// The bytes after the key: payload digest, steps and effect, form of the id, id, digests of the steps done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a>(&'a [u8]);

const STEPS_AT: usize = 16;
/// Where the effect starts in the byte of the steps.
const EFFECT_SHIFT: u32 = 4;
const FORM_AT: usize = 17;
const ID_AT: usize = 18;

/// Fixed part of a value, with an id of one byte.
pub(super) const MIN_VALUE_BYTES: usize = ID_AT + 1;

/// The bytes of an entry after its key.
pub(super) fn value(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::with_capacity(ID_AT + 36);
    out.extend_from_slice(&entry.payload.0);
    out.push(entry.steps.bits() | entry.effect.bits() << EFFECT_SHIFT);
    out.push(0);
    out[FORM_AT] = pack(&entry.clinch_id, &mut out);
    let mut extras = entry.extras;
    for (step, digest) in extras.by_step() {
        if entry.steps.contains(step) {
            out.extend_from_slice(&digest.0);
        }
    }
    out
}

impl<'a> Value<'a> {
    /// Checks bytes; `None` when they are not a value. Everything else relies on this check.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (steps, _) = parts(*bytes.get(STEPS_AT)?)?;
        let form = *bytes.get(FORM_AT)?;
        let digests = [Steps::APPLICATION, Steps::RESUME, Steps::ACTIVITY]
            .into_iter()
            .filter(|step| steps.contains(*step))
            .count();
        let end = ID_AT + packed_len(form);
        if bytes.len() != end + digests * size_of::<StepDigest>() {
            return None;
        }
        unpack(form, &bytes[ID_AT..end])?;
        Some(Self(bytes))
    }

    /// Wraps bytes that were checked before.
    pub(super) fn checked(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn payload(self) -> PayloadDigest {
        let mut digest = PayloadDigest::default();
        digest.0.copy_from_slice(&self.0[..STEPS_AT]);
        digest
    }

    pub(super) fn steps(self) -> Steps {
        parts(self.0[STEPS_AT]).expect("values are checked").0
    }

    pub(super) fn effect(self) -> Effect {
        parts(self.0[STEPS_AT]).expect("values are checked").1
    }

    fn id_end(self) -> usize {
        ID_AT + packed_len(self.0[FORM_AT])
    }

    pub(super) fn id(self) -> ClinchId {
        unpack(self.0[FORM_AT], &self.0[ID_AT..self.id_end()]).expect("values are checked")
    }

    pub(super) fn extras(self) -> Extras {
        let mut extras = Extras::default();
        let mut digests = self.0[self.id_end()..].chunks_exact(size_of::<StepDigest>());
        for (step, digest) in extras.by_step() {
            if self.steps().contains(step) {
                digest.0.copy_from_slice(digests.next().expect("values are checked"));
            }
        }
        extras
    }

    pub(super) fn entry(self, key: KeyHash) -> Entry {
        Entry {
            key,
            payload: self.payload(),
            extras: self.extras(),
            clinch_id: self.id(),
            steps: self.steps(),
            effect: self.effect(),
        }
    }
}

/// What a byte says of steps and effect; `None` if one of its bits is not known.
fn parts(byte: u8) -> Option<(Steps, Effect)> {
    let effect = Effect::from_bits(byte >> EFFECT_SHIFT)?;
    Some((Steps::from_bits(byte & ((1 << EFFECT_SHIFT) - 1))?, effect))
}
