//! Which jobs and stages an integration permits. Pure.

use serde::Serialize;

use crate::domain::did_you_mean;

/// Matches every job, or every stage of a job.
const ANY: &str = "*";

/// One permitted job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobRule {
    /// Its id or its reference; `"*"` for any.
    pub job: String,
    /// The permitted stages; `"*"` for any.
    pub stages: Vec<String>,
}

impl JobRule {
    fn is_of(&self, job: &str) -> bool {
        self.job == ANY || self.job == job
    }

    fn has(&self, stage: &str) -> bool {
        self.stages.iter().any(|known| known == ANY || known == stage)
    }
}

/// Every permitted job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JobRules(pub Vec<JobRule>);

/// What the rules say about a job of which one name is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleVerdict {
    /// Permitted.
    Allowed,
    /// Refused, whatever its other name is.
    Refused,
    /// A rule may mean this job by its other name: only Clinch knows.
    AskClinch,
}

impl JobRules {
    /// Evaluates the rules for a job named by its id or its reference alone.
    pub fn evaluate(&self, named: &str, stage: &str) -> RuleVerdict {
        if self.allow([named], stage) {
            RuleVerdict::Allowed
        } else if self.0.iter().any(|rule| rule.has(stage)) {
            RuleVerdict::AskClinch
        } else {
            RuleVerdict::Refused
        }
    }

    /// Whether a job with these names is permitted at a stage.
    pub fn allow<'a>(&self, names: impl IntoIterator<Item = &'a str>, stage: &str) -> bool {
        names.into_iter().any(|job| self.0.iter().any(|rule| rule.is_of(job) && rule.has(stage)))
    }

    /// The message of a refusal. Suggests only what is permitted, and reads the same whether or not
    /// Clinch has such a job.
    pub fn refusal(&self, named: &str, stage: &str) -> String {
        let of_job = || self.0.iter().filter(|rule| rule.is_of(named));
        let near = if of_job().next().is_some() {
            let stages = of_job().flat_map(|rule| &rule.stages).filter(|known| *known != ANY);
            did_you_mean(stage, stages.map(String::as_str)).map(|near| hint("stage", near))
        } else {
            let jobs = self.0.iter().filter(|rule| rule.has(stage));
            did_you_mean(named, jobs.map(|rule| rule.job.as_str())).map(|near| hint("job", near))
        };
        format!(
            "the integration does not permit pushing to stage {stage:?} of job {named:?}{}; ask \
             its admin to add them to spec.pushPermission.jobs",
            near.unwrap_or_default()
        )
    }
}

/// The end of a message that suggests a name.
pub(super) fn hint(what: &str, near: &str) -> String {
    format!(" (did you mean {what} {near:?}?)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(rules: &[(&str, &[&str])]) -> JobRules {
        let rule = |(job, stages): &(&str, &[&str])| JobRule {
            job: (*job).to_owned(),
            stages: stages.iter().map(|stage| (*stage).to_owned()).collect(),
        };
        JobRules(rules.iter().map(rule).collect())
    }

    #[test]
    fn a_stage_without_a_rule_is_refused_and_an_unknown_name_is_left_to_clinch() {
        let rules = rules(&[("ENG-101", &["Sourced"]), ("ENG-102", &["*"]), ("ENG-103", &[])]);
        assert_eq!(rules.evaluate("ENG-101", "Sourced"), RuleVerdict::Allowed);
        assert_eq!(rules.evaluate("ENG-102", "Offer"), RuleVerdict::Allowed);
        assert_eq!(
            rules.evaluate("77", "Sourced"),
            RuleVerdict::AskClinch,
            "77 may be the id of ENG-101"
        );
        assert!(rules.allow(["77", "ENG-101"], "Sourced"));
        assert!(!rules.allow(["78", "ENG-103"], "Sourced"), "no stage of it");
        assert_eq!(JobRules::default().evaluate("ENG-101", "Sourced"), RuleVerdict::Refused);
        let any = super::tests::rules(&[("*", &["Sourced"])]);
        assert_eq!(any.evaluate("anything", "Sourced"), RuleVerdict::Allowed);
        assert_eq!(any.evaluate("anything", "Offer"), RuleVerdict::Refused);
    }

    #[test]
    fn a_refusal_suggests_only_what_is_permitted() {
        let rules = rules(&[("ENG-101", &["Sourced"]), ("SEC-900", &["Offer"])]);
        assert!(rules.refusal("ENG-101", "Sorced").contains("did you mean stage \"Sourced\"?"));
        assert!(rules.refusal("ENG-10", "Sourced").contains("did you mean job \"ENG-101\"?"));
        assert!(!rules.refusal("ENG-101", "Ofer").contains("did you mean"), "not of this job");
        assert!(!rules.refusal("SEC-90", "Sourced").contains("did you mean"), "not at this stage");
    }
}
