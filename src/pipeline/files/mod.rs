//! The runs that write files: one file of rows, or a document for each person. Both read a source, select
//! and map its records, and leave out people who must not leave. Know nothing of Clinch.
//!
//! `run.rs` reads the source once and streams the rows to a destination. `person_files.rs` reads it twice,
//! so that it is judged before the first file appears.

mod deliver;
mod encode;
mod people;
mod person_files;
mod preview;
mod reading;
mod rows;
mod run;
mod sighted;
mod spec;
mod stream;

pub use person_files::{InPlace, PersonFilePorts, RECORD, run_person_files};
pub use preview::{FilePreview, FilePreviewLog, PreviewedFile, preview_file};
pub use run::{FilePorts, run_file};
pub use spec::{Encoding, FileSpec, LastFile};
