//! Which objects have to be reconciled after a change: the one rule, for the watches of `k8s` and
//! for the local cluster. Pure.

#[cfg(test)]
mod tests;
mod trigger;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

pub use trigger::{ObjectChange, Trigger};

use super::{
    Kind, Lister, ObjectKey, Refers, accounts, holding_shard, integration_of, mapping_of,
    shards::lacks_its_account,
};
use crate::{api::ExportSource, domain::Reason};

/// The objects to reconcile after a change that `seen` already shows, the changed one included.
pub fn dependents(trigger: &Trigger<'_>, seen: &impl Lister) -> Vec<(Kind, ObjectKey)> {
    use ObjectChange::{Deleted, Requested, StatusOnly};
    match *trigger {
        Trigger::Integration(key, change) => {
            let itself = match change {
                Requested => [vec![key.clone()], that_share_an_account(key, seen)].concat(),
                StatusOnly => that_share_an_account(key, seen),
                // Another one may have been refused because of it: two that share an account.
                Deleted => seen.integrations(None).into_iter().map(|(other, _)| other).collect(),
            };
            // Its status counts, too: exports and imports wait until their integration is ready.
            let imports = of_kind(Kind::Import, seen.imports_of(key));
            let exports = of_kind(Kind::Export, seen.exports_of(key));
            of_kind(Kind::Integration, itself).chain(exports).chain(imports).collect()
        }
        // Exports and imports compile the spec of their mapping and do not read its status.
        Trigger::Mapping(_, StatusOnly)
        | Trigger::Export { change: StatusOnly, .. }
        | Trigger::Import { change: StatusOnly, .. } => Vec::new(),
        Trigger::Mapping(key, change) => {
            let itself = (change == Requested).then(|| (Kind::Mapping, key.clone()));
            itself.into_iter().chain(users_of_mapping(key, seen)).collect()
        }
        Trigger::Export { key, change, integrations } => {
            of_user((Kind::Export, key), change, integrations, seen)
        }
        Trigger::Import { key, change, integrations } => {
            of_user((Kind::Import, key), change, integrations, seen)
        }
        Trigger::ConfigMap(key) => {
            let is_it = |source: &ExportSource| {
                source.config_map_ref.as_ref().is_some_and(|reference| reference.name == key.name)
            };
            let mut exports = seen.exports(Some(&key.namespace));
            exports.retain(|(_, export)| is_it(&export.spec.source));
            let mut imports = seen.imports(Some(&key.namespace));
            imports.retain(|(_, import)| {
                import.spec.rediscovery.as_ref().is_some_and(|list| is_it(&list.source))
            });
            keys(Kind::Export, exports).chain(keys(Kind::Import, imports)).collect()
        }
        Trigger::Secret(key) => {
            let namespace = Some(key.namespace.as_str());
            let mut integrations = seen.integrations(namespace);
            integrations.retain(|(_, found)| found.spec.secrets().any(|name| name == key.name));
            let mut exports = seen.exports(namespace);
            exports.retain(|(_, found)| found.spec.secrets().any(|name| name == key.name));
            let mut imports = seen.imports(namespace);
            imports.retain(|(_, found)| found.spec.secrets().any(|name| name == key.name));
            keys(Kind::Integration, integrations)
                .chain(keys(Kind::Export, exports))
                .chain(keys(Kind::Import, imports))
                .collect()
        }
        Trigger::Namespace(name) => selected_by_labels(name, seen),
    }
}

fn of_kind(
    kind: Kind,
    keys: impl IntoIterator<Item = ObjectKey>,
) -> impl Iterator<Item = (Kind, ObjectKey)> {
    keys.into_iter().map(move |key| (kind, key))
}

fn keys<T>(
    kind: Kind,
    objects: impl IntoIterator<Item = (ObjectKey, T)>,
) -> impl Iterator<Item = (Kind, ObjectKey)> {
    objects.into_iter().map(move |(key, _)| (kind, key))
}

/// What follows an export or import that changed, by its spec or by being deleted.
fn of_user(
    (kind, key): (Kind, &ObjectKey),
    change: ObjectChange,
    integrations: &[ObjectKey],
    seen: &impl Lister,
) -> Vec<(Kind, ObjectKey)> {
    let itself = (kind, key.clone());
    let requested = (change == ObjectChange::Requested).then(|| itself.clone());
    // One that writes the same file may continue now.
    let others = refused_writers(seen).filter(|other| *other != itself);
    // An integration counts the exports and imports that name it.
    let named = of_kind(Kind::Integration, integrations.iter().cloned());
    requested.into_iter().chain(others).chain(named).collect()
}

/// Exports and imports that use a mapping: by name, or because it is the default of their integration.
fn users_of_mapping(mapping: &ObjectKey, seen: &impl Lister) -> Vec<(Kind, ObjectKey)> {
    let exports = seen.exports(None).into_iter();
    let exports = exports.filter(|(key, export)| uses(key, &export.spec, mapping, seen));
    let imports = seen.imports(None).into_iter();
    let imports = imports.filter(|(key, import)| uses(key, &import.spec, mapping, seen));
    keys(Kind::Export, exports).chain(keys(Kind::Import, imports)).collect()
}

fn uses(key: &ObjectKey, spec: &impl Refers, mapping: &ObjectKey, seen: &impl Lister) -> bool {
    let integration = integration_of(key, spec);
    let found = seen.integration(&integration);
    let defaults = found.as_ref().and_then(|found| found.spec.defaults.as_ref());
    mapping_of(&integration, spec, defaults).as_ref() == Some(mapping)
}

/// Integrations that may have to leave their account to a changed one of another shard, or may have theirs now.
fn that_share_an_account(key: &ObjectKey, seen: &impl Lister) -> Vec<ObjectKey> {
    let Some(changed) = seen.integration(key) else { return Vec::new() };
    let mut others = seen.integrations(None);
    others.retain(|(other, found)| {
        let elsewhere = holding_shard(found) != holding_shard(&changed);
        let shares = || accounts(found).any(|name| accounts(&changed).any(|other| other == name));
        other != key
            && (lacks_its_account(found)
                || (elsewhere && (lacks_its_account(&changed) || shares())))
    });
    others.into_iter().map(|(other, _)| other).collect()
}

/// Exports and imports that write no file because an older object writes it.
fn refused_writers(seen: &impl Lister) -> impl Iterator<Item = (Kind, ObjectKey)> {
    let is_refused = |conditions: &[Condition]| {
        let conflict = Reason::DestinationConflict.as_str();
        conditions.iter().any(|condition| condition.reason == conflict)
    };
    let exports = seen.file_exports().into_iter();
    let exports = exports.filter(move |(_, export)| {
        export.status.as_ref().is_some_and(|status| is_refused(&status.conditions))
    });
    let imports = seen.file_imports().into_iter();
    let imports = imports.filter(move |(_, import)| {
        import.status.as_ref().is_some_and(|status| is_refused(&status.conditions))
    });
    keys(Kind::Export, exports).chain(keys(Kind::Import, imports))
}

/// An integration that selects namespaces by label may admit this one now, or no longer: the
/// integration lists requests for access, and its exports and imports here may start or have to stop.
fn selected_by_labels(namespace: &str, seen: &impl Lister) -> Vec<(Kind, ObjectKey)> {
    let exports = seen.exports(Some(namespace)).into_iter();
    let exports =
        exports.map(|(key, found)| (integration_of(&key, &found.spec), (Kind::Export, key)));
    let imports = seen.imports(Some(namespace)).into_iter();
    let imports =
        imports.map(|(key, found)| (integration_of(&key, &found.spec), (Kind::Import, key)));
    let users: Vec<(ObjectKey, (Kind, ObjectKey))> = exports.chain(imports).collect();
    let mut due = Vec::new();
    for (integration, found) in seen.integrations(None) {
        if found.spec.access.namespace_selector.is_none() {
            continue;
        }
        let naming = users.iter().filter(|(named, _)| *named == integration);
        let mut here: Vec<_> = naming.map(|(_, user)| user.clone()).collect();
        if !here.is_empty() {
            due.push((Kind::Integration, integration));
            due.append(&mut here);
        }
    }
    due
}
