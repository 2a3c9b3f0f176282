//! Checks of contracts and faults that serde cannot make: unknown names, paths that cannot be
//! served, duplicate names. Pure; messages name the invalid key.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    contract::{
        ACTIVITY_ATTRIBUTES, ATTACHMENT_ATTRIBUTES, CANDIDATE_ATTRIBUTES, FILTERS, JOB_ATTRIBUTES,
        STAGE_ATTRIBUTES, SandboxContract,
    },
    faults::{Action, Fault},
    limit::RateLimit,
    operation::Operation,
    seed::Seed,
    shift::Shift,
};

impl SandboxContract {
    /// Checks the contract; the error names the invalid key.
    pub(super) fn check(&self) -> Result<(), String> {
        let candidate = CANDIDATE_ATTRIBUTES.iter().map(|(name, ..)| *name).collect::<Vec<_>>();
        check_names("attributes", &self.attributes, &candidate)?;
        if let Some(unknown) = self.constraints.keys().find(|name| !candidate.contains(&&***name)) {
            return Err(format!("constraints.{unknown}: no such attribute"));
        }
        if let Some(unknown) = self.stored_forms.keys().find(|name| !candidate.contains(&&***name))
        {
            return Err(format!("storedForms.{unknown}: no such attribute"));
        }
        check_names("attachment", &self.attachment, ATTACHMENT_ATTRIBUTES)?;
        check_names("activity", &self.activity, ACTIVITY_ATTRIBUTES)?;
        check_names("job", &self.job, JOB_ATTRIBUTES)?;
        check_names("stage", &self.stage, STAGE_ATTRIBUTES)?;
        check_names("filter", &self.filter, FILTERS)?;
        for (operation, path) in self.operations.iter().filter(|(_, path)| *path != "off") {
            check_path(*operation, path)?;
        }
        let mut places = BTreeSet::new();
        for operation in Operation::ALL {
            let Some(path) = self.path(operation) else { continue };
            if !places.insert((operation.method(), shape(path))) {
                return Err(format!("operations.{}: {path} is taken", operation.id()));
            }
        }
        if self.updated_since.as_ref().is_some_and(|since| since.parameter.is_empty()) {
            return Err("updatedSince.parameter: is empty".to_owned());
        }
        if self.paging.max == 0 || self.paging.default == 0 {
            return Err("paging: default and max are at least 1".to_owned());
        }
        for (name, limit) in [("window", self.paging.window), ("totalCap", self.paging.total_cap)] {
            if limit == Some(0) {
                return Err(format!("paging.{name}: must be at least 1"));
            }
        }
        let Shift { times, after_page, .. } = self.shift;
        for (name, zero) in [("times", times == Some(0)), ("afterPage", after_page == Some(0))] {
            if zero {
                return Err(format!("shift.{name}: must be at least 1"));
            }
        }
        if (times.is_some() || after_page.is_some()) && !self.shift.changes_something() {
            return Err("shift: one of delete, insert, touch must be at least 1".to_owned());
        }
        self.rate_limit.as_ref().map_or(Ok(()), |limit| check_limit("rateLimit", limit))
    }
}

fn check_limit(section: &str, limit: &RateLimit) -> Result<(), String> {
    if limit.requests_per_second <= 0.0 {
        return Err(format!("{section}.requestsPerSecond: must be greater than 0"));
    }
    if limit.burst < 1.0 {
        return Err(format!("{section}.burst: must be at least 1"));
    }
    Ok(())
}

/// Checks that people of a seed only have attributes that the emulator knows.
pub(super) fn check_seed(account: &str, seed: &Seed) -> Result<(), String> {
    let known = |name: &str| CANDIDATE_ATTRIBUTES.iter().any(|(found, ..)| *found == name);
    let strange = seed.people.iter().enumerate().find_map(|(place, person)| {
        person.keys().find(|name| !known(name)).map(|name| (place, name))
    });
    strange.map_or(Ok(()), |(place, name)| {
        Err(format!("{account}.people[{place}].{name}: no such attribute"))
    })
}

/// Checks that every key is a built-in name, and that no two attributes get the same name.
fn check_names(
    section: &str,
    names: &BTreeMap<String, String>,
    built_in: &[&str],
) -> Result<(), String> {
    if let Some(unknown) = names.keys().find(|name| !built_in.contains(&name.as_str())) {
        return Err(format!("{section}.{unknown}: no such name; one of {}", built_in.join(", ")));
    }
    let mut taken = BTreeSet::new();
    for name in built_in {
        let wire = names.get(*name).map_or(*name, String::as_str);
        if wire.is_empty() || !taken.insert(wire) {
            return Err(format!("{section}.{name}: {wire:?} is empty or taken"));
        }
    }
    Ok(())
}

/// Checks that a path has the placeholders of the built-in one, which locate the ids.
fn check_path(operation: Operation, path: &str) -> Result<(), String> {
    let placeholders = |path: &str| {
        path.split('/').filter(|part| part.starts_with('{')).map(str::to_owned).collect()
    };
    let (given, required): (Vec<String>, Vec<String>) =
        (placeholders(path), placeholders(operation.built_in().2));
    if !path.starts_with('/') || path.contains(['?', '#', ' ']) || given != required {
        let needs =
            if required.is_empty() { "no placeholder".to_owned() } else { required.join(", ") };
        return Err(format!(
            "operations.{}: a path must start with / and have {needs}",
            operation.id()
        ));
    }
    Ok(())
}

/// The path as routing sees it, without the names of placeholders.
fn shape(path: &str) -> Vec<&str> {
    path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect()
}

/// Checks faults; one with an unknown operation would never apply.
pub(super) fn check_faults(faults: &[Fault]) -> Result<(), String> {
    let known = |name: &str| {
        matches!(name, "*" | "unknown" | "openapi")
            || Operation::ALL.iter().any(|found| found.id() == name)
    };
    for (place, fault) in faults.iter().enumerate() {
        if !known(&fault.operation) {
            let name = &fault.operation;
            return Err(format!("[{place}].operation: {name:?} is not an operation id"));
        }
        match &fault.action {
            Action::RateLimit(limit) => {
                check_limit(&format!("[{place}].action.rateLimit"), limit)?;
            }
            Action::Late { answer_ms: None, code, html, .. } if code.is_some() || *html => {
                return Err(format!("[{place}].action.late: code and html need answerMs"));
            }
            Action::Late { code: None, html: true, .. } => {
                return Err(format!("[{place}].action.late: html needs a code"));
            }
            Action::Status { code, .. } | Action::Late { code: Some(code), .. }
                if !(200..=599).contains(code) =>
            {
                return Err(format!("[{place}].action: {code} is not a status of a response"));
            }
            _ => {}
        }
    }
    Ok(())
}
