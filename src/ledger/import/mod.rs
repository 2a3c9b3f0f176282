//! What is known of each person that an import read: entries in memory, segments in a store, in a format of
//! their own. Pure except for the store. What cannot be trusted counts as unknown as a whole: then
//! everybody is emitted again. `docs/LEDGER.md` specifies the bytes.

mod entry;
mod facts;
mod journal;
mod keys;
mod people;
mod segment;
#[cfg(test)]
mod tests;

pub use entry::{ImportEntry, ImportMarks, ImportTrace, Revision};
pub use facts::{FullScanFact, HeldFact, ImportFacts, ImportPart, ManifestFact};
pub use journal::{DeclaredWindow, ImportJournal, OpenedImport};
pub use keys::ImportKeys;
pub use people::ImportedPeople;
pub use segment::{IMPORT_ENTRY_ROOM, ImportSegment, ImportSegmentError};
