//! What exports of the integration wrote: a person who is as an export wrote them does not come back as a
//! change. Decides by values, not by who wrote them. Reads ledgers through their stores, one after the
//! other, and keeps 16 bytes of each person in them.

use std::{collections::BTreeSet, sync::Arc};

use futures::future::BoxFuture;
use serde_json::{Map, Value};

use super::{
    halt::Halt,
    kept_writes::{KeptWrites, Version, WrittenPeople},
};
use crate::{
    domain::{ClinchId, Disposition, Reason},
    ledger::{
        ImportEntry, ImportKeys, ImportMarks, ImportTrace, Journal, JournalError, Keys, Ledger,
        PayloadDigest, SegmentStore, Steps,
    },
    mapping::{MembersRead, Plan, has_value},
    pipeline::spec::Duplicates,
};

/// The most people, over all ledgers, of whom something is kept: 64 MB.
const MOST_PEOPLE: usize = 4_000_000;

/// The ledger of an export.
pub struct ExportLedger<S> {
    /// Identifies it among the ledgers of all accounts.
    pub name: String,
    /// The mapping of the export, as it is now.
    pub plan: Plan,
    /// What the export does about people who are in Clinch already.
    pub duplicates: Duplicates,
    /// Returns the keys and the store of its ledger.
    pub open: Box<dyn FnOnce() -> (Keys, S) + Send>,
}

/// The exports whose writes do not come back.
pub struct ExportLedgers<S> {
    /// Their ledgers.
    pub ledgers: Vec<ExportLedger<S>>,
    /// How many more there are, whose mapping cannot be used.
    pub unusable: u64,
    /// What is known of ledgers from earlier runs.
    pub kept: Arc<KeptWrites>,
}

/// Finds the exports of the integration; called only if somebody is new or has changed.
pub type FindExports<S> =
    Box<dyn FnOnce() -> BoxFuture<'static, Result<ExportLedgers<S>, String>> + Send + Sync>;

/// What to do about people as exports wrote them.
pub enum OwnWrites<S> {
    /// They are emitted like others.
    Include,
    /// They are not.
    Exclude(FindExports<S>),
}

/// What one export wrote.
struct Written {
    plan: Plan,
    policy: &'static str,
    keys: Keys,
    people: WrittenPeople,
}

impl Written {
    /// The beginning of the digest of what it wrote of a person.
    fn of(&self, id: u64) -> Option<u64> {
        let at = self.people.partition_point(|(other, _)| *other < id);
        self.people.get(at).filter(|(other, _)| *other == id).map(|(_, digest)| *digest)
    }

    fn digest(&self, present: &Map<String, Value>) -> u64 {
        short(&self.keys.payload_digest(&(self.policy, self.plan.as_sent(present))))
    }
}

/// What exports wrote.
#[derive(Default)]
pub(super) struct Own {
    kept: Arc<KeptWrites>,
    exports: Vec<Written>,
}

/// What exports know of a person, compared with what the person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) trace: ImportTrace,
    /// Everything that these exports write, and that is read, is as one of them wrote it.
    as_written: bool,
    /// The profile holds nothing that these exports do not write.
    nothing_else: bool,
}

impl Look {
    /// Whether it is by the write of an export that a person differs from what was known of them.
    pub(super) fn is_own(&self, known: Option<&ImportEntry>) -> bool {
        let emitted = known.filter(|known| known.marks.contains(ImportMarks::EMITTED));
        self.as_written
            && match emitted {
                // Receivers have their tombstone.
                Some(known) if known.marks.contains(ImportMarks::TOMBSTONED) => false,
                None | Some(ImportEntry { trace: None, .. }) => self.nothing_else,
                // If no export wrote since, somebody set a value back that receivers do not have.
                Some(ImportEntry { trace: Some(before), .. }) => {
                    before.written != self.trace.written && before.rest == self.trace.rest
                }
            }
    }
}

impl Own {
    /// Reads what exports wrote. A ledger that cannot be read now ends the run: everybody in it would be
    /// emitted. What is damaged for good, or too much, counts as not written by an export.
    pub(super) async fn read<S: SegmentStore>(find: FindExports<S>) -> Result<Self, Halt> {
        let found = find().await.map_err(|message| Halt::Unread {
            disposition: Disposition::retry(Reason::InternalError),
            message: format!("the exports of the integration cannot be listed: {message}"),
        })?;
        let mut own = Self { kept: found.kept, exports: Vec::new() };
        if found.unusable > 0 {
            let exports = found.unusable;
            tracing::warn!(exports, "what exports without a usable mapping wrote counts as edits");
        }
        for ExportLedger { name, plan, duplicates, open } in found.ledgers {
            let (keys, store) = open();
            // Before it is read: what changes meanwhile makes another version.
            let version = Version::of(&store).await.map_err(|error| unreadable(&error))?;
            let policy = duplicates.policy();
            if let Some(people) = version.as_ref().and_then(|now| own.kept.get(&name, now)) {
                own.exports.push(Written { plan, policy, keys, people });
                continue;
            }
            let ledger = match Journal::open(store, keys.clone()).await {
                Ok(opened) => opened.ledger,
                Err(error @ JournalError::List(_)) => return Err(unreadable(&error)),
                Err(error) => {
                    tracing::warn!(%error, "what an export wrote counts as edits");
                    continue;
                }
            };
            let room = MOST_PEOPLE.saturating_sub(own.exports.iter().map(|e| e.people.len()).sum());
            if ledger.len() > room {
                tracing::warn!(
                    people = ledger.len(),
                    "what so large an export wrote counts as edits"
                );
                continue;
            }
            let people = own.people(&ledger);
            if let Some(version) = version {
                own.kept.keep(name, version, people.clone());
            }
            own.exports.push(Written { plan, policy, keys, people });
        }
        Ok(own)
    }

    fn people(&self, ledger: &Ledger) -> WrittenPeople {
        let mut people: Vec<(u64, u64)> = ledger
            .entries()
            .map(|entry| {
                // What was written is not known of everybody; the digest of nobody is zero.
                let written = entry.steps.contains(Steps::CANDIDATE);
                let digest = if written { short(&entry.payload) } else { 0 };
                (self.kept.hash(&entry.clinch_id), digest)
            })
            .collect();
        people.sort_unstable();
        people.into()
    }

    /// What exports know of a person; `None` if no export does. `present`: all attributes. `permitted`:
    /// those that may leave. `reads`: those that the profile is made of.
    pub(super) fn look(
        &self,
        keys: &ImportKeys,
        id: &ClinchId,
        present: &Map<String, Value>,
        (permitted, reads): (&Map<String, Value>, &MembersRead),
    ) -> Option<Look> {
        let id = self.kept.hash(id);
        let knowing: Vec<(&Written, u64)> =
            self.exports.iter().filter_map(|export| Some((export, export.of(id)?))).collect();
        if knowing.is_empty() {
            return None;
        }
        let mut digests: Vec<u64> = knowing.iter().map(|(_, digest)| *digest).collect();
        digests.sort_unstable();
        let (mut written, mut confirmed) = (BTreeSet::new(), BTreeSet::new());
        for (export, digest) in &knowing {
            written.extend(export.plan.attributes());
            if *digest != 0 && *digest == export.digest(present) {
                confirmed.extend(export.plan.attributes());
            }
        }
        let is_read = |name: &str| reads.all || reads.names.contains(name);
        let rest: Vec<(&String, &Value)> = permitted
            .iter()
            .filter(|(name, value)| {
                is_read(name) && !written.contains(name.as_str()) && has_value(value)
            })
            .collect();
        let trace = ImportTrace { written: keys.trace(&digests), rest: keys.trace(&rest) };
        let as_written = !confirmed.is_empty()
            && written.iter().all(|name| confirmed.contains(name) || !is_read(name));
        Some(Look { trace, as_written, nothing_else: rest.is_empty() })
    }
}

fn short(digest: &PayloadDigest) -> u64 {
    let (first, _) = digest.0.split_first_chunk().expect("a digest has 16 bytes");
    u64::from_be_bytes(*first)
}

fn unreadable(error: &JournalError) -> Halt {
    let cause = std::error::Error::source(error);
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    Halt::Unread {
        disposition: error.disposition(),
        message: format!(
            "the ledger of an export cannot be read{cause}; without it, everything that the export wrote \
             would be written as a change. spec.ownWrites: Include does that"
        ),
    }
}
