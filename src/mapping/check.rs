//! The check of a compiled mapping against the attributes of the target. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    issue::{Issue, IssueCode},
    plan::{Plan, Source},
    target::TargetAttributes,
};
use crate::domain::{Digest, digest_json};

impl Plan {
    /// Checks the mapping against the target: every attribute exists, is writable and accepts the
    /// value, and every required attribute is mapped. Reports every fault at once.
    pub fn check(&self, target: &TargetAttributes) -> Vec<Issue> {
        let Some(attributes) = &target.listed else { return Vec::new() };
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
            if let (Source::Constant(Value::String(text)), Some(most), true) =
                (&field.source, attribute.max_length, field.transforms.is_empty())
                && target.enforced
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

    /// The same plan for one target: values are checked and brought into its types.
    #[must_use]
    pub fn for_target(mut self, target: &TargetAttributes) -> Self {
        for field in &mut self.fields {
            field.target = target.get(&field.to).cloned().map(Box::new);
        }
        let listed = target.listed.iter().flatten();
        let required = listed.filter(|(_, attribute)| attribute.required && !attribute.read_only);
        self.required = required.map(|(name, _)| name.as_str().into()).collect();
        self.enforced = target.enforced;
        self
    }

    /// Digest of all that the target decides about the result of [`Plan::apply`]; `None` if it decides
    /// nothing.
    pub fn target_digest(&self) -> Option<Digest> {
        let decides = !self.required.is_empty() || self.fields.iter().any(|f| f.target.is_some());
        let targets = || -> BTreeMap<_, _> {
            self.fields.iter().map(|field| (&*field.to, &field.target)).collect()
        };
        decides.then(|| digest_json(&(targets(), &self.required, self.enforced)))
    }
}
