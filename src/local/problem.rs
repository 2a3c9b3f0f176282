//! What is wrong with a manifest, and where. Pure. Messages name fields and accepted values; the
//! data of Secrets, ConfigMaps and profiles never appears in them.

use std::{fmt, sync::Arc};

/// Whether a problem keeps the manifests from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The API server or `apply` refuses it.
    Error,
    /// It is accepted, but probably a mistake.
    Warning,
}

/// One problem of a manifest. `Display`: `exports.yaml:17: spec.fields[3].from: message`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Problem {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// One-based line of the field, or of the nearest parent that exists; 0: the file as a whole.
    pub line: usize,
    /// The field, e.g. `spec.fields[3].from`; empty: the object or file as a whole.
    pub path: String,
    /// What is wrong, and where possible what to do.
    pub message: String,
    /// Whether it keeps the manifests from being used.
    pub severity: Severity,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.severity == Severity::Warning {
            f.write_str(": warning")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// A problem within a file that is not named yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub line: usize,
    pub path: String,
    pub message: String,
}

impl Fault {
    pub(super) fn new(line: usize, path: &str, message: impl Into<String>) -> Self {
        Self { line, path: path.to_owned(), message: message.into() }
    }

    pub(super) fn in_file(self, file: &Arc<str>, severity: Severity) -> Problem {
        let Self { line, path, message } = self;
        Problem { file: Arc::clone(file), line, path, message, severity }
    }
}

/// The path of a member: `spec` and `fields` give `spec.fields`.
pub(super) fn member(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}

/// The path of a map's value, whose key is data: `data[candidates.ndjson]`.
pub(super) fn keyed(parent: &str, key: &str) -> String {
    format!("{parent}[{key}]")
}

/// The path of a list item: `spec.fields[3]`.
pub(super) fn indexed(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_printed_as_compilers_print_theirs() {
        let fault = Fault::new(17, "spec.fields[3].from", "must not be empty");
        let file = Arc::from("examples/x.yaml");
        assert_eq!(
            fault.clone().in_file(&file, Severity::Error).to_string(),
            "examples/x.yaml:17: spec.fields[3].from: must not be empty"
        );
        assert_eq!(
            Fault::new(0, "", "cannot be read").in_file(&file, Severity::Warning).to_string(),
            "examples/x.yaml: warning: cannot be read"
        );
    }
}
