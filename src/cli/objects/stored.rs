//! The objects of a state folder of `apply`, for commands that work without a cluster.

use std::path::Path;

use anyhow::{Context as _, anyhow};

use super::{
    super::{BadArgument, print_error},
    found::Found,
    kinds::{self, Target},
};
use crate::{cluster::Kind, local};

/// All objects, of one namespace where it is named.
pub(super) fn all(folder: &Path, namespace: Option<&str>) -> anyhow::Result<Vec<Found>> {
    let stored = local::stored(folder)
        .with_context(|| format!("--state {}", folder.display()))
        .map_err(BadArgument)?;
    for path in &stored.damaged {
        print_error(&format!("{} is damaged and left out", path.display()));
    }
    let objects = stored.objects.into_iter().filter_map(|(kind, json)| Found::new(kind, json));
    let here = |found: &Found| namespace.is_none_or(|namespace| found.key.namespace == namespace);
    Ok(objects.filter(here).collect())
}

/// One object of a kind.
pub(super) fn one(
    folder: &Path,
    target: &Target,
    kind: Kind,
    namespace: Option<&str>,
) -> anyhow::Result<Found> {
    if target.kind.is_some_and(|given| given != kind) {
        let text = format!("{target}: this command takes an {}", kinds::word(kind));
        return Err(BadArgument(anyhow!(text)).into());
    }
    let mut found = all(folder, namespace)?;
    found.retain(|found| found.kind == kind && found.key.name == target.name);
    match (found.len(), found.pop()) {
        (1, Some(found)) => Ok(found),
        (0, _) | (_, None) => {
            let (word, name) = (kinds::word(kind), &target.name);
            let text = format!("there is no {word}/{name} in {}", folder.display());
            Err(BadArgument(anyhow!(text)).into())
        }
        _ => {
            Err(BadArgument(anyhow!("{target} is in several namespaces; name one with -n")).into())
        }
    }
}
