//! The run that writes a file: reads a source once, selects and maps its records, leaves out people who
//! must not leave, and streams the rows to a destination. Knows neither Clinch nor a ledger.

mod encode;
mod people;
mod rows;
mod run;
mod spec;
mod stream;

pub use run::{FilePorts, run_file};
pub use spec::{Encoding, FileSpec, LastFile};
