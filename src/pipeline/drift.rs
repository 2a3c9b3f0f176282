//! What a verification finds: people of the ledger who are not in Clinch as they were delivered. Pure.
//! Holds no candidate value.

use crate::domain::{RecordId, SourcePosition};

/// How many people a verification lists; the others are only counted.
pub const LISTED_DIFFERENCES: usize = 20;
/// How many attributes are named of each.
const NAMED_ATTRIBUTES: usize = 16;

/// What happens to people who differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DriftPolicy {
    /// They are reported.
    #[default]
    Report,
    /// Their attributes are written again. Nobody is created.
    Correct,
}

/// In which way a person is not as they were delivered. The spellings are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftKind {
    /// They are no longer in Clinch.
    Missing,
    /// Mapped attributes have other values.
    Changed,
    /// They were anonymised.
    Anonymised,
    /// Mapped attributes have other values also right after they were written: Clinch stores them in
    /// a form of its own.
    Normalised,
}

impl DriftKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Missing, Self::Changed, Self::Anonymised, Self::Normalised];

    /// The spelling in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "Missing",
            Self::Changed => "Changed",
            Self::Anonymised => "Anonymised",
            Self::Normalised => "Normalised",
        }
    }
}

/// One person who is not as they were delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The position of their record in the source.
    pub position: SourcePosition,
    /// The opaque id of their record.
    pub record: RecordId,
    /// In which way they differ.
    pub kind: DriftKind,
    /// The names of the attributes that differ.
    pub attributes: Vec<String>,
}

/// Why nobody was corrected although the policy asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBack {
    /// `maxUpdates` allows fewer.
    MaxUpdates(u64),
    /// Nothing but the approved plan may be pushed.
    ApprovedPlan,
}

/// What a verification has found so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    /// People to verify: whom the ledger knows and the source names.
    pub people: u64,
    /// Those among them who were looked at.
    pub verified: u64,
    /// Those who are no longer in Clinch.
    pub missing: u64,
    /// Those whose mapped attributes have other values.
    pub changed: u64,
    /// Those who were anonymised, and were not known to be.
    pub anonymised: u64,
    /// Those among `changed` who were written again.
    pub corrected: u64,
    /// Those whose values Clinch stores in a form of its own. Not among `changed`.
    pub normalised: u64,
    /// Those who could not be read.
    pub unread: u64,
    /// Why the first of them could not be read.
    pub first_unread: Option<String>,
    /// Why nobody was corrected.
    pub held_back: Option<HeldBack>,
    /// The first differences, in the order of the source.
    pub listed: Vec<Difference>,
}

impl Drift {
    /// How many people are not as they were delivered, and are not written again.
    pub fn remaining(&self) -> u64 {
        self.missing + self.anonymised + self.changed.saturating_sub(self.corrected)
    }

    /// How many differences are not listed.
    pub fn omitted(&self) -> u64 {
        let all = self.missing + self.changed + self.anonymised + self.normalised;
        all.saturating_sub(self.listed.len() as u64)
    }

    /// Progress in percent.
    pub fn percent(&self) -> u8 {
        (self.verified * 100).checked_div(self.people).map_or(100, |percent| percent.min(100) as u8)
    }

    /// Counts and lists a difference.
    pub(super) fn note(&mut self, difference: Difference) {
        match difference.kind {
            DriftKind::Missing => self.missing += 1,
            DriftKind::Changed => self.changed += 1,
            DriftKind::Anonymised => self.anonymised += 1,
            DriftKind::Normalised => self.normalised += 1,
        }
        self.list(difference);
    }

    /// Replaces what is known of a person who was counted as changed.
    pub(super) fn turn_out(&mut self, difference: Difference) {
        self.changed = self.changed.saturating_sub(1);
        self.listed.retain(|known| known.record != difference.record);
        self.note(difference);
    }

    fn list(&mut self, mut difference: Difference) {
        difference.attributes.truncate(NAMED_ATTRIBUTES);
        let at = self.listed.partition_point(|known| known.position <= difference.position);
        self.listed.insert(at, difference);
        self.listed.truncate(LISTED_DIFFERENCES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(index: u64, kind: DriftKind) -> Difference {
        let position = SourcePosition { part: "a".into(), index, line: None };
        let record = RecordId::parse(&format!("{index:016x}")).unwrap();
        Difference { position, record, kind, attributes: vec!["a".into(); 40] }
    }

    #[test]
    fn the_first_differences_are_listed_in_order_and_all_are_counted() {
        let mut drift = Drift { people: 200, verified: 50, ..Drift::default() };
        for index in (0..50).rev() {
            drift.note(difference(index, DriftKind::Changed));
        }
        let listed: Vec<u64> = drift.listed.iter().map(|one| one.position.index).collect();
        assert_eq!(listed, (0..20).collect::<Vec<_>>());
        assert_eq!((drift.changed, drift.omitted(), drift.percent()), (50, 30, 25));
        assert_eq!(drift.listed[0].attributes.len(), NAMED_ATTRIBUTES);
        assert_eq!(Drift::default().percent(), 100);
    }

    #[test]
    fn a_difference_that_turns_out_otherwise_counts_once() {
        let mut drift = Drift::default();
        drift.note(difference(3, DriftKind::Changed));
        drift.note(difference(4, DriftKind::Changed));
        drift.turn_out(difference(3, DriftKind::Normalised));
        assert_eq!((drift.changed, drift.normalised, drift.listed.len()), (1, 1, 2));
        assert_eq!(drift.listed[0].kind, DriftKind::Normalised);
        drift.corrected = 1;
        assert_eq!(drift.remaining(), 0);
        drift.turn_out(difference(4, DriftKind::Missing));
        assert_eq!((drift.changed, drift.missing), (0, 1));
    }
}
