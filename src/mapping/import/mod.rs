//! The way back: from the attributes of a person in Clinch to a hireEZ profile. Pure.
//!
//! An [`ImportPlan`] is compiled from fields whose `to` is a place in a profile, or derived from a mapping
//! for exports ([`ImportPlan::inverse_of`]). It is as bounded as a mapping for exports.

mod inverse;
mod steps;
mod target;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Map, Value};

use self::target::{Overlap, Target};
use super::{
    cel::{
        MembersRead,
        limits::{Fuel, RECORD_STEP_LIMIT},
    },
    compile::{LANGUAGE_REVISION, MAX_FIELDS, compile_field},
    issue::{self, Issue, IssueCode, RecordIssue},
    plan::{Field, Source},
    spec::{FieldSpec, WhenMissing, WriteMode},
    target::TargetAttributes,
};
use crate::domain::{Digest, Reason, did_you_mean, digest_json};
pub use inverse::{Inverse, NotInvertible};

/// The name by which a mapping reads the id of the person.
const ID: &str = "id";

/// A compiled mapping from Clinch attributes to profiles. Immutable; may be shared between threads.
pub struct ImportPlan {
    fields: Vec<(Field, Target)>,
    digest: Digest,
    /// Derived from a mapping for exports, whose transforms are in another order.
    derived: bool,
}

/// Shows how many fields there are.
impl fmt::Debug for ImportPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportPlan").field("fields", &self.fields.len()).finish_non_exhaustive()
    }
}

impl ImportPlan {
    /// Compiles a mapping of direction Import: `to` is a place in the profile, `from` a path in the
    /// attributes of the person. Reports every fault at once, each with its path.
    pub fn compile(specs: &[FieldSpec]) -> Result<Self, Vec<Issue>> {
        if specs.is_empty() || specs.len() > MAX_FIELDS {
            let message = format!("a mapping must have 1 to {MAX_FIELDS} fields");
            return Err(vec![Issue::new("spec.fields", IssueCode::InvalidField, message)]);
        }
        let mut issues = Vec::new();
        let mut fields = Vec::with_capacity(specs.len());
        let mut targets: Vec<(usize, Target)> = Vec::with_capacity(specs.len());
        for (index, spec) in specs.iter().enumerate() {
            only_for_exports(index, spec, &mut issues);
            let field = compile_field(index, spec, &mut issues);
            let target = Target::compile(&spec.to).and_then(|target| {
                let taken = targets
                    .iter()
                    .find_map(|(at, other)| other.overlaps(&target).map(|overlap| (*at, overlap)));
                match taken {
                    None => Ok(target),
                    Some((at, Overlap::Same)) => {
                        Err(format!("spec.fields[{at}] is put in the same place"))
                    }
                    Some((at, Overlap::Part)) => {
                        Err(format!("spec.fields[{at}] is put in a part of the same place"))
                    }
                }
            });
            match target {
                Ok(target) => {
                    targets.push((index, target.clone()));
                    fields.extend(field.map(|field| (field, target)));
                }
                Err(message) => {
                    let path = format!("spec.fields[{index}].to");
                    issues.push(Issue::new(path, IssueCode::InvalidPath, message));
                }
            }
        }
        if !issues.is_empty() {
            return Err(issues);
        }
        Ok(Self { fields, digest: digest(&specs), derived: false })
    }

    /// How many fields it has. A plan that was derived may have none.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether it has no field, so that every profile is empty.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The fields, in the order of the spec: place in the spec, and place in the profile.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&str, String)> {
        self.fields.iter().map(|(field, target)| (&*field.place, target.to_string()))
    }

    /// The members of a profile that the fields fill, in the order of the spec, by their number there.
    pub fn members(&self) -> impl Iterator<Item = (usize, &str)> {
        self.fields.iter().filter_map(|(field, target)| Some((field.index, target.member()?)))
    }

    /// Checks the mapping against what reads of Clinch show: every attribute that it reads is among it.
    /// Reports every fault at once.
    pub fn check(&self, target: &TargetAttributes) -> Vec<Issue> {
        let Some(shown) = &target.shown else { return Vec::new() };
        let mut issues = Vec::new();
        for (field, _) in &self.fields {
            let (member, read) = match &field.source {
                Source::Path(path) | Source::FirstUsable(path) => {
                    ("from", path.start().0.map(str::to_owned).into_iter().collect())
                }
                Source::Expression(expression) => ("expression", expression.reads().names),
                Source::Constant(_) => continue,
            };
            let is_known = |name: &String| name == ID || shown.contains(name);
            for name in read.iter().filter(|name| !is_known(name)) {
                let known = shown.iter().map(String::as_str).chain([ID]);
                let hint =
                    did_you_mean(name, known).map(|known| format!("; did you mean '{known}'?"));
                let message = format!(
                    "Clinch shows no candidate attribute '{}'{}",
                    issue::shown(name),
                    hint.unwrap_or_default()
                );
                let path = format!("spec.fields[{}].{member}", field.index);
                issues.push(Issue::new(path, IssueCode::UnknownAttribute, message));
            }
        }
        issues
    }

    /// Whether any field can have a value, where a person has only the attributes that `is_there` names.
    pub fn can_read(&self, is_there: impl Fn(&str) -> bool) -> bool {
        let is_there = |name: &str| name == ID || is_there(name);
        self.fields.iter().any(|(field, _)| match &field.source {
            Source::Path(path) | Source::FirstUsable(path) => path.start().0.is_none_or(is_there),
            Source::Expression(expression) => {
                let read = expression.reads();
                read.all || read.names.is_empty() || read.names.iter().any(|name| is_there(name))
            }
            Source::Constant(_) => true,
        })
    }

    /// Digest of all that decides about the result of [`ImportPlan::map`].
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The attributes that it reads. `all`: any of them, because a name is computed.
    pub fn reads(&self) -> MembersRead {
        let mut read = MembersRead::default();
        for (field, _) in &self.fields {
            match &field.source {
                Source::Path(path) | Source::FirstUsable(path) => {
                    read.names.extend(path.start().0.map(str::to_owned));
                }
                Source::Expression(expression) => read.extend(expression.reads()),
                Source::Constant(_) => {}
            }
        }
        read.names.remove(ID);
        read
    }

    /// Whether it reads the id of the person.
    fn reads_id(&self) -> bool {
        self.fields.iter().any(|(field, _)| match &field.source {
            Source::Path(path) | Source::FirstUsable(path) => path.start().0 == Some(ID),
            Source::Expression(_) => true,
            Source::Constant(_) => false,
        })
    }

    /// The profile of a person with this id and these attributes. Reports every fault of the person at
    /// once, without a value.
    pub fn map(
        &self,
        id: &str,
        attributes: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Vec<RecordIssue>> {
        let with_id = self.reads_id().then(|| {
            let mut candidate = attributes.clone();
            candidate.insert(ID.to_owned(), id.into());
            candidate
        });
        let candidate = with_id.as_ref().unwrap_or(attributes);
        let mut fuel = Fuel::new(RECORD_STEP_LIMIT);
        let mut issues = Vec::new();
        let mut profile = Map::new();
        for (field, target) in &self.fields {
            match field.value(candidate, &mut fuel) {
                Ok(Some(value)) => target.put(&mut profile, value),
                Ok(None) if field.required => {
                    let message = format!("no value for '{}'", field.to);
                    issues.push(field.issue(Reason::RequiredMissing, message));
                }
                Ok(None) => {}
                Err(issue) if self.derived => {
                    issues.push(RecordIssue { path: field.place.to_string(), ..issue });
                }
                Err(issue) => issues.push(issue),
            }
        }
        if issues.is_empty() { Ok(profile) } else { Err(issues) }
    }
}

fn digest(specs: &impl serde::Serialize) -> Digest {
    digest_json(&(LANGUAGE_REVISION, "import", specs))
}

/// What a field of an export can have, and one of an import cannot.
fn only_for_exports(index: usize, spec: &FieldSpec, issues: &mut Vec<Issue>) {
    let mut fault = |part: &str, message: &str| {
        let path = format!("spec.fields[{index}].{part}");
        issues.push(Issue::new(path, IssueCode::InvalidField, message));
    };
    if spec.when_missing == WhenMissing::Clear {
        fault(
            "whenMissing",
            "an import clears nothing: a missing value is left out of the profile",
        );
    }
    if spec.write_mode == WriteMode::OnlyIfEmpty {
        fault("writeMode", "an import writes each profile as a whole");
    }
}
