//! The resources that the client reads: candidates with what is attached to them, jobs and stages.
//! Pure; `Debug` never shows personal data.

use std::fmt;

use serde_json::{Map, Value};

use super::{
    contract::{ANONYMISED, Names},
    error::{ClinchError, NotClinchSign},
};
use crate::{
    domain::{ClinchId, MatchKey},
    jsonapi::Resource,
};

/// A candidate as Clinch returns it.
#[derive(Clone, PartialEq)]
pub struct Candidate {
    /// The id.
    pub id: ClinchId,
    /// The match attribute as Clinch has it; `None` for people without one, e.g. anonymised people.
    match_text: Option<String>,
    /// The name of the credential that created it.
    pub source: Option<String>,
    /// Every attribute.
    pub attributes: Map<String, Value>,
    /// Whether it is archived.
    pub archived: bool,
    /// Whether it is anonymised.
    pub anonymized: bool,
    /// The person into whom it was merged, if the contract has an attribute for that.
    pub merged_into: Option<ClinchId>,
    /// Addresses of profiles in a related resource, where that was requested.
    pub profile_urls: Vec<String>,
}

impl Candidate {
    /// The folded match attribute.
    pub fn match_key(&self) -> Option<MatchKey> {
        self.match_text.as_deref().and_then(MatchKey::fold)
    }

    pub(super) fn read(resource: Resource, names: &Names) -> Result<Self, ClinchError> {
        let id = id(&resource)?;
        let attributes = resource.attributes;
        let text = |name: &str| attributes.get(name).and_then(Value::as_str);
        let flag = |name: &str| attributes.get(name).and_then(Value::as_bool).unwrap_or(false);
        Ok(Self {
            id,
            match_text: text(&names.email).map(str::to_owned),
            source: text(&names.source).map(str::to_owned),
            archived: flag("archived"),
            merged_into: names
                .merged_into
                .as_deref()
                .and_then(text)
                .and_then(|id| ClinchId::parse(id).ok()),
            anonymized: ANONYMISED.iter().any(|name| is_set(attributes.get(*name))),
            attributes,
            profile_urls: Vec::new(),
        })
    }
}

/// Whether a flag is set: any date, non-zero number or word other than `false` and `no` counts.
fn is_set(flag: Option<&Value>) -> bool {
    match flag {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => {
            !["", "0", "false", "no"].contains(&text.trim().to_lowercase().as_str())
        }
        Some(Value::Bool(true) | Value::Array(_) | Value::Object(_)) => true,
    }
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Candidate({}, {} attributes)", self.id, self.attributes.len())
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The id.
    pub id: ClinchId,
    /// The reference that recruiters use.
    pub reference: Option<String>,
    /// The title.
    pub title: Option<String>,
}

/// A stage of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The id.
    pub id: ClinchId,
    /// The name.
    pub name: String,
}

/// A candidate's application to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// The id.
    pub id: ClinchId,
    /// The job.
    pub job: Option<ClinchId>,
    /// The stage.
    pub stage: Option<ClinchId>,
}

/// A file attached to a candidate, without its content.
#[derive(Clone, PartialEq, Eq)]
pub struct AttachmentInfo {
    /// The id.
    pub id: ClinchId,
    /// The file's name; often contains the person's name.
    pub file_name: Option<String>,
    /// The kind of file, e.g. `resume`.
    pub kind: Option<String>,
}

impl fmt::Debug for AttachmentInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AttachmentInfo({})", self.id)
    }
}

/// An activity of a candidate.
#[derive(Clone, PartialEq, Eq)]
pub struct Activity {
    /// The id.
    pub id: ClinchId,
    /// Its kind.
    pub kind: Option<String>,
    /// Its text.
    pub body: Option<String>,
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Activity({})", self.id)
    }
}

/// A file to attach.
#[derive(Clone, Copy)]
pub struct File<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its media type.
    pub content_type: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
    /// The kind of file, e.g. `resume`.
    pub kind: &'a str,
}

impl fmt::Debug for File<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({}, {} bytes)", self.content_type, self.bytes.len())
    }
}

pub(super) fn id(resource: &Resource) -> Result<ClinchId, ClinchError> {
    ClinchId::parse(&resource.id).map_err(|_| ClinchError::NotClinch(NotClinchSign::NoData))
}

fn text(resource: &Resource, name: &str) -> Option<String> {
    match resource.attributes.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

impl Job {
    pub(super) fn read(resource: &Resource, names: &Names) -> Result<Self, ClinchError> {
        let (reference, title) =
            (text(resource, &names.job_reference), text(resource, &names.job_title));
        Ok(Self { id: id(resource)?, reference, title })
    }
}

impl Stage {
    pub(super) fn read(resource: &Resource, names: &Names) -> Result<Self, ClinchError> {
        let name = text(resource, &names.stage_name).unwrap_or_default();
        Ok(Self { id: id(resource)?, name })
    }
}

impl Application {
    /// Job and stage are relationships, or the attributes `job_id` and `stage_id`.
    pub(super) fn read(resource: &Resource) -> Result<Self, ClinchError> {
        let to = |name: &str| {
            let related = resource.related(name).map(str::to_owned);
            let id = related.or_else(|| text(resource, &format!("{name}_id")))?;
            ClinchId::parse(&id).ok()
        };
        Ok(Self { id: id(resource)?, job: to("job"), stage: to("stage") })
    }
}

impl AttachmentInfo {
    pub(super) fn read(resource: &Resource, names: &Names) -> Result<Self, ClinchError> {
        let kind = names.attachment_kind.as_ref().and_then(|name| text(resource, name));
        Ok(Self { id: id(resource)?, file_name: text(resource, &names.file_name), kind })
    }
}

impl Activity {
    pub(super) fn read(resource: &Resource, names: &Names) -> Result<Self, ClinchError> {
        let kind = names.activity_kind.as_ref().and_then(|name| text(resource, name));
        Ok(Self { id: id(resource)?, kind, body: text(resource, &names.activity_body) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clinch::contract::Contract;

    #[test]
    fn a_candidate_is_read_and_its_debug_output_shows_no_personal_data() {
        let resource: Resource = serde_json::from_value(json!({"id": "c1", "attributes": {
            "email": " Jane@Example.com", "source": "hireEZ", "archived": true,
            "anonymized": null}}))
        .unwrap();
        let person = Candidate::read(resource, &Contract::built_in().names).unwrap();
        assert_eq!(person.match_key(), MatchKey::fold("jane@example.com"));
        assert_eq!((person.archived, person.anonymized), (true, false));
        let shown = format!("{person:?}");
        assert!(!shown.contains("ane@") && shown.contains("c1"), "{shown}");
    }

    #[test]
    fn a_flag_is_set_unless_it_says_no() {
        for no in [json!(null), json!(false), json!(0), json!(""), json!("false")] {
            assert!(!is_set(Some(&no)), "{no}");
        }
        for yes in [json!(true), json!(1), json!("true"), json!("2026-01-01T00:00:00Z")] {
            assert!(is_set(Some(&yes)), "{yes}");
        }
    }

    #[test]
    fn an_id_that_is_unsafe_in_a_path_makes_the_response_unusable() {
        let resource = Resource { id: "../jobs".into(), ..Resource::default() };
        let refused = Candidate::read(resource, &Contract::built_in().names).unwrap_err();
        assert_eq!(refused, ClinchError::NotClinch(NotClinchSign::NoData));
    }
}
