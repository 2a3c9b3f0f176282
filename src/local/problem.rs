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

/// Which rule a problem breaks. The spellings are API: machines may match on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rule(&'static str);

impl Rule {
    /// A file or folder that cannot be read, or has no manifests.
    pub const FILE: Self = Self("file");
    /// Text that is not YAML.
    pub const YAML: Self = Self("yaml");
    /// An object of another kind.
    pub const KIND: Self = Self("kind");
    /// An object that is declared twice.
    pub const DECLARED_TWICE: Self = Self("declared-twice");
    /// Metadata that the API server refuses.
    pub const METADATA: Self = Self("metadata");
    /// The data of a Secret or ConfigMap.
    pub const DATA: Self = Self("data");
    /// A field of the wrong type, or beyond its bounds.
    pub const SCHEMA: Self = Self("schema/value");
    /// A required field without a value.
    pub const REQUIRED: Self = Self("schema/required");
    /// A field that does not exist.
    pub const UNKNOWN_FIELD: Self = Self("schema/unknown-field");
    /// A rule that concerns several fields or the form of a value.
    pub const CEL: Self = Self("schema/rule");
    /// A status in a manifest.
    pub const STATUS: Self = Self("status");

    /// A rule of the controllers.
    pub const fn of_controllers(id: &'static str) -> Self {
        Self(id)
    }

    /// The rule as machines match on it.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
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
    /// The rule that it breaks.
    pub rule: Rule,
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
    pub rule: Rule,
}

impl Fault {
    pub(super) fn new(line: usize, path: &str, message: impl Into<String>) -> Self {
        Self { line, path: path.to_owned(), message: message.into(), rule: Rule::SCHEMA }
    }

    /// The same under a rule of its own.
    pub(super) fn under(self, rule: Rule) -> Self {
        Self { rule, ..self }
    }

    pub(super) fn in_file(self, file: &Arc<str>, severity: Severity) -> Problem {
        let Self { line, path, message, rule } = self;
        Problem { file: Arc::clone(file), line, path, message, severity, rule }
    }
}

/// The longest key that is taken for the name of a field, in bytes.
const MAX_NAME: usize = 64;

/// A key as messages show it. What is not spelt as a field is data that has slipped into a key, such as a
/// row of a file without its indentation.
pub(super) fn shown_key(name: &str) -> &str {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$');
    if name.len() <= MAX_NAME && name.bytes().all(usual) { name } else { "?" }
}

/// The path of a member: `spec` and `fields` give `spec.fields`.
pub(super) fn member(parent: &str, name: &str) -> String {
    let name = shown_key(name);
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
    fn a_key_that_is_no_name_of_a_field_is_not_shown() {
        assert_eq!(member("spec", "fields"), "spec.fields");
        assert_eq!(member("", "ann@example.com, Ann"), "?");
        assert_eq!(member("data", &"x".repeat(65)), "data.?");
    }

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
