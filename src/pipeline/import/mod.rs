//! The run that brings people of Clinch back: walks the list of everybody or of those who changed, maps
//! each person to a profile, and delivers who is new, changed or gone to a [`Sink`]. Knows no Kubernetes,
//! and no export.

mod absent;
mod again;
mod any_sink;
mod capacity;
mod clinch_feed;
mod close;
mod decide;
mod feed;
mod halt;
mod http;
mod kept_writes;
mod mapping;
mod objects;
mod own;
mod pending;
mod record;
mod refusals;
mod refused;
mod report;
mod run;
mod sink;
mod spec;
#[cfg(test)]
mod tests;
mod walk;
mod work;

pub use any_sink::AnySink;
pub use clinch_feed::ClinchFeed;
pub use feed::{Feed, FeedFault, FeedPage, FeedPerson, FeedRead};
pub use http::{HttpSink, HttpSinkSettings, Poster, SinkGate, Verdict, asked_to_wait, verdict};
pub use kept_writes::KeptWrites;
pub use mapping::{ProfileMapping, Unmapped};
pub use objects::{ObjectSink, PartFormat};
pub use own::{ExportLedger, ExportLedgers, FindExports, OwnWrites};
pub use report::{
    ImportCounts, ImportFailure, ImportMode, ImportProgress, ImportReport, LISTED_FAILURES,
    LastFullScan, LastManifest, SinkTrouble,
};
pub use run::run_import;
pub use sink::{
    Batch, BatchLimits, Delivered, GaveUp, Manifest, Patience, Refused, Sink, SinkFault,
    SinkPosition,
};
pub use spec::{Deletions, ImportName, ImportSpec, MaxDeletions};
pub use work::ImportPorts;
