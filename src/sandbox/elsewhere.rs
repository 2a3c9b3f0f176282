//! What somebody else does in an account: people are added, edited, anonymised and deleted. For
//! tests, which have no API for it.

use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};

use super::{
    candidates::fits,
    contract::CANDIDATE_ATTRIBUTES,
    shared::Shared,
    shift::ELSEWHERE,
    state::{Account, Person, lock},
};

/// What a person loses when they are anonymised.
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

/// Why somebody else cannot do what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Nobody has an account of that name.
    #[error("account: there is no account {0:?}")]
    NoAccount(String),
    /// It is not clear which account is meant.
    #[error("account: name one of {0}")]
    WhichAccount(String),
    /// The account has no such person.
    #[error("the account has no such person")]
    NoPerson,
    /// It is not clear which person is meant.
    #[error("id, email: give one of them")]
    WhichPerson,
    /// Attributes are an object.
    #[error("attributes: not an object")]
    NotAnObject,
    /// No attribute bears that name.
    #[error("attributes.{0}: no such attribute")]
    NoAttribute(String),
    /// The attribute is of another type.
    #[error("attributes.{0}: wrong type")]
    WrongType(String),
}

/// Who is changed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who<'a> {
    Id(&'a str),
    Email(&'a str),
}

impl<'a> Who<'a> {
    /// An e-mail address has an @, and an id has none.
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
    /// An account by name; without one, the only account.
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

    /// The person stays, without anything that says who they are. Gives the id.
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

    /// The person is gone. Gives the id that they had.
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

    /// Attributes get other values, by built-in name. Gives the id.
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

    /// There is one more person, whoever has the e-mail address already. Gives the id.
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

    /// How many e-mail addresses more than one person has.
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
