//! Transforms, read backwards. Pure.
//!
//! The rule: what was sent, read backwards and sent again, is the same. Where a later transform may damage
//! what an earlier one added, there is no way back.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::{
    spec::{Otherwise, TransformName as Name, TransformSpec},
    transform::{self, Action, Transform},
};

/// One step of the way back.
#[derive(Debug, Serialize)]
pub enum Step {
    /// A transform.
    Apply(Box<TransformSpec>),
    /// Removes a string at the start.
    StripPrefix(String, Option<Otherwise>),
    /// Removes a string at the end.
    StripSuffix(String, Option<Otherwise>),
}

impl Step {
    /// Compiles the step, which comes from a transform that compiles.
    pub fn compile(self, place: &str) -> Option<Transform> {
        match self {
            Self::Apply(spec) => transform::compile(&spec, place).ok(),
            Self::StripPrefix(text, otherwise) => {
                Some(Transform { action: Action::StripPrefix(text.into()), otherwise })
            }
            Self::StripSuffix(text, otherwise) => {
                Some(Transform { action: Action::StripSuffix(text.into()), otherwise })
            }
        }
    }
}

fn apply(spec: TransformSpec) -> Step {
    Step::Apply(Box::new(spec))
}

/// The steps back through transforms, the last one first. The error says which one has no way back.
pub fn backwards(transforms: &[&TransformSpec]) -> Result<Vec<Step>, String> {
    let step = |(at, spec): (usize, &&TransformSpec)| {
        let (before, after) = (&transforms[..at], &transforms[at + 1..]);
        back(spec, before, after)
    };
    transforms.iter().enumerate().rev().map(step).collect()
}

fn back(
    spec: &TransformSpec,
    before: &[&TransformSpec],
    after: &[&TransformSpec],
) -> Result<Step, String> {
    let name = transform::name(spec.name);
    let damaged = |by: Option<&&TransformSpec>| match by {
        Some(by) => Err(format!("{name} with {}", transform::name(by.name))),
        None => Ok(()),
    };
    let text = spec.text.clone().unwrap_or_default();
    let separator = spec.separator.clone().unwrap_or_default();
    match spec.name {
        Name::Trim | Name::Lower | Name::Upper | Name::E164 | Name::Telephone => {
            Ok(apply(spec.clone()))
        }
        Name::Prefix => {
            damaged(after.iter().find(|by| {
                !keeps(by, &text) || (by.name == Name::Trim && text.trim_start() != text)
            }))?;
            Ok(Step::StripPrefix(text, spec.otherwise))
        }
        Name::Suffix => {
            damaged(after.iter().find(|by| {
                !keeps(by, &text) || (by.name == Name::Trim && text.trim_end() != text)
            }))?;
            Ok(Step::StripSuffix(text, spec.otherwise))
        }
        Name::Join if separator.is_empty() => Err("join without a separator".to_owned()),
        Name::Join | Name::Split => {
            // In another case, the separator would no longer be found; a second join changes nothing,
            // and a second split refuses a list.
            let mut others = before.iter().chain(after);
            damaged(others.find(|by| by.name == spec.name || !keeps_case(by, &separator)))?;
            let name = if spec.name == Name::Join { Name::Split } else { Name::Join };
            let (separator, otherwise) = (Some(separator), spec.otherwise);
            Ok(apply(TransformSpec { name, separator, otherwise, ..Default::default() }))
        }
        Name::Map => map(spec, before, after),
        Name::Date => date(spec, after),
        Name::TitleCase
        | Name::Replace
        | Name::Truncate
        | Name::Default
        | Name::First
        | Name::Unique => Err(name.to_owned()),
    }
}

fn map(
    spec: &TransformSpec,
    before: &[&TransformSpec],
    after: &[&TransformSpec],
) -> Result<Step, String> {
    let values = spec.values.clone().unwrap_or_default();
    if spec.otherwise == Some(Otherwise::Fail) {
        return Err("map with otherwise: Fail".to_owned());
    }
    if values.iter().any(|(key, value)| key.trim().is_empty() || value.trim().is_empty()) {
        return Err("map of a blank".to_owned());
    }
    let untrimmed = |text: &String| text.trim() != text;
    let adds = |by: &TransformSpec| matches!(by.name, Name::Prefix | Name::Suffix | Name::Map);
    let lost = |by: &&&TransformSpec, mut texts: Box<dyn Iterator<Item = &String> + '_>| {
        texts.any(|text| !keeps(by, text) || (by.name == Name::Trim && untrimmed(text)))
    };
    let by = before
        .iter()
        .find(|by| adds(by) || lost(by, Box::new(values.keys())))
        .or_else(|| after.iter().find(|by| lost(by, Box::new(values.values()))));
    if let Some(by) = by {
        return Err(format!("map with {}", transform::name(by.name)));
    }
    let count = values.len();
    let back: BTreeMap<String, String> =
        values.into_iter().map(|(key, value)| (value, key)).collect();
    if back.len() < count {
        return Err("map of two values to one".to_owned());
    }
    let (values, otherwise) = (Some(back), spec.otherwise);
    Ok(apply(TransformSpec { name: Name::Map, values, otherwise, ..Default::default() }))
}

fn date(spec: &TransformSpec, after: &[&TransformSpec]) -> Result<Step, String> {
    let [from] = spec.from.as_deref().unwrap_or_default() else {
        return Err("date without exactly one input format".to_owned());
    };
    let rewrites = |by: &&&TransformSpec| {
        matches!(by.name, Name::Lower | Name::Upper | Name::E164 | Name::Date)
    };
    if let Some(by) = after.iter().find(rewrites) {
        return Err(format!("date with {}", transform::name(by.name)));
    }
    if !transform::comes_back(from, spec.to.as_deref()) {
        return Err("date whose output format drops a part".to_owned());
    }
    let written = spec.to.clone().unwrap_or_else(|| "%Y-%m-%d".to_owned());
    let (from, to) = (Some(vec![written]), Some(from.clone()));
    Ok(apply(TransformSpec {
        name: Name::Date,
        from,
        to,
        otherwise: spec.otherwise,
        ..Default::default()
    }))
}

/// Whether a text within a value is still there after another transform. White space at its ends is the
/// caller's.
fn keeps(by: &TransformSpec, text: &str) -> bool {
    match by.name {
        Name::Lower | Name::Upper => keeps_case(by, text),
        Name::Split => by.separator.as_deref().is_none_or(|separator| !text.contains(separator)),
        // An item that contains the separator comes back as two.
        Name::Join | Name::E164 | Name::Telephone | Name::Date | Name::Map => false,
        _ => true,
    }
}

fn keeps_case(by: &TransformSpec, text: &str) -> bool {
    match by.name {
        Name::Lower => text.to_lowercase() == text,
        Name::Upper => text.to_uppercase() == text,
        _ => true,
    }
}
