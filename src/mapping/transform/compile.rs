//! Compiles transforms and checks their parameters. Pure.

use super::{
    apply::{Action, Transform},
    date::Formats,
    phone,
};
use crate::mapping::{
    issue::{Issue, IssueCode, shown},
    spec::{Otherwise, TransformName, TransformSpec},
};

/// Maximum length of a string parameter, in bytes; the CRD schema allows the same.
const MAX_TEXT: usize = 1024;
/// Maximum `truncate` length and `map` size.
const MAX_LENGTH: i32 = 65_536;
const MAX_VALUES: usize = 256;

/// Compiles one transform; `path` is its path in the spec. Reports every fault at once.
pub fn compile(spec: &TransformSpec, path: &str) -> Result<Transform, Vec<Issue>> {
    let mut issues = Vec::new();
    for (parameter, present, belongs) in parameters(spec) {
        if present && !belongs {
            let message = format!("{} has no parameter {parameter}", name(spec.name));
            issues.push(fault(format!("{path}.{parameter}"), message));
        }
    }
    for (parameter, text) in [
        ("separator", &spec.separator),
        ("pattern", &spec.pattern),
        ("with", &spec.with),
        ("value", &spec.value),
        ("text", &spec.text),
    ] {
        if text.as_ref().is_some_and(|text| text.len() > MAX_TEXT) {
            let message = format!("at most {MAX_TEXT} bytes are allowed");
            issues.push(fault(format!("{path}.{parameter}"), message));
        }
    }
    if spec.otherwise == Some(Otherwise::Keep) && spec.name != TransformName::Map {
        let message = "only map keeps a value that it cannot handle; use Skip or Fail";
        issues.push(fault(format!("{path}.otherwise"), message));
    }
    match build(spec, path) {
        Ok(action) if issues.is_empty() => {
            return Ok(Transform { action, otherwise: spec.otherwise });
        }
        Ok(_) => {}
        Err(issue) => issues.push(issue),
    }
    Err(issues)
}

fn build(spec: &TransformSpec, path: &str) -> Result<Action, Issue> {
    let needed = |parameter: &str, text: &Option<String>| match text.as_deref() {
        Some(text) if !text.is_empty() => Ok(Box::<str>::from(text)),
        _ => {
            let message = format!("{} requires {parameter}", name(spec.name));
            Err(fault(format!("{path}.{parameter}"), message))
        }
    };
    let at = |parameter: &str, message: String| fault(format!("{path}.{parameter}"), message);
    Ok(match spec.name {
        TransformName::Trim => Action::Trim,
        TransformName::Lower => Action::Lower,
        TransformName::Upper => Action::Upper,
        TransformName::TitleCase => Action::TitleCase,
        TransformName::First => Action::First,
        TransformName::Unique => Action::Unique,
        TransformName::Telephone => Action::Telephone,
        TransformName::E164 => match &spec.default_country {
            None => Action::E164(None),
            Some(iso) => Action::E164(Some(phone::country(iso).ok_or_else(|| {
                let iso = shown(iso);
                at("defaultCountry", format!("e164 does not know the country '{iso}'"))
            })?)),
        },
        TransformName::Date => {
            let from = spec.from.as_deref().unwrap_or_default();
            if from.len() > 8 {
                return Err(at("from", "at most 8 formats are allowed".to_owned()));
            }
            if from.iter().map(String::as_str).chain(spec.to.as_deref()).any(|f| f.len() > 64) {
                return Err(at("from", "a format may have at most 64 bytes".to_owned()));
            }
            let formats = Formats::compile(from, spec.to.as_deref());
            Action::Date(formats.map_err(|message| fault(path, message))?)
        }
        TransformName::Join => {
            // An empty separator is valid, but must be explicit.
            let separator = spec.separator.as_deref();
            Action::Join(separator.ok_or_else(|| needs(spec, path, "separator"))?.into())
        }
        TransformName::Split => Action::Split(needed("separator", &spec.separator)?),
        TransformName::Replace => Action::Replace {
            pattern: needed("pattern", &spec.pattern)?,
            with: spec.with.as_deref().ok_or_else(|| needs(spec, path, "with"))?.into(),
        },
        TransformName::Truncate => {
            let length = spec.length.ok_or_else(|| needs(spec, path, "length"))?;
            match usize::try_from(length) {
                Ok(usable) if (1..=MAX_LENGTH).contains(&length) => Action::Truncate(usable),
                _ => return Err(at("length", format!("must be 1 to {MAX_LENGTH} characters"))),
            }
        }
        TransformName::Map => {
            let values = spec.values.clone().unwrap_or_default();
            if values.is_empty() || values.len() > MAX_VALUES {
                return Err(at("values", format!("map requires 1 to {MAX_VALUES} values")));
            }
            if values.iter().any(|(key, value)| key.len().max(value.len()) > MAX_TEXT) {
                return Err(at("values", format!("at most {MAX_TEXT} bytes are allowed")));
            }
            Action::Map(values)
        }
        TransformName::Default => {
            let value = needed("value", &spec.value)?;
            if value.trim().is_empty() {
                return Err(at("value", "a blank default counts as missing".to_owned()));
            }
            Action::Default(value)
        }
        TransformName::Prefix => Action::Prefix(needed("text", &spec.text)?),
        TransformName::Suffix => Action::Suffix(needed("text", &spec.text)?),
    })
}

fn needs(spec: &TransformSpec, path: &str, parameter: &str) -> Issue {
    fault(format!("{path}.{parameter}"), format!("{} requires {parameter}", name(spec.name)))
}

fn fault(path: impl Into<String>, message: impl Into<String>) -> Issue {
    Issue::new(path, IssueCode::InvalidTransform, message)
}

/// Every parameter: its name, whether it is set, and whether the transform has it.
fn parameters(spec: &TransformSpec) -> [(&'static str, bool, bool); 11] {
    use TransformName as Name;
    let is = |names: &[Name]| names.contains(&spec.name);
    [
        ("defaultCountry", spec.default_country.is_some(), is(&[Name::E164])),
        ("from", spec.from.is_some(), is(&[Name::Date])),
        ("to", spec.to.is_some(), is(&[Name::Date])),
        ("separator", spec.separator.is_some(), is(&[Name::Join, Name::Split])),
        ("pattern", spec.pattern.is_some(), is(&[Name::Replace])),
        ("with", spec.with.is_some(), is(&[Name::Replace])),
        ("length", spec.length.is_some(), is(&[Name::Truncate])),
        ("values", spec.values.is_some(), is(&[Name::Map])),
        ("otherwise", spec.otherwise.is_some(), !is(&[Name::Default, Name::First, Name::Unique])),
        ("value", spec.value.is_some(), is(&[Name::Default])),
        ("text", spec.text.is_some(), is(&[Name::Prefix, Name::Suffix])),
    ]
}

/// The name as a mapping writes it.
pub const fn name(of: TransformName) -> &'static str {
    match of {
        TransformName::Trim => "trim",
        TransformName::Lower => "lower",
        TransformName::Upper => "upper",
        TransformName::TitleCase => "titleCase",
        TransformName::E164 => "e164",
        TransformName::Date => "date",
        TransformName::Join => "join",
        TransformName::Split => "split",
        TransformName::Replace => "replace",
        TransformName::Truncate => "truncate",
        TransformName::Map => "map",
        TransformName::Default => "default",
        TransformName::First => "first",
        TransformName::Unique => "unique",
        TransformName::Prefix => "prefix",
        TransformName::Suffix => "suffix",
        TransformName::Telephone => "telephone",
    }
}
