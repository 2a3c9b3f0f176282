//! Corrections of a contract by an admin. Pure.

use std::{collections::BTreeMap, time::Duration};

use thiserror::Error;

use super::{
    Contract, NameOf, Op, PathError, Sort, State, TimeFormat, UpdatedSince,
    names::{is_parameter_name, is_safe_name},
};

/// Why a correction is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OverrideError {
    /// No operation with that name.
    #[error("paths: there is no operation {0:?}; use one of listCandidates, createCandidate, ...")]
    UnknownOperation(String),
    /// The path cannot be used.
    #[error("paths.{op}")]
    Path {
        /// The operation.
        op: Op,
        /// What is wrong.
        source: PathError,
    },
    /// No attribute with that key.
    #[error("attributes: the operator does not use an attribute {0:?}")]
    UnknownName(String),
    /// The text is not an attribute or parameter name.
    #[error("{0}: not a name; letters, digits, '_', '-' (parameters also '[', ']', '.')")]
    NotAName(&'static str),
    /// The page size is out of range.
    #[error("maxPageSize: must be between 1 and 1000")]
    PageSize,
}

/// Corrections. Each one wins over the discovered or assumed value; the rest stays unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    paths: BTreeMap<Op, String>,
    names: BTreeMap<NameOf, String>,
    page: Option<String>,
    per_page: Option<String>,
    max_per_page: Option<u32>,
    filter: Option<String>,
    updated_since: Option<UpdatedSince>,
    sort: Option<Sort>,
    include: Option<String>,
    /// How long until a look-up certainly finds a created person.
    pub lookup_settle: Option<Duration>,
    /// Whether a value outside a stated format, maximum length or `enum` is refused.
    pub enforced: bool,
}

impl Overrides {
    /// Sets the path of an operation, relative to the version prefix. Placeholders keep their names:
    /// `{candidate_id}`, `{job_id}`.
    pub fn path(&mut self, operation: &str, path: &str) -> Result<(), OverrideError> {
        let op = Op::from_name(operation)
            .ok_or_else(|| OverrideError::UnknownOperation(operation.to_owned()))?;
        let path =
            op.check_path(path, true).map_err(|source| OverrideError::Path { op, source })?;
        self.paths.insert(op, path);
        Ok(())
    }

    /// Renames an attribute that the operator uses, by its key (see [`NameOf`]).
    pub fn attribute(&mut self, key: &str, name: &str) -> Result<(), OverrideError> {
        let of = NameOf::from_key(key).ok_or_else(|| OverrideError::UnknownName(key.to_owned()))?;
        if !is_safe_name(name) {
            return Err(OverrideError::NotAName(of.as_str()));
        }
        self.names.insert(of, name.to_owned());
        Ok(())
    }

    /// Renames the query parameter with the page number.
    pub fn page_parameter(&mut self, name: &str) -> Result<(), OverrideError> {
        self.page = Some(parameter("pageParameter", name)?);
        Ok(())
    }

    /// Renames the query parameter with the page size.
    pub fn page_size_parameter(&mut self, name: &str) -> Result<(), OverrideError> {
        self.per_page = Some(parameter("pageSizeParameter", name)?);
        Ok(())
    }

    /// Renames the query parameter that filters candidates by the match attribute.
    pub fn filter_parameter(&mut self, name: &str) -> Result<(), OverrideError> {
        self.filter = Some(parameter("filterParameter", name)?);
        Ok(())
    }

    /// Sets the query parameter that restricts the list of candidates to changes.
    pub fn updated_since(&mut self, name: &str, format: TimeFormat) -> Result<(), OverrideError> {
        let parameter = parameter("updatedSince.parameter", name)?;
        self.updated_since = Some(UpdatedSince { parameter, format });
        Ok(())
    }

    /// Sets the query parameter that puts the list of candidates in order, and its value.
    pub fn sort(&mut self, name: &str, ascending: &str) -> Result<(), OverrideError> {
        let parameter = parameter("sort.parameter", name)?;
        self.sort = Some(Sort { parameter, ascending: ascending.to_owned() });
        Ok(())
    }

    /// Sets the query parameter by which the list of candidates takes `social_profile`.
    pub fn include_parameter(&mut self, name: &str) -> Result<(), OverrideError> {
        self.include = Some(parameter("includeParameter", name)?);
        Ok(())
    }

    /// Sets the largest page size, in records.
    pub fn max_page_size(&mut self, records: u32) -> Result<(), OverrideError> {
        if !(1..=1000).contains(&records) {
            return Err(OverrideError::PageSize);
        }
        self.max_per_page = Some(records);
        Ok(())
    }
}

fn parameter(field: &'static str, name: &str) -> Result<String, OverrideError> {
    if !is_parameter_name(name) {
        return Err(OverrideError::NotAName(field));
    }
    Ok(name.to_owned())
}

impl Contract {
    /// This contract with the corrections applied. Renaming the match attribute also renames the
    /// filter, unless the filter is corrected as well.
    #[must_use]
    pub fn with(&self, overrides: &Overrides) -> Self {
        let mut contract = self.clone();
        for (op, path) in &overrides.paths {
            let operation = contract.operations.get_mut(op).expect("an entry for every operation");
            operation.path.clone_from(path);
            operation.state = State::Overridden;
        }
        let before = contract.names.email.clone();
        for (of, name) in &overrides.names {
            contract.names.set(*of, name.clone());
        }
        if let Some(filter) = &mut contract.filter
            && *filter == format!("filter[{before}]")
        {
            *filter = format!("filter[{}]", contract.names.email);
        }
        let replace = |slot: &mut String, by: &Option<String>| {
            if let Some(name) = by {
                slot.clone_from(name);
            }
        };
        replace(&mut contract.paging.page, &overrides.page);
        replace(&mut contract.paging.per_page, &overrides.per_page);
        if let Some(records) = overrides.max_per_page {
            contract.paging.max_per_page = records;
            contract.paging.default_per_page = contract.paging.default_per_page.min(records);
        }
        if overrides.filter.is_some() {
            contract.filter.clone_from(&overrides.filter);
        }
        if overrides.updated_since.is_some() {
            contract.updated_since.clone_from(&overrides.updated_since);
        }
        if overrides.sort.is_some() {
            contract.sort.clone_from(&overrides.sort);
        }
        if overrides.include.is_some() {
            contract.include.clone_from(&overrides.include);
        }
        contract.enforced |= overrides.enforced;
        contract.lookup_settle = overrides.lookup_settle.unwrap_or(contract.lookup_settle);
        contract
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_win_and_the_rest_is_unchanged() {
        let mut overrides = Overrides::default();
        overrides.path("listCandidates", "/people").unwrap();
        overrides.attribute("email", "email_address").unwrap();
        overrides.page_parameter("page[number]").unwrap();
        overrides.max_page_size(10).unwrap();
        overrides.attribute("updated_at", "modified").unwrap();
        overrides.attribute("merged_into", "survivor").unwrap();
        overrides.updated_since("modified_since", TimeFormat::Unix).unwrap();
        overrides.sort("sort", "created_at").unwrap();
        overrides.include_parameter("with").unwrap();
        overrides.lookup_settle = Some(Duration::from_secs(2));
        let contract = Contract::built_in().with(&overrides);
        assert_eq!(contract.operation(Op::ListCandidates).path, "/people");
        assert_eq!(contract.operation(Op::ListCandidates).state, State::Overridden);
        assert_eq!(contract.operation(Op::CreateCandidate).path, "/candidates");
        assert_eq!(contract.names.email, "email_address");
        assert_eq!(contract.filter.as_deref(), Some("filter[email_address]"));
        assert_eq!(contract.paging.page, "page[number]");
        assert_eq!(contract.paging.per_page, "per_page");
        assert_eq!((contract.paging.max_per_page, contract.paging.default_per_page), (10, 10));
        assert_eq!(contract.names.updated_at(), "modified");
        assert_eq!(contract.names.merged_into.as_deref(), Some("survivor"));
        let since = contract.updated_since.unwrap();
        assert_eq!((since.parameter.as_str(), since.format), ("modified_since", TimeFormat::Unix));
        assert_eq!(contract.sort.unwrap().ascending, "created_at");
        assert_eq!(contract.include.as_deref(), Some("with"));
        assert_eq!(contract.lookup_settle, Duration::from_secs(2));
        assert_eq!(Contract::built_in().with(&Overrides::default()), Contract::built_in());
    }

    #[test]
    fn invalid_corrections_are_rejected() {
        let mut overrides = Overrides::default();
        assert!(overrides.path("listPeople", "/people").is_err());
        assert!(overrides.path("getCandidate", "/people/{id}").is_err());
        assert!(overrides.path("listCandidates", "https://evil.example/people").is_err());
        assert!(overrides.attribute("mail", "x").is_err());
        assert!(overrides.attribute("email", "e mail").is_err());
        assert!(overrides.filter_parameter("a&b").is_err());
        assert!(overrides.updated_since("a=b", TimeFormat::Rfc3339).is_err());
        assert!(overrides.sort("", "created_at").is_err());
        assert!(overrides.include_parameter("a=b").is_err());
        assert!(overrides.max_page_size(0).is_err());
        assert_eq!(overrides, Overrides::default());
    }
}
