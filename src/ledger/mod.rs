//! What is known of each record that was pushed: entries in memory, segments in a store. Pure except
//! for the stores. What cannot be trusted counts as unknown, which costs a look-up in Clinch and
//! never causes a wrong write. `docs/LEDGER.md` specifies the bytes.

mod account;
mod base;
mod entry;
mod facts;
mod files;
mod folder;
mod import;
mod journal;
mod keys;
mod listed;
mod memory;
mod objects;
mod packed;
mod reader;
mod record;
mod segment;
mod sighting;
mod state;
mod store;
mod suppression;
mod table;
mod written;

pub use account::AccountName;
pub use entry::{Effect, Entry, Extras, KeyHash, PayloadDigest, StepDigest, Steps};
pub use facts::RunFacts;
pub use files::{FileLedger, NoFiles};
pub use folder::{FolderStore, names_in};
pub use import::{
    DeclaredWindow, FullScanFact, HeldFact, IMPORT_ENTRY_ROOM, ImportEntry, ImportFacts,
    ImportJournal, ImportKeys, ImportMarks, ImportPart, ImportSegment, ImportSegmentError,
    ImportTrace, ImportedPeople, ManifestFact, OpenedImport, Revision,
};
pub use journal::{JOURNAL_MAX_DELTAS, Journal, JournalError, Opened};
pub use keys::{KeyId, Keys, new_root};
pub use listed::{LineFault, Listed, ListedFault};
pub use memory::MemoryStore;
pub use objects::{ObjectLedgers, ObjectSegments};
pub use segment::{
    Base, Encoded, MAX_SEGMENT_BYTES, MAX_WINDOW, Segment, SegmentError, from_text, to_text,
};
pub use sighting::{Moment, Sighting};
pub use state::{Changes, Ledger};
pub use store::{LedgerHome, LedgerOwner, SegmentStore, StoreError};
pub use suppression::{Suppressed, SuppressionError, Suppressions};
pub use table::{Numbered, Table};
pub use written::{Believed, WrittenPeople, WrittenPerson, written_people};

#[cfg(test)]
mod tests;
