//! The resumes that were read in this process: their versions, and what they turned out to be. So a file
//! that has not changed is not sent again. No I/O.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    domain::{Digest, digest_parts},
    pipeline::resume::{ResumeError, ResumeFile},
    storage::{FileVersion, NamedFile},
};

/// How many resumes are remembered at least; twice as many at most.
const REMEMBERED: usize = 20_000;

/// What a resume turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) version: FileVersion,
    /// Its name in Clinch, or why it cannot be attached.
    pub(super) found: Result<Box<str>, ResumeError>,
}

/// The resumes that were read, by a digest of where they are.
#[derive(Debug, Default)]
pub(super) struct SeenResumes(Mutex<Generations>);

/// What was noted or asked for lately, and before that.
#[derive(Debug, Default)]
struct Generations {
    new: HashMap<Digest, Seen>,
    old: HashMap<Digest, Seen>,
}

impl Generations {
    fn insert(&mut self, key: Digest, seen: Seen) {
        if self.new.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(key, seen);
    }
}

impl SeenResumes {
    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a file was when it was read last.
    pub(super) fn get(&self, file: &NamedFile) -> Option<Seen> {
        let (key, mut memory) = (key(file), self.lock());
        if let Some(seen) = memory.new.get(&key) {
            return Some(seen.clone());
        }
        let seen = memory.old.remove(&key)?;
        memory.insert(key, seen.clone());
        Some(seen)
    }

    /// Notes what a file is. Without a version it is forgotten.
    pub(super) fn note(
        &self,
        file: &NamedFile,
        version: Option<FileVersion>,
        found: Result<&ResumeFile, &ResumeError>,
    ) {
        let (key, mut memory) = (key(file), self.lock());
        memory.new.remove(&key);
        memory.old.remove(&key);
        if let Some(version) = version {
            let found = found.map(|file| file.name.as_str().into()).map_err(Clone::clone);
            memory.insert(key, Seen { version, found });
        }
    }
}

fn key(file: &NamedFile) -> Digest {
    digest_parts([file.identity().as_bytes()])
}
