//! What serde cannot tell of a contract or a fault: names that nothing bears, paths that cannot be
//! served, two things of one name. Pure; messages name the key that is wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    contract::{CANDIDATE_ATTRIBUTES, Operation, SandboxContract},
    faults::Fault,
};

impl SandboxContract {
    /// What is wrong with the contract, by key.
    pub(super) fn check(&self) -> Result<(), String> {
        let candidate = CANDIDATE_ATTRIBUTES.iter().map(|(name, ..)| *name).collect::<Vec<_>>();
        check_names("attributes", &self.attributes, &candidate)?;
        check_names("attachment", &self.attachment, &ATTACHMENT)?;
        check_names("activity", &self.activity, &["kind", "body"])?;
        check_names("job", &self.job, &["title", "reference", "status"])?;
        check_names("stage", &self.stage, &["name", "position"])?;
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
        if self.paging.max == 0 || self.paging.default == 0 {
            return Err("paging: default and max are at least 1".to_owned());
        }
        match self.rate_limit {
            Some(limit) if limit.requests_per_second <= 0.0 => {
                Err("rateLimit.requestsPerSecond: must be more than 0".to_owned())
            }
            _ => Ok(()),
        }
    }
}

const ATTACHMENT: [&str; 4] = ["file_name", "content_type", "kind", "content"];

/// Every key is a built-in name, and no two attributes end up with one name.
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

/// A path has the placeholders of the built-in one: they are how the ids are found.
fn check_path(operation: Operation, path: &str) -> Result<(), String> {
    let placeholders = |path: &str| {
        path.split('/').filter(|part| part.starts_with('{')).map(str::to_owned).collect()
    };
    let (given, wanted): (Vec<String>, Vec<String>) =
        (placeholders(path), placeholders(operation.built_in().2));
    if !path.starts_with('/') || path.contains(['?', '#', ' ']) || given != wanted {
        let needs = if wanted.is_empty() { "no placeholder".to_owned() } else { wanted.join(", ") };
        return Err(format!("operations.{}: a path begins with / and has {needs}", operation.id()));
    }
    Ok(())
}

/// The path as routing sees it: whatever the placeholders are called.
fn shape(path: &str) -> Vec<&str> {
    path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect()
}

/// A fault that names no operation would never strike.
pub(super) fn check_faults(faults: &[Fault]) -> Result<(), String> {
    let known = |name: &str| {
        matches!(name, "*" | "unknown") || Operation::ALL.iter().any(|found| found.id() == name)
    };
    match faults.iter().position(|fault| !known(&fault.operation)) {
        Some(place) => {
            Err(format!("[{place}].operation: {:?} is no operation id", faults[place].operation))
        }
        None => Ok(()),
    }
}
