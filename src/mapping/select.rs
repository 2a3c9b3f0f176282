//! The filter of an export: a boolean expression over a profile. Pure.

use super::{
    cel::{
        Expression, MembersRead, Val,
        limits::{Fuel, STEP_LIMIT},
    },
    compile::compile_expression,
    issue::{Issue, IssueCode, RecordIssue},
    plan::reason_of,
    shape::Shape,
};
use crate::domain::{Profile, Reason};

/// A compiled filter.
#[derive(Debug)]
pub struct Select {
    expression: Expression,
    path: Box<str>,
}

impl Select {
    /// Compiles the filter at `path` of an object, e.g. `spec.select`.
    pub fn compile(text: &str, path: &str) -> Result<Self, Issue> {
        let expression = compile_expression(text, path)?;
        if !matches!(expression.shape(), Shape::Boolean | Shape::Unknown) {
            let message = "a filter must be a boolean expression";
            return Err(Issue::new(path, IssueCode::TypeMismatch, message));
        }
        Ok(Self { expression, path: path.into() })
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
    fn a_filter_that_cannot_be_boolean_is_refused_at_compilation() {
        let issue = Select::compile("candidate.skills.map(s, s)", "spec.select").unwrap_err();
        assert_eq!(issue.code, IssueCode::TypeMismatch);
    }
}
