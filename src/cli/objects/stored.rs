//! The objects of a state folder of `apply`, for commands that work without a cluster.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use futures::Stream;
use serde_json::Value as Json;

use super::{
    super::{BadArgument, messages},
    found::Found,
    kinds::{self, Target},
};
use crate::{
    cluster::Kind,
    local::{self, Stored},
};

/// How often a state folder is read for changes.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is said if work is not done and nothing does it.
pub(super) const NO_APPLY: &str = "no `apply` works on the state folder: run it again to continue";

/// All objects, of one namespace where it is named.
pub(super) fn all(folder: &Path, namespace: Option<&str>) -> anyhow::Result<Vec<Found>> {
    let stored = read(folder)?;
    for path in &stored.damaged {
        messages::warn(&format!("{} is damaged and left out", path.display()));
    }
    Ok(objects(stored, namespace).collect())
}

fn read(folder: &Path) -> anyhow::Result<Stored> {
    let stored = local::stored(folder);
    let is_there = !matches!(&stored, Err(error) if error.kind() == ErrorKind::NotFound);
    let place = if is_there {
        format!("cannot use the state folder {}", folder.display())
    } else {
        format!("--state {}", folder.display())
    };
    let stored = stored.context(place);
    if is_there { stored } else { Ok(stored.map_err(BadArgument)?) }
}

fn objects(stored: Stored, namespace: Option<&str>) -> impl Iterator<Item = Found> {
    let objects = stored.objects.into_iter().filter_map(|(kind, json)| Found::new(kind, json));
    objects.filter(move |found| namespace.is_none_or(|namespace| found.key.namespace == namespace))
}

/// The object of any kind that a user names.
pub(super) fn named(
    folder: &Path,
    target: &Target,
    namespace: Option<&str>,
) -> anyhow::Result<Found> {
    let mut found = all(folder, namespace)?;
    found.retain(|found| {
        found.key.name == target.name && target.kind.is_none_or(|kind| found.kind == kind)
    });
    let several = match (found.len(), found.pop()) {
        (1, Some(found)) => return Ok(found),
        (0, _) | (_, None) => format!("there is no {target} in {}", folder.display()),
        _ => {
            format!("{target} stands for several objects; name the kind, and the namespace with -n")
        }
    };
    Err(BadArgument(anyhow!(several)).into())
}

/// An object whenever it changes, while a process works on the folder; `None`: it is not there any more.
pub(super) fn watch(
    folder: PathBuf,
    object: &Found,
) -> impl Stream<Item = anyhow::Result<Option<Found>>> + Send + use<> {
    let (kind, key) = (object.kind, object.key.clone());
    futures::stream::unfold(None::<Json>, move |mut last| {
        let (folder, key) = (folder.clone(), key.clone());
        async move {
            loop {
                // First this: what a process writes before it ends is read afterwards.
                let is_in_use = local::is_in_use(&folder);
                let found = match read(&folder) {
                    Ok(stored) => objects(stored, Some(&key.namespace))
                        .find(|found| found.kind == kind && found.key == key),
                    Err(error) => return Some((Err(error), last)),
                };
                let json = found.as_ref().map(|found| found.json.clone());
                if json.is_none() || json != last {
                    last = json;
                    return Some((Ok(found), last));
                }
                if matches!(is_in_use, Ok(false)) {
                    return None;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    })
}

/// One object of a kind.
pub(super) fn one(
    folder: &Path,
    target: &Target,
    kind: Kind,
    namespace: Option<&str>,
) -> anyhow::Result<Found> {
    if target.kind.is_some_and(|given| given != kind) {
        let text = format!("{target}: this command takes {}", kinds::one(kind));
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
