//! Changes of an account by somebody else: people are added, edited, anonymised and deleted. For
//! tests, since the API has no operations for it.

use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};

use super::{
    constraints::fits,
    contract::CANDIDATE_ATTRIBUTES,
    merge::OldId,
    person::Person,
    shared::Shared,
    shift::ELSEWHERE,
    state::{Account, lock},
};

/// Attributes that anonymisation clears.
const FORGOTTEN: [&str; 12] = [
    "email",
    "first_name",
    "last_name",
    "phone",
    "address",
    "location",
    "current_employer",
    "current_job_title",
    "linkedin_url",
    "summary",
    "tags",
    "custom_fields",
];

/// Why a change cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// There is no account with that name.
    #[error("account: there is no account {0:?}")]
    NoAccount(String),
    /// There are several accounts, and none was named.
    #[error("account: name one of {0}")]
    WhichAccount(String),
    /// The account has no such person.
    #[error("the account has no such person")]
    NoPerson,
    /// Neither or both of id and e-mail address were given.
    #[error("id, email: give exactly one of them")]
    WhichPerson,
    /// A person cannot be merged with themselves.
    #[error("from, into: one and the same person")]
    OnePerson,
    /// The attributes are not an object.
    #[error("attributes: not an object")]
    NotAnObject,
    /// There is no attribute with that name.
    #[error("attributes.{0}: no such attribute")]
    NoAttribute(String),
    /// The attribute has another type.
    #[error("attributes.{0}: wrong type")]
    WrongType(String),
}

/// The person to change.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who<'a> {
    Id(&'a str),
    Email(&'a str),
}

impl<'a> Who<'a> {
    /// An e-mail address contains an @, an id does not.
    pub(super) fn from_text(text: &'a str) -> Self {
        if text.contains('@') { Self::Email(text) } else { Self::Id(text) }
    }

    fn find(self, account: &Account) -> Result<Arc<Person>, ChangeError> {
        let found = match self {
            Self::Id(id) => account.people.get(id),
            Self::Email(email) => account.people.with_email(email).next(),
        };
        found.cloned().ok_or(ChangeError::NoPerson)
    }
}

impl Shared {
    /// An account by name; without a name, the only account.
    fn account(&self, name: Option<&str>) -> Result<Arc<Mutex<Account>>, ChangeError> {
        let accounts = self.accounts();
        if let Some(name) = name {
            let found = accounts.get(name).cloned();
            return found.ok_or_else(|| ChangeError::NoAccount(name.to_owned()));
        }
        let mut all = accounts.values();
        if let (Some(only), None) = (all.next(), all.next()) {
            return Ok(only.clone());
        }
        let names: Vec<&str> = accounts.keys().map(String::as_str).collect();
        Err(ChangeError::WhichAccount(names.join(", ")))
    }

    /// Clears everything that identifies the person. Returns the id.
    pub(super) fn anonymise(
        &self,
        account: Option<&str>,
        who: Who<'_>,
    ) -> Result<String, ChangeError> {
        let mut changes: Map<String, Value> =
            FORGOTTEN.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
        changes.insert("anonymized".to_owned(), true.into());
        self.change(account, who, changes)
    }

    /// Merges one record into another, which keeps its attributes and gets the applications, files and
    /// activities of both. Returns the id that is left.
    pub(super) fn merge(
        &self,
        account: Option<&str>,
        (from, into): (Who<'_>, Who<'_>),
        old_id: OldId,
    ) -> Result<String, ChangeError> {
        let account = self.account(account)?;
        let mut account = lock(&account);
        let (from, into) = (from.find(&account)?, into.find(&account)?);
        if from.id == into.id {
            return Err(ChangeError::OnePerson);
        }
        account.people.remove(&from.id);
        if let Some(kept) = account.people.get_mut(&into.id) {
            kept.applications.extend(from.applications.iter().cloned());
            kept.attachments.extend(from.attachments.iter().cloned());
            kept.activities.extend(from.activities.iter().cloned());
        }
        account.change(&into.id, Map::new(), self.now());
        account.merges.insert(from.id.clone(), (into.id.clone(), old_id));
        Ok(into.id.clone())
    }

    /// Deletes the person. Returns the id.
    pub(super) fn delete(
        &self,
        account: Option<&str>,
        who: Who<'_>,
    ) -> Result<String, ChangeError> {
        let account = self.account(account)?;
        let mut account = lock(&account);
        let id = who.find(&account)?.id.clone();
        account.people.remove(&id);
        Ok(id)
    }

    /// Sets attributes by built-in name. Returns the id.
    pub(super) fn edit(
        &self,
        account: Option<&str>,
        who: Who<'_>,
        attributes: &Value,
    ) -> Result<String, ChangeError> {
        self.change(account, who, checked(attributes)?)
    }

    fn change(
        &self,
        account: Option<&str>,
        who: Who<'_>,
        changes: Map<String, Value>,
    ) -> Result<String, ChangeError> {
        let account = self.account(account)?;
        let mut account = lock(&account);
        let id = who.find(&account)?.id.clone();
        account.change(&id, changes, self.now());
        Ok(id)
    }

    /// Adds a person, even if the e-mail address is taken. Returns the id.
    pub(super) fn add_person(
        &self,
        account: Option<&str>,
        attributes: &Value,
        source: Option<&str>,
    ) -> Result<String, ChangeError> {
        let attributes = checked(attributes)?;
        let lag = self.contract().search_lag();
        let account = self.account(account)?;
        let person = lock(&account).add(attributes, source.unwrap_or(ELSEWHERE), lag, self.now());
        Ok(person.id.clone())
    }

    /// Lets the candidate filter find nobody from now on, or everybody again.
    pub(super) fn set_blind(&self, account: &str, blind: bool) {
        if let Ok(account) = self.account(Some(account)) {
            lock(&account).blind = blind;
        }
    }

    /// Number of e-mail addresses that more than one person has.
    pub(super) fn doubled(&self, account: &str) -> usize {
        self.account(Some(account)).map_or(0, |account| lock(&account).people.doubled())
    }
}

/// Attributes by built-in name; null clears.
fn checked(attributes: &Value) -> Result<Map<String, Value>, ChangeError> {
    let attributes = attributes.as_object().ok_or(ChangeError::NotAnObject)?;
    for (name, value) in attributes {
        let known = CANDIDATE_ATTRIBUTES.iter().find(|(found, ..)| found == name);
        let (_, kind, _) = known.ok_or_else(|| ChangeError::NoAttribute(name.clone()))?;
        if !value.is_null() && !fits(kind, value) {
            return Err(ChangeError::WrongType(name.clone()));
        }
    }
    Ok(attributes.clone())
}
