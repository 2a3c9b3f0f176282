//! The attributes of the target, and the check of a compiled mapping against them. Pure.

use std::collections::BTreeMap;

use super::{
    issue::{Issue, IssueCode},
    plan::{Plan, Source},
    shape::AttributeKind,
};

/// One attribute of the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TargetAttribute {
    /// The kind of value it takes.
    pub kind: AttributeKind,
    /// Whether every record must have it.
    pub required: bool,
    /// Whether it cannot be written.
    pub read_only: bool,
    /// Maximum number of characters of a string.
    pub max_length: Option<usize>,
}

/// The attributes of the target. `None` if the contract does not list them all: then nothing is
/// checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetAttributes(pub Option<BTreeMap<String, TargetAttribute>>);

impl TargetAttributes {
    /// The contract lists no attributes.
    pub const UNKNOWN: Self = Self(None);

    /// The attribute called `name`, if the contract lists it.
    pub fn get(&self, name: &str) -> Option<&TargetAttribute> {
        self.0.as_ref()?.get(name)
    }
}

impl Plan {
    /// Checks the mapping against the target: every attribute exists, is writable and accepts the
    /// value, and every required attribute is mapped. Reports every fault at once.
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
                let message = format!("'{name}' is read-only in Clinch");
                issues.push(Issue::new(path, IssueCode::ReadOnlyAttribute, message));
                continue;
            }
            if !field.shape.fits(attribute.kind) {
                let (produced, expected) = (field.shape.words(), attribute.kind.words());
                let message =
                    format!("'{name}' expects {expected}, but the mapping produces {produced}");
                issues.push(Issue::new(path, IssueCode::TypeMismatch, message));
            }
            if let (Source::Constant(serde_json::Value::String(text)), Some(most), true) =
                (&field.source, attribute.max_length, field.transforms.is_empty())
                && text.chars().count() > most
            {
                let path = format!("spec.fields[{}].value", field.index);
                let message = format!("'{name}' allows at most {most} characters");
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
