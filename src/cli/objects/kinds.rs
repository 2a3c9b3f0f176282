//! What the command line must know of each kind, and how a user names an object. Pure.

use std::{fmt, str::FromStr, sync::OnceLock};

use kube::{CustomResourceExt, core::ApiResource};

use crate::{
    api::{CandidateExport, CandidateImport, ClinchIntegration, FieldMapping},
    cluster::Kind,
    domain::did_you_mean,
};

/// One kind.
pub(super) struct Row {
    /// How output names the kind.
    pub(super) word: &'static str,
    /// Every word for it: the singular, plural and short names of its CRD, and `word`.
    words: Vec<String>,
    /// Where the API server serves it.
    pub(super) resource: ApiResource,
}

/// The row of a kind. Made once: the names of a kind are a part of its CRD, and the schema in it takes
/// milliseconds to generate.
pub(super) fn row(kind: Kind) -> &'static Row {
    static ROWS: [OnceLock<Row>; Kind::ALL.len()] = [const { OnceLock::new() }; Kind::ALL.len()];
    ROWS[kind as usize].get_or_init(|| match kind {
        Kind::Integration => of::<ClinchIntegration>("integration"),
        Kind::Mapping => of::<FieldMapping>("mapping"),
        Kind::Export => of::<CandidateExport>("export"),
        Kind::Import => of::<CandidateImport>("import"),
    })
}

fn of<K: CustomResourceExt>(word: &'static str) -> Row {
    let names = K::crd().spec.names;
    let mut words = vec![word.to_owned(), format!("{word}s"), names.plural];
    words.extend(names.singular);
    words.extend(names.short_names.unwrap_or_default());
    Row { word, words, resource: K::api_resource() }
}

/// How output names a kind.
pub(in crate::cli) fn word(kind: Kind) -> &'static str {
    row(kind).word
}

/// A kind with its article: `an export`, `a mapping`.
pub(super) fn one(kind: Kind) -> String {
    let word = word(kind);
    let article = if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {word}")
}

/// An object as a user names it: `KIND/NAME`, or `NAME` where one object has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Its kind, if it was given.
    pub(super) kind: Option<Kind>,
    /// Its name.
    pub(super) name: String,
}

impl Target {
    /// The kinds of which it may be, of those that a command takes.
    pub(super) fn among(&self, takes: &[Kind]) -> anyhow::Result<Vec<Kind>> {
        match self.kind {
            None => Ok(takes.to_vec()),
            Some(kind) if takes.contains(&kind) => Ok(vec![kind]),
            Some(kind) => {
                let takes: Vec<String> = takes.iter().map(|kind| one(*kind)).collect();
                let (takes, kind) = (takes.join(" or "), one(kind));
                Err(anyhow::anyhow!("{self}: this command takes {takes}, not {kind}"))
            }
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = match text.split_once('/') {
            Some((kind, name)) => (Some(kind_of(kind)?), name),
            None => (None, text),
        };
        let is_name = |part: char| matches!(part, 'a'..='z' | '0'..='9' | '-' | '.');
        if name.is_empty() || !name.chars().all(is_name) {
            return Err("expected KIND/NAME, such as export/engineers".to_owned());
        }
        Ok(Self { kind, name: name.to_owned() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Some(kind) => write!(f, "{}/{}", word(kind), self.name),
            None => f.write_str(&self.name),
        }
    }
}

fn kind_of(text: &str) -> Result<Kind, String> {
    // As `-o name` prints it, with the group.
    let wanted = text.split('.').next().unwrap_or(text).to_lowercase();
    let is_it = |kind: &Kind| row(*kind).words.contains(&wanted);
    if let Some(kind) = Kind::ALL.into_iter().find(is_it) {
        return Ok(kind);
    }
    let known = Kind::ALL.map(word);
    let meant = did_you_mean(&wanted, known);
    let hint = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
    Err(format!("there is no kind {text}{hint} ({})", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_the_names_that_kubectl_takes() {
        for (text, kind) in [
            ("export/a", Kind::Export),
            ("clexp/a", Kind::Export),
            ("CandidateExport/a", Kind::Export),
            ("candidateexports.clinch.hireez.dev/a", Kind::Export),
            ("integrations/a", Kind::Integration),
            ("clint/a", Kind::Integration),
            ("clmap/a", Kind::Mapping),
            ("fieldmapping/a", Kind::Mapping),
        ] {
            let expected = Target { kind: Some(kind), name: "a".to_owned() };
            assert_eq!(text.parse::<Target>(), Ok(expected), "{text}");
        }
        assert_eq!("a.b-1".parse::<Target>().unwrap().to_string(), "a.b-1");
        assert_eq!("clexp/a".parse::<Target>().unwrap().to_string(), "export/a");
    }

    #[test]
    fn the_row_of_a_kind_is_its_own_and_made_once() {
        for kind in Kind::ALL {
            assert_eq!(row(kind).resource.kind, kind.to_string());
            assert!(std::ptr::eq(row(kind), row(kind)));
        }
    }

    #[test]
    fn a_word_belongs_to_one_kind() {
        let mut all: Vec<String> =
            Kind::ALL.into_iter().flat_map(|kind| row(kind).words.clone()).collect();
        all.sort();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn only_kinds_that_a_command_takes_are_looked_up() {
        let target = |text: &str| text.parse::<Target>().unwrap();
        let takes = [Kind::Integration, Kind::Export];
        assert_eq!(target("a").among(&takes).unwrap(), takes);
        assert_eq!(target("export/a").among(&takes).unwrap(), [Kind::Export]);
        let error = target("mapping/a").among(&takes).unwrap_err().to_string();
        let expected = "mapping/a: this command takes an integration or an export, not a mapping";
        assert_eq!(error, expected);
    }

    #[test]
    fn what_names_no_object_is_refused_with_a_hint() {
        for (text, hint) in [
            ("exprot/a", "did you mean export?"),
            ("secret/a", "(integration, mapping, export, import)"),
            ("", "KIND/NAME"),
            ("export/", "KIND/NAME"),
            ("a b", "KIND/NAME"),
            ("export/a/b", "KIND/NAME"),
            ("A", "KIND/NAME"),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
