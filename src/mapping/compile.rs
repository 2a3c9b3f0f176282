//! Compiles a mapping, reporting every fault at once. Pure.

use std::collections::HashSet;

use serde_json::Value;

use super::{
    cel::Expression,
    issue::{Issue, IssueCode, shown},
    path::Path,
    plan::{Field, Plan, Source, Tags},
    shape::Shape,
    spec::{ConstantSpec, FieldSpec, MappingSpec, WhenMissing, WriteMode},
    transform,
};
use crate::domain::{Digest, digest_json};

/// Maximum number of fields in a mapping, and of transforms in a field; the CRD schema has the same
/// limits.
pub(super) const MAX_FIELDS: usize = 128;
const MAX_TRANSFORMS: usize = 16;
/// The longest attribute name and constant, in bytes.
const MAX_NAME: usize = 128;
const MAX_CONSTANT: usize = 4096;
/// Part of every digest: incremented when the same spec starts to produce other values.
pub(super) const LANGUAGE_REVISION: u32 = 2;

/// Compiles a mapping. Reports every fault at once, each with its path.
pub fn compile(spec: &MappingSpec) -> Result<Plan, Vec<Issue>> {
    let mut issues = Vec::new();
    if spec.fields.is_empty() || spec.fields.len() > MAX_FIELDS {
        let message = format!("a mapping must have 1 to {MAX_FIELDS} fields");
        return Err(vec![Issue::new("spec.fields", IssueCode::InvalidField, message)]);
    }
    let mut targets = HashSet::new();
    let mut fields = Vec::with_capacity(spec.fields.len());
    for (index, field) in spec.fields.iter().enumerate() {
        if !targets.insert(field.to.as_str()) {
            let message =
                format!("'{}' is already the target of an earlier field", shown(&field.to));
            let path = format!("spec.fields[{index}].to");
            issues.push(Issue::new(path, IssueCode::DuplicateTarget, message));
        }
        if field.to.trim().is_empty() || field.to.len() > MAX_NAME {
            let message = format!("an attribute name must have 1 to {MAX_NAME} bytes");
            let path = format!("spec.fields[{index}].to");
            issues.push(Issue::new(path, IssueCode::InvalidField, message));
        }
        fields.extend(compile_field(index, field, &mut issues));
    }
    check_match_key(spec, &mut issues);
    let tags = compile_tags(spec, &mut issues);
    if spec.resume.from.renders() && !cfg!(feature = "pdf") {
        let message = "this operator is built without the feature `pdf` and renders no profiles; \
                       use Resume, or an image with it"
            .to_owned();
        issues.push(Issue::new("spec.resume.from", IssueCode::InvalidField, message));
    }
    if !issues.is_empty() {
        return Err(issues);
    }
    let key = fields
        .iter()
        .position(|field| Some(&*field.to) == spec.match_keys.first().map(String::as_str));
    let match_key = key.expect("check_match_key found the field");
    Ok(Plan {
        fields,
        match_key,
        resume: spec.resume.attach,
        resume_from: spec.resume.from,
        resume_required: spec.resume.required,
        tags,
        digest: digest(spec),
        required: Vec::new(),
        enforced: false,
    })
}

/// Sorted: the order of the fields does not change the result.
fn digest(spec: &MappingSpec) -> Digest {
    let mut ordered = spec.clone();
    ordered.fields.sort_by(|a, b| a.to.cmp(&b.to));
    digest_json(&(LANGUAGE_REVISION, ordered))
}

/// Compiles a field but for its target, which is a name here and a path on the way back.
pub(super) fn compile_field(
    index: usize,
    spec: &FieldSpec,
    issues: &mut Vec<Issue>,
) -> Option<Field> {
    let place = format!("spec.fields[{index}]");
    let before = issues.len();
    let mut fault = |part: &str, code, message: String| {
        issues.push(Issue::new(format!("{place}{part}"), code, message));
    };
    if spec.when_missing == WhenMissing::Clear && spec.required {
        let message =
            "a required field is never cleared; remove required or whenMissing: Clear".to_owned();
        fault(".whenMissing", IssueCode::InvalidField, message);
    }
    if spec.when_missing == WhenMissing::Clear && spec.write_mode == WriteMode::OnlyIfEmpty {
        let message =
            "writeMode: OnlyIfEmpty never clears a value; remove it or whenMissing: Clear"
                .to_owned();
        fault(".whenMissing", IssueCode::InvalidField, message);
    }
    if spec.transforms.len() > MAX_TRANSFORMS {
        let message = format!("at most {MAX_TRANSFORMS} transforms are allowed");
        fault(".transforms", IssueCode::InvalidTransform, message);
        return None;
    }
    let source = compile_source(&place, spec, issues);
    let mut transforms = Vec::with_capacity(spec.transforms.len());
    for (n, transform) in spec.transforms.iter().enumerate() {
        match transform::compile(transform, &format!("{place}.transforms[{n}]")) {
            Ok(transform) => transforms.push(transform),
            Err(faults) => issues.extend(faults),
        }
    }
    let (source, part) = source?;
    if issues.len() > before {
        return None;
    }
    let shape = transforms.iter().fold(shape_of(&source), |shape, t| t.shape(shape));
    Some(Field {
        index,
        to: spec.to.as_str().into(),
        place: format!("{place}.{part}").into(),
        source,
        transforms,
        required: spec.required || spec.when_missing == WhenMissing::Fail,
        clear: spec.when_missing == WhenMissing::Clear,
        only_if_empty: spec.write_mode == WriteMode::OnlyIfEmpty,
        shape,
        target: None,
    })
}

fn shape_of(source: &Source) -> Shape {
    match source {
        Source::Path(path) if path.collects() => Shape::List,
        Source::Expression(expression) => expression.shape(),
        Source::Constant(Value::String(_)) => Shape::Text,
        Source::Constant(Value::Number(_)) => Shape::Number,
        Source::Constant(Value::Bool(_)) => Shape::Boolean,
        Source::Constant(Value::Array(_)) => Shape::List,
        Source::Path(_) | Source::FirstUsable(_) | Source::Constant(_) => Shape::Unknown,
    }
}

fn compile_source(
    place: &str,
    spec: &FieldSpec,
    issues: &mut Vec<Issue>,
) -> Option<(Source, &'static str)> {
    let fault =
        |part: &str, code, message: String| Issue::new(format!("{place}.{part}"), code, message);
    let compiled = match (&spec.from, &spec.value, &spec.expression) {
        (Some(path), None, None) => Path::compile(path)
            .map(|path| {
                let of = if spec.first_usable { Source::FirstUsable } else { Source::Path };
                (of(path), "from")
            })
            .map_err(|message| fault("from", IssueCode::InvalidPath, message)),
        (None, Some(value), None) => constant(value)
            .map(|value| (Source::Constant(value), "value"))
            .map_err(|message| fault("value", IssueCode::InvalidConstant, message.to_owned())),
        (None, None, Some(text)) => compile_expression(text, &format!("{place}.expression"))
            .map(|expression| (Source::Expression(Box::new(expression)), "expression")),
        _ => {
            let message = "exactly one of from, value and expression must be set";
            Err(Issue::new(place, IssueCode::SourceCount, message))
        }
    };
    compiled.map_err(|issue| issues.push(issue)).ok()
}

/// Compiles the expression at `path` of an object.
pub fn compile_expression(text: &str, path: &str) -> Result<Expression, Issue> {
    Expression::compile(text).map_err(|(error, message)| {
        let code =
            if error.limit { IssueCode::ExpressionTooLarge } else { IssueCode::InvalidExpression };
        Issue::new(path, code, message)
    })
}

fn constant(spec: &ConstantSpec) -> Result<Value, &'static str> {
    const BLANK: &str = "a blank constant counts as missing; to clear, use whenMissing: Clear";
    const LONG: &str = "a constant may have at most 4096 bytes";
    match (&spec.string, spec.number, spec.boolean, &spec.strings) {
        (Some(text), None, None, None) if text.trim().is_empty() => Err(BLANK),
        (Some(text), None, None, None) if text.len() > MAX_CONSTANT => Err(LONG),
        (Some(text), None, None, None) => Ok(Value::from(text.as_str())),
        (None, Some(number), None, None) => number_value(number).ok_or("a number must be finite"),
        (None, None, Some(value), None) => Ok(Value::Bool(value)),
        (None, None, None, Some(texts)) if texts.iter().all(|t| t.trim().is_empty()) => Err(BLANK),
        (None, None, None, Some(texts)) if texts.len() > 64 => {
            Err("at most 64 strings are allowed")
        }
        (None, None, None, Some(texts)) if texts.iter().any(|t| t.len() > MAX_CONSTANT) => {
            Err(LONG)
        }
        (None, None, None, Some(texts)) => Ok(texts.iter().map(String::as_str).collect()),
        _ => Err("exactly one of string, number, boolean and strings must be set"),
    }
}

/// A number written as `5` arrives as 5.0; it is sent as 5.
#[allow(clippy::cast_possible_truncation)]
fn number_value(number: f64) -> Option<Value> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Some(Value::from(number as i64));
    }
    serde_json::Number::from_f64(number).map(Value::Number)
}

fn check_match_key(spec: &MappingSpec, issues: &mut Vec<Issue>) {
    let mut fault = |message: String| {
        issues.push(Issue::new("spec.matchKeys", IssueCode::InvalidMatchKey, message));
    };
    let [key] = &spec.match_keys[..] else {
        return fault("name exactly one match key".to_owned());
    };
    let Some(field) = spec.fields.iter().find(|field| field.to == *key) else {
        return fault(format!("'{}' is not the target of any field", shown(key)));
    };
    if field.value.is_some() {
        fault("a constant would give every record the same match key".to_owned());
    }
    if field.transforms.iter().any(|t| t.name == super::spec::TransformName::Default) {
        fault("a default would give every record without a value the same match key".to_owned());
    }
    if field.when_missing == WhenMissing::Clear {
        fault("the match key cannot be cleared".to_owned());
    }
}

fn compile_tags(spec: &MappingSpec, issues: &mut Vec<Issue>) -> Option<Tags> {
    let path = Path::compile(&spec.tags.from).map_err(|message| {
        issues.push(Issue::new("spec.tags.from", IssueCode::InvalidPath, message));
    });
    if !spec.tags.enabled {
        return None;
    }
    match spec.tags.activity.as_deref() {
        Some(activity) if !activity.trim().is_empty() && activity.len() <= MAX_NAME => {
            Some(Tags { path: path.ok()?, activity: activity.into() })
        }
        _ => {
            let message = "activity must be set when tags are enabled";
            issues.push(Issue::new("spec.tags.activity", IssueCode::InvalidTags, message));
            None
        }
    }
}

#[cfg(test)]
mod tests;
