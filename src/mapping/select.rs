//! The filter of an export: a boolean expression over a profile. Pure.

use super::{
    cel::{
        Expression, MembersRead, Val,
        limits::{Fuel, STEP_LIMIT},
    },
    compile::compile_expression,
    issue::{Issue, IssueCode, RecordIssue},
    path::Path,
    plan::reason_of,
    shape::Shape,
};
use crate::domain::{Profile, Reason};

/// A compiled filter.
#[derive(Debug)]
pub struct Select {
    expression: Expression,
    path: Box<str>,
    operands: Vec<Path>,
}

/// The operands of a filter that no profile had so far: probably misspelled.
#[derive(Debug, Clone)]
pub struct NeverSeen(Vec<Path>);

impl NeverSeen {
    /// Notes the operands that a profile has.
    pub fn note(&mut self, profile: &Profile) {
        self.0.retain(|path| !path.leads_anywhere(profile.members()));
    }

    /// The paths that no profile had; of those that lead through each other, the shortest.
    pub fn paths(&self) -> Vec<String> {
        let other = |path: &Path| self.0.iter().any(|one| one != path && path.starts_with(one));
        self.0.iter().filter(|path| !other(path)).map(|path| format!("candidate.{path}")).collect()
    }
}

impl Select {
    /// Compiles the filter at `path` of an object, e.g. `spec.select`.
    pub fn compile(text: &str, path: &str) -> Result<Self, Issue> {
        let expression = compile_expression(text, path)?;
        if !matches!(expression.shape(), Shape::Boolean | Shape::Unknown) {
            let message = "a filter must be a boolean expression";
            return Err(Issue::new(path, IssueCode::TypeMismatch, message));
        }
        let operands = expression.operands();
        Ok(Self { expression, path: path.into(), operands })
    }

    /// The operands of the filter, before any profile is seen.
    pub fn never_seen(&self) -> NeverSeen {
        NeverSeen(self.operands.clone())
    }

    /// The place of the filter in its object: `spec.select`.
    pub fn place(&self) -> &str {
        &self.path
    }

    /// The members of a profile that it reads.
    pub fn reads(&self) -> MembersRead {
        self.expression.reads()
    }

    /// The members of `<member>` of a profile that it reads.
    pub fn reads_below(&self, member: &str) -> MembersRead {
        self.expression.reads_below(member)
    }

    /// Whether the profile is selected. It is not if the result depends on a member that is absent or
    /// null.
    pub fn matches(&self, profile: &Profile) -> Result<bool, RecordIssue> {
        let issue = |reason, message| RecordIssue {
            path: self.path.to_string(),
            attribute: None,
            reason,
            message,
        };
        match self.expression.value(profile.members(), &mut Fuel::new(STEP_LIMIT)) {
            Ok(Some(Val::Bool(selected))) => Ok(selected),
            Ok(None | Some(Val::Null)) => Ok(false),
            Ok(Some(other)) => {
                let message = format!("a filter must be true or false, not {}", other.kind());
                Err(issue(Reason::InvalidValue, message))
            }
            Err(error) => Err(issue(reason_of(&error.cause), error.message)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn run(text: &str, profile: Value) -> Result<bool, RecordIssue> {
        let select = Select::compile(text, "spec.select").unwrap();
        select.matches(&Profile::try_from(profile).unwrap())
    }

    #[test]
    fn a_missing_member_selects_nothing_and_a_wrong_kind_is_an_issue() {
        let profile = || json!({"skills": ["rust"], "yearsOfExperience": 5.5, "flag": "Zyzzyva"});
        assert_eq!(run("'rust' in candidate.skills", profile()), Ok(true));
        assert_eq!(run("candidate.yearsOfExperience >= 5", profile()), Ok(true));
        assert_eq!(run("candidate.title == 'x'", profile()), Ok(false));
        assert_eq!(
            run("candidate.title == 'x' || 'rust' in candidate.skills", profile()),
            Ok(true)
        );
        let issue = run("candidate.flag", profile()).unwrap_err();
        assert_eq!((issue.path.as_str(), issue.reason), ("spec.select", Reason::InvalidValue));
        assert!(!format!("{issue:?}").contains("Zyzzyva"));
    }

    #[test]
    fn operands_that_no_profile_has_are_known() {
        let text = "candidate.skill.exists(s, s.name == 'Rust') || 'Go' in candidate.skills || \
                    candidate.location.town == 'Oslo'";
        let select = Select::compile(text, "spec.select").unwrap();
        let mut never = select.never_seen();
        for profile in [json!({"skills": ["Go"]}), json!({"location": {"city": "Oslo"}})] {
            never.note(&Profile::try_from(profile).unwrap());
        }
        assert_eq!(never.paths(), ["candidate.skill", "candidate.location.town"]);
    }

    #[test]
    fn a_filter_that_cannot_be_boolean_is_refused_at_compilation() {
        let issue = Select::compile("candidate.skills.map(s, s)", "spec.select").unwrap_err();
        assert_eq!(issue.code, IssueCode::TypeMismatch);
    }
}
