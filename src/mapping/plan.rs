//! A compiled mapping and its application to one profile. Pure, total, bounded.

use serde_json::{Map, Value};

use super::{
    cel::{
        Expression, FaultKind, MembersRead,
        limits::{Fuel, RECORD_STEP_LIMIT},
    },
    field_value::{FieldValue, Unfit},
    issue::RecordIssue,
    limits::MAX_VALUE_BYTES,
    mapped::{Doubt, Mapped, ResumeRef},
    path::Path,
    shape::Shape,
    spec::ResumeFrom,
    target::TargetAttribute,
    transform::{Refusal, Transform},
    usable,
};
use crate::domain::{AddressFault, Digest, EmailAddress, MatchKey, Profile, Reason};

/// A compiled mapping. Immutable; may be shared between threads.
#[derive(Debug)]
pub struct Plan {
    pub(super) fields: Vec<Field>,
    pub(super) match_key: usize,
    pub(super) resume: bool,
    pub(super) resume_from: ResumeFrom,
    pub(super) resume_required: bool,
    pub(super) tags: Option<Tags>,
    pub(super) digest: Digest,
    /// Attributes that the target requires of a new person.
    pub(super) required: Vec<Box<str>>,
    /// Whether values beyond what the target states are refused.
    pub(super) enforced: bool,
}

/// One compiled field.
#[derive(Debug)]
pub(super) struct Field {
    /// Index among the fields of the spec.
    pub index: usize,
    /// The target attribute.
    pub to: Box<str>,
    /// `spec.fields[3].expression`
    pub place: Box<str>,
    pub source: Source,
    pub transforms: Vec<Transform>,
    /// Whether a record without a value is rejected.
    pub required: bool,
    /// Whether a missing value is sent as null.
    pub clear: bool,
    pub only_if_empty: bool,
    pub shape: Shape,
    /// What the target takes, if that is known.
    pub target: Option<Box<TargetAttribute>>,
}

/// Where a value comes from.
#[derive(Debug)]
pub(super) enum Source {
    Path(Path),
    FirstUsable(Path),
    Constant(Value),
    Expression(Box<Expression>),
}

#[derive(Debug)]
pub(super) struct Tags {
    pub path: Path,
    pub activity: Box<str>,
}

impl Plan {
    /// Digest of the spec and the language's revision. The order of fields does not matter.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The target attributes, in the order of the spec.
    pub fn attributes(&self) -> impl ExactSizeIterator<Item = &str> {
        self.fields.iter().map(|field| &*field.to)
    }

    /// The fields, in the order of the spec: place and target attribute.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.fields.iter().map(|field| (&*field.place, &*field.to))
    }

    /// The target attributes, each with the profile path that it comes from, if it comes from one.
    pub fn origins(&self) -> impl ExactSizeIterator<Item = (&str, Option<String>)> {
        self.fields.iter().map(|field| {
            let path = match &field.source {
                Source::Path(path) | Source::FirstUsable(path) => Some(path.to_string()),
                Source::Constant(_) | Source::Expression(_) => None,
            };
            (&*field.to, path)
        })
    }

    /// The target attribute whose value is the match key.
    pub fn match_attribute(&self) -> &str {
        &self.fields[self.match_key].to
    }

    /// The place in the spec of the match key's value: `spec.fields[0].from`.
    pub fn match_place(&self) -> &str {
        &self.fields[self.match_key].place
    }

    /// Whether the mapping attaches the profile's resume.
    pub const fn attaches_resume(&self) -> bool {
        self.resume
    }

    /// What is attached as a resume.
    pub const fn resume_from(&self) -> ResumeFrom {
        self.resume_from
    }

    /// The members of `<member>` of a profile that the mapping reads.
    pub fn reads_below(&self, member: &str) -> MembersRead {
        let mut read = MembersRead::default();
        let paths = self.fields.iter().filter_map(|field| match &field.source {
            Source::Path(path) | Source::FirstUsable(path) => Some(path),
            Source::Constant(_) | Source::Expression(_) => None,
        });
        for path in paths.chain(self.tags.as_ref().map(|tags| &tags.path)) {
            match path.start() {
                (Some(first), Some(name)) if first == member => {
                    read.names.insert(name.to_owned());
                }
                (Some(first), None) if first == member => read.all = true,
                _ => {}
            }
        }
        for field in &self.fields {
            if let Source::Expression(expression) = &field.source {
                read.extend(expression.reads_below(member));
            }
        }
        read
    }

    /// Whether a record is rejected if its resume cannot be attached.
    pub const fn requires_resume(&self) -> bool {
        self.resume_required
    }

    /// The activity field for the tags, if tags are sent.
    pub fn tags_activity(&self) -> Option<&str> {
        self.tags.as_ref().map(|tags| &*tags.activity)
    }

    /// Maps one profile. Reports every fault of the record at once, without its values.
    pub fn apply(&self, profile: &Profile) -> Result<Mapped, Vec<RecordIssue>> {
        self.apply_noting(profile, &mut |_| {})
    }

    /// As [`Plan::apply`]; also calls `filled` with the number of each field that has a value, in the
    /// order of [`Plan::fields`], whether or not the record is rejected.
    pub fn apply_noting(
        &self,
        profile: &Profile,
        filled: &mut impl FnMut(usize),
    ) -> Result<Mapped, Vec<RecordIssue>> {
        self.apply_counted(profile, filled).0
    }

    /// As [`Plan::apply_noting`]; also returns how many steps the expressions took.
    pub(super) fn apply_counted(
        &self,
        profile: &Profile,
        filled: &mut impl FnMut(usize),
    ) -> (Result<Mapped, Vec<RecordIssue>>, u64) {
        let members = profile.members();
        let mut fuel = Fuel::new(RECORD_STEP_LIMIT);
        let mut issues = Vec::new();
        let mut attributes = Map::new();
        let mut only_if_empty = Vec::new();
        let mut match_key = None;
        let mut doubts = Vec::new();
        for (index, field) in self.fields.iter().enumerate() {
            let is_key = index == self.match_key;
            let value = field.value(members, &mut fuel).and_then(|value| {
                let value = value.or(field.clear.then_some(Value::Null));
                value.map(|value| self.accept(field, value, &mut doubts)).transpose()
            });
            match value {
                Ok(Some(Value::Null)) => {
                    attributes.insert(field.to.to_string(), Value::Null);
                }
                Ok(Some(value)) => {
                    filled(index);
                    let value = if is_key { field.address(&value) } else { Ok((value, None)) };
                    match value {
                        Ok((value, key)) => {
                            match_key = match_key.or(key);
                            attributes.insert(field.to.to_string(), value);
                        }
                        Err(issue) => issues.push(issue),
                    }
                    if field.only_if_empty {
                        only_if_empty.push(field.to.to_string());
                    }
                }
                Ok(None) if is_key => issues.push(field.no_key()),
                Ok(None) if field.required => {
                    let message = format!("no value for '{}'", field.to);
                    issues.push(field.issue(Reason::RequiredMissing, message));
                }
                Ok(None) => {}
                Err(issue) => issues.push(issue),
            }
        }
        let tags = self.tags(members).unwrap_or_else(|issue| {
            issues.push(issue);
            Vec::new()
        });
        let mapped = match match_key {
            Some(match_key) if issues.is_empty() => {
                let own = self.resume && self.resume_from.takes_own();
                let resume = if own { ResumeRef::of(members) } else { None };
                let lacking = self.lacking(&attributes);
                Ok(Mapped { attributes, only_if_empty, match_key, resume, doubts, lacking, tags })
            }
            _ => Err(issues),
        };
        (mapped, fuel.used())
    }

    /// The value as the target takes it.
    fn accept(
        &self,
        field: &Field,
        value: Value,
        doubts: &mut Vec<Doubt>,
    ) -> Result<Value, RecordIssue> {
        let Some(target) = &field.target else { return Ok(value) };
        let mut found = Vec::new();
        let accepted = target.accept(value, &mut |beyond| {
            if !found.contains(&beyond) {
                found.push(beyond);
            }
        });
        let accepted = accepted.and_then(|value| match found.first() {
            Some(beyond) if self.enforced => Err(beyond.words()),
            _ => Ok(value),
        });
        doubts.extend(found.into_iter().map(|beyond| Doubt { field: field.index, beyond }));
        accepted.map_err(|message| RecordIssue {
            path: format!("spec.fields[{}]", field.index),
            attribute: Some(field.to.to_string()),
            reason: Reason::InvalidValue,
            message,
        })
    }

    /// The attributes that the target requires of a new person and that have no value.
    fn lacking(&self, attributes: &Map<String, Value>) -> Vec<Box<str>> {
        let has = |name: &str| attributes.get(name).is_some_and(|value| !value.is_null());
        self.required.iter().filter(|name| !has(name)).cloned().collect()
    }

    fn tags(&self, members: &Map<String, Value>) -> Result<Vec<String>, RecordIssue> {
        let Some(tags) = &self.tags else { return Ok(Vec::new()) };
        let issue = |reason, message: String| RecordIssue {
            path: "spec.tags.from".to_owned(),
            attribute: None,
            reason,
            message,
        };
        let items = match FieldValue::found(tags.path.find(members)) {
            FieldValue::Missing => return Ok(Vec::new()),
            FieldValue::List(items) => items,
            one => vec![one],
        };
        let mut room = MAX_VALUE_BYTES;
        let mut known = std::collections::HashSet::new();
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            let text = item.into_text().map_err(|other| {
                issue(Reason::InvalidValue, format!("a tag must be a string, not {}", other.kind()))
            })?;
            let text = text.trim();
            room = room.checked_sub(text.len()).ok_or_else(|| {
                issue(Reason::TooLarge, "the tags exceed the maximum size of a value".to_owned())
            })?;
            if known.insert(text.to_owned()) {
                texts.push(text.to_owned());
            }
        }
        Ok(texts)
    }
}

impl Field {
    /// The match key of a mapped value, and the address as it is sent.
    fn address(&self, value: &Value) -> Result<(Value, Option<MatchKey>), RecordIssue> {
        let Value::String(text) = value else {
            let message = "the match key must be an e-mail address, which is a string";
            return Err(self.issue(Reason::InvalidValue, message.to_owned()));
        };
        match EmailAddress::parse(text) {
            Ok(address) => Ok((address.text().into(), Some(MatchKey::of(&address, text)))),
            Err(AddressFault::Blank) => Err(self.no_key()),
            Err(fault) => {
                let message = format!("the match key must be one e-mail address: {fault}");
                Err(self.issue(Reason::InvalidValue, message))
            }
        }
    }

    fn no_key(&self) -> RecordIssue {
        let message = format!("no value for '{}', the match key", self.to);
        self.issue(Reason::MatchKeyMissing, message)
    }

    /// The value to send; `None` when there is none.
    pub(super) fn value(
        &self,
        members: &Map<String, Value>,
        fuel: &mut Fuel,
    ) -> Result<Option<Value>, RecordIssue> {
        let mut value = match &self.source {
            Source::Path(path) => FieldValue::found(path.find(members)),
            Source::FirstUsable(path) => usable::first(path, members)
                .map_err(|message| self.issue(Reason::InvalidValue, message))?,
            Source::Constant(value) => FieldValue::of(value),
            Source::Expression(expression) => match expression.value(members, fuel) {
                Ok(None) => FieldValue::Missing,
                Ok(Some(value)) => {
                    FieldValue::computed(value).map_err(|unfit| self.unfit(unfit))?
                }
                Err(error) => return Err(self.issue(reason_of(&error.cause), error.message)),
            },
        };
        for (index, transform) in self.transforms.iter().enumerate() {
            value = transform.apply(value).map_err(|refusal| {
                let (reason, message) = match refusal {
                    Refusal::Invalid(message) => (Reason::InvalidValue, message),
                    Refusal::TooLarge => (
                        Reason::TooLarge,
                        "the result exceeds the maximum size of a value".to_owned(),
                    ),
                };
                let mut issue = self.issue(reason, message);
                issue.path = format!("spec.fields[{}].transforms[{index}]", self.index);
                issue
            })?;
        }
        value.into_json().map_err(|unfit| self.unfit(unfit))
    }

    fn unfit(&self, unfit: Unfit) -> RecordIssue {
        match unfit {
            Unfit::TooLarge => {
                let most = MAX_VALUE_BYTES;
                let message = format!("the value has more than {most} bytes; use truncate");
                self.issue(Reason::TooLarge, message)
            }
            Unfit::NotJson => {
                let message =
                    "the value is nested too deeply, or a number that JSON cannot represent";
                self.issue(Reason::InvalidValue, message.to_owned())
            }
        }
    }

    pub(super) fn issue(&self, reason: Reason, message: String) -> RecordIssue {
        let attribute = Some(self.to.to_string());
        RecordIssue { path: self.place.to_string(), attribute, reason, message }
    }
}

/// The reason for an expression that fails. Only an unexpectedly large record runs out of steps.
pub(super) const fn reason_of(cause: &FaultKind) -> Reason {
    match cause {
        FaultKind::Exhausted | FaultKind::TooLarge => Reason::TooLarge,
        FaultKind::Missing | FaultKind::Invalid(_) => Reason::InvalidValue,
    }
}

#[cfg(test)]
mod tests;
