//! Assigns attributes of a discovered schema to roles. Pure.
//!
//! The rule: a known spelling first, in order of preference; otherwise the only attribute that fits
//! by type or format and has no other role; otherwise none.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Attribute, AttributeKind, Contract, Op, State,
    schema::{MAX_ATTRIBUTES, OperationObject, Reader},
};

/// The flag of an anonymised person, in both spellings.
pub const ANONYMISED: [&str; 2] = ["anonymized", "anonymised"];

/// What an attribute with the address of a LinkedIn profile is usually called.
const LINKEDIN: [&str; 5] =
    ["linkedin_url", "linkedin", "linkedin_profile_url", "linkedin_profile", "linked_in_url"];
/// The same for GitHub.
const GITHUB: [&str; 4] = ["github_url", "github", "github_profile_url", "github_profile"];

/// Finds the names that the operator itself needs. A write whose essential attributes cannot be
/// identified is not offered: no attachment is better than one under a guessed name.
pub(super) fn read_names<'a>(
    reader: &Reader<'a>,
    found: &BTreeMap<Op, OperationObject<'a>>,
    contract: &mut Contract,
) {
    let returned = |op: Op| found.get(&op).and_then(|f| reader.response_attributes(f.body));
    let accepted = |op: Op| found.get(&op).and_then(|f| reader.request_attributes(f.body));
    let person = returned(Op::GetCandidate).or_else(|| returned(Op::ListCandidates));
    contract.shown_attributes = shown([returned(Op::GetCandidate), returned(Op::ListCandidates)]);
    let has_flag = person
        .as_ref()
        .is_none_or(|person| ANONYMISED.iter().any(|spelling| person.contains_key(*spelling)));
    contract.shows_anonymised = has_flag && found.contains_key(&Op::GetCandidate);
    let names = &mut contract.names;
    names.linkedin_url = person.as_ref().and_then(|person| text_named(person, &LINKEDIN));
    names.github_url = person.as_ref().and_then(|person| text_named(person, &GITHUB));
    let string = |a: &Attribute| a.kind == AttributeKind::String;
    if let Some(jobs) = returned(Op::ListJobs).or_else(|| returned(Op::GetJob)) {
        let mut picked = BTreeSet::new();
        let reference = ["reference", "job_reference", "requisition_id", "code", "external_id"];
        keep(&mut names.job_reference, pick(&jobs, &mut picked, &reference, |_| false));
        keep(&mut names.job_title, pick(&jobs, &mut picked, &["title", "name"], string));
    }
    if let Some(stages) = returned(Op::ListStages) {
        let picked = &mut BTreeSet::new();
        keep(&mut names.stage_name, pick(&stages, picked, &["name", "title", "label"], string));
    }
    if let Some(file) = accepted(Op::CreateAttachment) {
        let mut picked = BTreeSet::new();
        let bytes =
            |a: &Attribute| matches!(a.format.as_deref(), Some("byte" | "binary" | "base64"));
        let content = pick(
            &file,
            &mut picked,
            &["content", "content_base64", "data", "base64", "file", "body"],
            bytes,
        );
        names.content_type = pick(
            &file,
            &mut picked,
            &["content_type", "contentType", "mime_type", "mimeType", "media_type"],
            |_| false,
        );
        names.attachment_kind = pick(
            &file,
            &mut picked,
            &["kind", "attachment_type", "document_type", "file_type", "category", "type"],
            |_| false,
        );
        let file_name = pick(
            &file,
            &mut picked,
            &["file_name", "filename", "fileName", "name", "title"],
            string,
        );
        require(contract, Op::CreateAttachment, content.is_some() && file_name.is_some());
        keep(&mut contract.names.content, content);
        keep(&mut contract.names.file_name, file_name);
    }
    if let Some(activity) = accepted(Op::CreateActivity) {
        let mut picked = BTreeSet::new();
        contract.names.activity_kind = pick(
            &activity,
            &mut picked,
            &["kind", "activity_type", "activityType", "type_name", "type", "category"],
            |_| false,
        );
        let body = pick(
            &activity,
            &mut picked,
            &["body", "text", "note", "content", "description", "comment"],
            string,
        );
        require(contract, Op::CreateActivity, body.is_some());
        keep(&mut contract.names.activity_body, body);
    }
}

/// The attributes that reads of people show; `None` if a document does not say so, or lists more than are
/// taken from it.
fn shown(reads: [Option<BTreeMap<String, Attribute>>; 2]) -> Option<BTreeSet<String>> {
    let listed: Vec<_> = reads.into_iter().flatten().collect();
    let is_whole = !listed.is_empty() && listed.iter().all(|read| read.len() < MAX_ATTRIBUTES);
    is_whole.then(|| listed.into_iter().flat_map(BTreeMap::into_keys).collect())
}

/// The first of `spellings` that is a text.
fn text_named(attributes: &BTreeMap<String, Attribute>, spellings: &[&str]) -> Option<String> {
    let is_text = |name: &&&str| {
        attributes.get(**name).is_some_and(|found| {
            matches!(found.kind, AttributeKind::String | AttributeKind::Unknown)
        })
    };
    spellings.iter().find(is_text).map(|name| (*name).to_owned())
}

fn keep(slot: &mut String, name: Option<String>) {
    if let Some(name) = name {
        *slot = name;
    }
}

fn require(contract: &mut Contract, op: Op, identified: bool) {
    if !identified {
        let operation = contract.operations.get_mut(&op).expect("an entry for every operation");
        operation.state = State::NotOffered;
    }
}

/// The first of `spellings` among the attributes, otherwise the only one that fits and is not
/// picked yet.
fn pick(
    attributes: &BTreeMap<String, Attribute>,
    picked: &mut BTreeSet<String>,
    spellings: &[&str],
    fits: impl Fn(&Attribute) -> bool,
) -> Option<String> {
    let by_name = spellings
        .iter()
        .find(|name| attributes.contains_key(**name) && !picked.contains(**name))
        .map(|name| (*name).to_owned());
    let choice = by_name.or_else(|| {
        let free = |(name, a): &(&String, &Attribute)| !picked.contains(*name) && fits(a);
        let mut fitting = attributes.iter().filter(free).map(|(name, _)| name);
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Some(only.clone()),
            _ => None,
        }
    })?;
    picked.insert(choice.clone());
    Some(choice)
}
