//! The objects of a state folder as `apply` left them, read without its lock: files there are replaced
//! as a whole. Changes nothing.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use serde_json::{Value as Json, json};

use super::state::{LOCK, ROOT_KEY, Record, check_folder};
use crate::{
    api::{GROUP, VERSION},
    cluster::Kind,
};

/// What a state folder holds.
#[derive(Debug, Default)]
pub struct Stored {
    /// The objects, with the spec where it is kept: of exports only what names other objects, because the
    /// rest may hold profiles.
    pub objects: Vec<(Kind, Json)>,
    /// Files that cannot be read as an object.
    pub damaged: Vec<PathBuf>,
}

/// Reads a state folder. Errors are those of reading it, also if no command has ever worked on it; a damaged file
/// is none.
pub fn stored(dir: &Path) -> io::Result<Stored> {
    check_folder(dir)?;
    // A restored copy may be without its lock.
    if !dir.join(LOCK).try_exists()? && !dir.join(ROOT_KEY).try_exists()? {
        return Err(io::Error::new(ErrorKind::NotFound, "this is no state folder of `apply`"));
    }
    let mut stored = Stored::default();
    let mut paths: Vec<PathBuf> = fs::read_dir(dir.join("objects"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    for path in paths {
        let record = fs::read(&path)?;
        let record = serde_json::from_slice::<Record>(&record).ok();
        match record.and_then(object) {
            Some(object) => stored.objects.push(object),
            None => stored.damaged.push(path),
        }
    }
    Ok(stored)
}

/// The ledger key of a state folder; `None` where there is none, or none that can be used.
pub fn stored_root_key(dir: &Path) -> io::Result<Option<[u8; 32]>> {
    let text = match fs::read_to_string(dir.join(ROOT_KEY)) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidData) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut key = [0; 32];
    Ok(hex::decode_to_slice(text.trim(), &mut key).is_ok().then_some(key))
}

/// The object of a record, as the API server would return it.
fn object(record: Record) -> Option<(Kind, Json)> {
    let (kind, key) = record.object.split_once(' ')?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    let (namespace, name) = key.split_once('/')?;
    let mut object = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": kind.as_str(),
        "metadata": {
            "name": name, "namespace": namespace, "generation": record.generation,
            "creationTimestamp": record.created_at,
        },
    });
    let parts = [record.spec, record.refers].into_iter().flatten();
    let members = parts.filter_map(|part| match part {
        Json::Object(members) => Some(members),
        _ => None,
    });
    let spec = members.reduce(|all, more| all.into_iter().chain(more).collect());
    for (part, value) in [("spec", spec.map(Json::Object)), ("status", record.status)] {
        if let Some(value) = value {
            object[part] = value;
        }
    }
    Some((kind, object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_cannot_be_used_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(stored_root_key(folder.path()).unwrap(), None);
        fs::write(folder.path().join(ROOT_KEY), "ab\n").unwrap();
        assert_eq!(stored_root_key(folder.path()).unwrap(), None);
        fs::write(folder.path().join(ROOT_KEY), format!("{}\n", "07".repeat(32))).unwrap();
        assert_eq!(stored_root_key(folder.path()).unwrap(), Some([7; 32]));
    }

    #[test]
    fn objects_are_read_and_damaged_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = stored(folder.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let objects = folder.path().join("objects");
        fs::create_dir(&objects).unwrap();
        assert!(stored(folder.path()).is_err(), "any folder may have such a folder in it");
        fs::write(folder.path().join(LOCK), "").unwrap();
        let record = json!({
            "object": "CandidateExport talent/engineers", "generation": 3, "specDigest": "x",
            "createdAt": "2026-11-26T10:00:00Z", "status": {"delivered": "1/1"},
        });
        fs::write(objects.join("a.json"), record.to_string()).unwrap();
        fs::write(objects.join("b.json"), "{").unwrap();
        fs::write(objects.join("b.json.corrupt"), "{").unwrap();
        let found = stored(folder.path()).unwrap();
        assert_eq!(found.damaged, [objects.join("b.json")]);
        let [(Kind::Export, object)] = &*found.objects else { panic!("{found:?}") };
        assert_eq!(object["metadata"]["generation"], 3);
        assert_eq!(object["metadata"]["namespace"], "talent");
        assert_eq!(object["status"]["delivered"], "1/1");
        assert_eq!(object.get("spec"), None);
    }
}
