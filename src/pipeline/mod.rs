//! Runs: read records from a source, map them and deliver them, in bounded memory. Knows no Kubernetes:
//! the same run serves a controller, a dry run, `apply`, a benchmark and a crash test.
//!
//! This module holds what every run shares: its spec, its source as prepared records, and its report.
//! [`push`] is the run that delivers to Clinch, [`files`] the one that writes a file, [`import`] the one
//! that brings people back.

mod attribute_filter;
mod blocking;
mod coverage;
mod document;
mod drift;
mod ending;
mod files;
mod guards;
mod import;
mod job_rules;
mod lines;
mod mode;
mod opened;
mod plan_digest;
mod profiles;
mod push;
mod record_log;
mod record_outcome;
mod record_set;
mod records;
mod rendered;
mod report;
mod report_file;
mod resume;
mod spec;
mod target;
mod weight;
mod work;
mod written_file;

pub use attribute_filter::AttributeFilter;
pub use coverage::{Coverage, FieldCoverage, LISTED_WARNINGS, Warning};
pub use document::{DocumentStyle, no_documents};
pub use drift::{Difference, Drift, DriftKind, DriftPolicy, HeldBack, LISTED_DIFFERENCES};
pub use files::{
    Encoding, FilePorts, FilePreview, FilePreviewLog, FileSpec, InPlace, LastFile, PersonFilePorts,
    PreviewedFile, RECORD, preview_file, run_file, run_person_files,
};
pub use guards::Guards;
pub use import::{
    AnySink, Batch, BatchLimits, ClinchFeed, Deletions, Delivered, ExportLedger, ExportLedgers,
    Feed, FeedFault, FeedPage, FeedPerson, FeedRead, FindExports, GaveUp, HttpSink,
    HttpSinkSettings, ImportCounts, ImportFailure, ImportMode, ImportName, ImportPorts,
    ImportProgress, ImportReport, ImportSpec, KeptWrites, LISTED_FAILURES, LastFullScan,
    LastManifest, Manifest, MaxDeletions, ObjectSink, OwnWrites, PartFormat, Patience, Poster,
    ProfileMapping, Refused, Sink, SinkFault, SinkGate, SinkPosition, SinkTrouble, Unmapped,
    Verdict, asked_to_wait, run_import, verdict,
};
pub use job_rules::{JobRule, JobRules, RuleVerdict};
pub use lines::LineFormat;
pub use mode::Mode;
pub use plan_digest::{NotAPlanDigest, PlanDigest};
pub use push::{
    AtRest, Claim, ClinchCrm, Created, Crm, CrmFailure, CrmPerson, Destination, Ensure, JobStage,
    KnownAttributes, Lookup, Membership, Neighbour, Neighbours, PeopleGuard, PeoplePage,
    PreviewLog, PreviewStep, Read, RunPorts, SeenSource, Updated, Witnesses, no_neighbours,
    preview, run, verify,
};
pub use record_log::{ChangedAt, MatchedBy, MatchedPerson, RecordLine, RecordReport, SourceId};
pub use record_outcome::{MatchClass, RecordOutcome};
pub use rendered::Renderer;
pub use report::{
    Counts, Distrust, Doubled, Ending, FileInfo, FilesInfo, LISTED_REJECTIONS, LedgerInfo,
    LedgerTrust, Progress, RejectedByReason, Rejection, Report, SourceInfo, Suspects,
};
pub use report_file::{ReportSpec, with_report};
pub use resume::{MAX_RESUME_BYTES, ResumeFile};
pub use spec::{DestinationSpec, Duplicates, RunSpec, Source};
pub use target::target_attributes;
pub use written_file::{WRITTEN_STEPS, WrittenCounts, WrittenFile, write_list};
