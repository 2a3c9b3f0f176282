//! What the emulator offers and under which names: by default the built-in contract, which a file
//! may change. Pure.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::{
    constraints::{Constraint, fits, is_of},
    limit::RateLimit,
    operation::Operation,
    people::Order,
    shift::Shift,
    signature::Generation,
    stored_form::StoredForm,
    updated_since::UpdatedSince,
};

/// The response to a second create with the same e-mail address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Duplicates {
    /// 422 that points at the e-mail attribute.
    #[default]
    Reject422,
    /// 409.
    Conflict409,
    /// 200 with the existing person, updated.
    Upsert200,
    /// 201: two people.
    Allow,
}

/// The response to an update of an anonymised person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum PatchAnonymised {
    /// 200, as for anybody else.
    #[default]
    Accept,
    /// 422.
    Reject422,
}

/// Where people's LinkedIn profiles are, instead of in an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum SocialProfile {
    /// In the links of an included resource, as objects.
    Links,
    /// In its links, as texts.
    LinkTexts,
    /// In its attributes, as objects.
    Attributes,
    /// In its attributes, as texts.
    AttributeTexts,
    /// Nowhere: people refer to a resource that is not included.
    NotIncluded,
    /// Nowhere: the parameter is published and ignored.
    Ignored,
    /// Nowhere: the parameter is published and answered with 400.
    Refused,
}

/// What the emulator offers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a file")]
pub struct SandboxContract {
    /// Whether an OpenAPI document is published. Default: true.
    #[serde(rename = "openapi")]
    pub(super) open_api: Option<bool>,
    /// The document to publish; absent: one that describes this contract.
    pub document: Option<Value>,
    /// Paths by operation id; `off` switches one off.
    pub(super) operations: BTreeMap<Operation, String>,
    /// Only the documented operations.
    pub(super) assumed_off: bool,
    /// Candidate attributes by built-in name.
    pub(super) attributes: BTreeMap<String, String>,
    /// What the document says of candidate attributes, by built-in name.
    pub(super) constraints: BTreeMap<String, Constraint>,
    /// Whether a value beyond a constraint is 422. Default: true; otherwise the document is stricter
    /// than the server. Types are always checked.
    pub(super) enforce_constraints: Option<bool>,
    /// Attachment attributes by built-in name.
    pub(super) attachment: BTreeMap<String, String>,
    /// Activity attributes by built-in name.
    pub(super) activity: BTreeMap<String, String>,
    /// Job attributes by built-in name.
    pub(super) job: BTreeMap<String, String>,
    /// Stage attributes by built-in name.
    pub(super) stage: BTreeMap<String, String>,
    /// How lists are paged.
    pub(super) paging: Paging,
    /// Names inside `filter[...]` by built-in attribute name; by default the attribute's own.
    pub(super) filter: BTreeMap<String, String>,
    /// The candidate filter tells capitals apart.
    pub(super) case_sensitive_filter: bool,
    /// Ignore the candidate filter and list everybody.
    pub(super) ignore_filter: bool,
    /// A parameter for people changed since a time; absent: there is none.
    pub(super) updated_since: Option<UpdatedSince>,
    /// Where people's LinkedIn profiles are; absent: in the attribute `linkedin_url`.
    pub(super) social_profile: Option<SocialProfile>,
    /// The response to a second create with the same e-mail address.
    pub duplicate_email: Duplicates,
    /// How long list and filter hide a created person, in milliseconds.
    pub search_lag_ms: u64,
    /// Whether anonymised people can be updated.
    pub(super) patch_anonymised: PatchAnonymised,
    /// Whether people have the attribute `anonymized`. Default: true.
    pub(super) anonymized_flag: Option<bool>,
    /// Changes by others while the list of everybody is read.
    pub(super) shift: Shift,
    /// Candidate attributes, by built-in name, that are stored in another form than they are sent in.
    pub(super) stored_forms: BTreeMap<String, StoredForm>,
    /// Reject unknown attributes instead of dropping them.
    pub strict: bool,
    /// Which generation of the signature gem is emulated.
    pub(super) generation: Generation,
    /// Also accept signatures without the method.
    pub(super) legacy_signatures: bool,
    /// Answer 429 above this rate.
    pub rate_limit: Option<RateLimit>,
}

/// What a page beyond the last one of the list of everybody shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Beyond {
    /// Nothing; links end at the last page.
    Nothing,
    /// The last page again; each page has a next one.
    Repeat,
    /// A person who does not exist; each page has a next one.
    Invent,
}

/// How lists are paged.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Paging {
    /// Name of the page number parameter; absent: all three spellings.
    pub(super) page: Option<String>,
    /// Name of the page size parameter.
    pub(super) per_page: Option<String>,
    pub(super) default: usize,
    pub(super) max: usize,
    pub(super) links: bool,
    pub(super) meta: bool,
    /// In which order people are listed.
    pub(super) order: Order,
    /// Maximum number of people that paging reaches, from the start of the list.
    pub(super) window: Option<usize>,
    /// Upper bound of the stated total.
    pub(super) total_cap: Option<usize>,
    /// What a page beyond the last one shows.
    pub(super) beyond: Beyond,
    /// Error added to the stated total.
    pub(super) total_wrong: isize,
    /// The list and its total leave archived people out; the filter finds them.
    pub(super) hide_archived: bool,
}

impl Default for Paging {
    fn default() -> Self {
        Self {
            page: None,
            per_page: None,
            default: 25,
            max: 100,
            links: true,
            meta: true,
            order: Order::Created,
            window: None,
            beyond: Beyond::Nothing,
            total_cap: None,
            total_wrong: 0,
            hide_archived: false,
        }
    }
}

impl Paging {
    /// How many of the listed people paging reaches.
    pub(super) fn reachable(&self, listed: usize) -> usize {
        self.window.map_or(listed, |window| listed.min(window))
    }

    /// The total that the list states.
    pub(super) fn claimed(&self, listed: usize) -> usize {
        let claimed = listed.saturating_add_signed(self.total_wrong);
        self.total_cap.map_or(claimed, |cap| claimed.min(cap))
    }
}

/// Name, JSON type, and whether the attribute is read-only.
pub(super) type AttributeSpec = (&'static str, &'static str, bool);

/// Candidate attributes, by built-in name.
pub(super) const CANDIDATE_ATTRIBUTES: &[AttributeSpec] = &[
    ("email", "string", false),
    ("first_name", "string", false),
    ("last_name", "string", false),
    ("phone", "string", false),
    ("address", "string", false),
    ("country", "string", false),
    ("location", "string", false),
    ("current_employer", "string", false),
    ("current_job_title", "string", false),
    ("linkedin_url", "string", false),
    ("summary", "string", false),
    ("tags", "array", false),
    ("custom_fields", "object", false),
    ("source", "string", true),
    ("created_at", "string", true),
    ("updated_at", "string", true),
    ("archived", "boolean", true),
    ("anonymized", "boolean", true),
];

/// Attachment attributes, by built-in name.
pub(super) const ATTACHMENT_ATTRIBUTES: &[&str] =
    &["file_name", "content_type", "kind", "content", "byte_size", "sha256"];
/// Activity attributes, by built-in name.
pub(super) const ACTIVITY_ATTRIBUTES: &[&str] = &["kind", "body"];
/// Job attributes, by built-in name.
pub(super) const JOB_ATTRIBUTES: &[&str] = &["title", "reference", "status"];
/// Stage attributes, by built-in name.
pub(super) const STAGE_ATTRIBUTES: &[&str] = &["name", "position"];
/// Attributes that lists can be filtered by.
pub(super) const FILTERS: &[&str] = &["email", "reference"];

fn renamed<'a>(names: &'a BTreeMap<String, String>, built_in: &'a str) -> &'a str {
    names.get(built_in).map_or(built_in, String::as_str)
}

impl SandboxContract {
    /// The name inside `filter[...]` of an attribute with wire name `wire`.
    pub(super) fn filter<'a>(&'a self, built_in: &str, wire: &'a str) -> &'a str {
        self.filter.get(built_in).map_or(wire, String::as_str)
    }

    /// How long list and filter hide a created person.
    pub(super) fn search_lag(&self) -> Duration {
        Duration::from_millis(self.search_lag_ms)
    }

    /// The path template of an operation; `None` if it is off.
    pub(super) fn path(&self, operation: Operation) -> Option<&str> {
        if self.assumed_off && !operation.is_documented() {
            return None;
        }
        match self.operations.get(&operation).map(String::as_str) {
            Some("off") => None,
            Some(path) => Some(path),
            None => Some(operation.built_in().2),
        }
    }

    /// The operation with that method and path, and the ids in the path.
    pub(super) fn route(&self, method: &str, path: &str) -> Option<(Operation, Vec<String>)> {
        Operation::ALL.into_iter().filter(|operation| operation.method() == method).find_map(
            |operation| {
                let template = self.path(operation)?;
                let (mut expected, mut given) = (template.split('/'), path.split('/'));
                let mut ids = Vec::new();
                loop {
                    match (expected.next(), given.next()) {
                        (None, None) => return Some((operation, ids)),
                        (Some(part), Some(id)) if part.starts_with('{') && !id.is_empty() => {
                            ids.push(id.to_owned());
                        }
                        (Some(part), Some(text)) if part == text => {}
                        _ => return None,
                    }
                }
            },
        )
    }

    pub(super) fn candidate<'a>(&'a self, built_in: &'a str) -> &'a str {
        renamed(&self.attributes, built_in)
    }

    pub(super) fn attachment_name<'a>(&'a self, built_in: &'a str) -> &'a str {
        renamed(&self.attachment, built_in)
    }

    pub(super) fn activity_name<'a>(&'a self, built_in: &'a str) -> &'a str {
        renamed(&self.activity, built_in)
    }

    pub(super) fn job_name<'a>(&'a self, built_in: &'a str) -> &'a str {
        renamed(&self.job, built_in)
    }

    pub(super) fn stage_name<'a>(&'a self, built_in: &'a str) -> &'a str {
        renamed(&self.stage, built_in)
    }

    /// The attributes that candidates have.
    pub(super) fn candidate_attributes(&self) -> impl Iterator<Item = AttributeSpec> {
        let flag = self.anonymized_flag != Some(false);
        let linked = self.social_profile.is_some();
        let is_offered = move |name: &str| match name {
            "anonymized" => flag,
            "linkedin_url" => !linked,
            _ => true,
        };
        let offered = CANDIDATE_ATTRIBUTES.iter().filter(move |(name, ..)| is_offered(name));
        offered.map(|(name, kind, read_only)| {
            let constraint = self.constraints.get(*name);
            let kind = constraint.and_then(Constraint::kind).unwrap_or(kind);
            (*name, kind, *read_only || constraint.is_some_and(|constraint| constraint.read_only))
        })
    }

    /// Whether a value has the type of a candidate attribute.
    pub(super) fn is_typed(&self, name: &str, kind: &str, value: &Value) -> bool {
        let described = self.constraints.get(name).is_some_and(Constraint::describes_items);
        if described { is_of(kind, value) } else { fits(kind, value) }
    }

    /// Why the server refuses a value of a candidate attribute, if it does.
    pub(super) fn fault(&self, name: &str, value: &Value) -> Option<&'static str> {
        let enforced = self.enforce_constraints != Some(false);
        self.constraints.get(name).filter(|_| enforced)?.fault(value)
    }

    /// Candidate attributes that a create needs, by built-in name.
    pub(super) fn required(&self) -> impl Iterator<Item = &str> {
        let enforced = self.enforce_constraints != Some(false);
        let constraints = self.constraints.iter().filter(move |(_, c)| enforced && c.required);
        constraints.map(|(name, _)| name.as_str())
    }

    /// The spec of a candidate attribute by its wire name.
    pub(super) fn candidate_spec(&self, wire: &str) -> Option<AttributeSpec> {
        self.candidate_attributes().find(|(name, ..)| self.candidate(name) == wire)
    }
}
