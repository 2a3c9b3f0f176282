//! The target's attributes, and the check of a compiled mapping against them. Pure.

use std::collections::BTreeMap;

use super::{
    issue::{Issue, IssueCode},
    plan::{Plan, Source},
    shape::AttributeKind,
};

/// One attribute of the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TargetAttribute {
    /// What it takes.
    pub kind: AttributeKind,
    /// Whether every record must have it.
    pub required: bool,
    /// Whether the target refuses to have it written.
    pub read_only: bool,
    /// The most characters of a text.
    pub max_length: Option<usize>,
}

/// The attributes that the target takes; `None` where the contract does not tell them all, and
/// then nothing is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetAttributes(pub Option<BTreeMap<String, TargetAttribute>>);

impl TargetAttributes {
    /// The contract does not tell.
    pub const UNKNOWN: Self = Self(None);

    /// The attribute called `name`, if the contract tells attributes and has it.
    pub fn get(&self, name: &str) -> Option<&TargetAttribute> {
        self.0.as_ref()?.get(name)
    }
}

impl Plan {
    /// Checks the mapping against the target: every attribute exists, may be written and takes
    /// such a value, and every required attribute is filled. Every fault at once.
    pub fn check(&self, target: &TargetAttributes) -> Vec<Issue> {
        let Some(attributes) = &target.0 else { return Vec::new() };
        let mut issues = Vec::new();
        for field in &self.fields {
            let path = format!("spec.fields[{}].to", field.index);
            let name = &*field.to;
            let Some(attribute) = attributes.get(name) else {
                let message = format!("Clinch has no candidate attribute '{name}'");
                issues.push(Issue::new(path, IssueCode::UnknownAttribute, message));
                continue;
            };
            if attribute.read_only {
                let message = format!("Clinch does not let '{name}' be written");
                issues.push(Issue::new(path, IssueCode::ReadOnlyAttribute, message));
                continue;
            }
            if !field.shape.fits(attribute.kind) {
                let (given, taken) = (field.shape.words(), attribute.kind.words());
                let message = format!("'{name}' takes {taken}, the mapping gives {given}");
                issues.push(Issue::new(path, IssueCode::TypeMismatch, message));
            }
            if let (Source::Constant(serde_json::Value::String(text)), Some(most), true) =
                (&field.source, attribute.max_length, field.transforms.is_empty())
                && text.chars().count() > most
            {
                let path = format!("spec.fields[{}].value", field.index);
                let message = format!("'{name}' takes at most {most} characters");
                issues.push(Issue::new(path, IssueCode::ValueTooLong, message));
            }
        }
        for (name, attribute) in attributes {
            let filled = self.fields.iter().any(|field| *field.to == **name);
            if attribute.required && !attribute.read_only && !filled {
                let message = format!("Clinch requires '{name}'; add a field for it");
                issues.push(Issue::new(
                    "spec.fields",
                    IssueCode::RequiredAttributeUnmapped,
                    message,
                ));
            }
        }
        issues
    }
}
