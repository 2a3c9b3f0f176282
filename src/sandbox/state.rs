//! The emulator's data: accounts with their people and jobs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    merge::{Merged, OldId},
    people::People,
    person::Person,
};

/// A job with its stages.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Job {
    #[serde(default)]
    pub(super) id: String,
    pub(super) title: String,
    pub(super) reference: String,
    #[serde(default = "open")]
    pub(super) status: String,
    pub(super) stages: Vec<String>,
}

fn open() -> String {
    "open".to_owned()
}

/// The data of one account.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) people: People,
    pub(super) jobs: Vec<Job>,
    next: u64,
    salt: u64,
    /// Merged records: the id of the record that is left, and what a read of the old id answers.
    pub(super) merges: HashMap<String, (String, OldId)>,
    /// Number of pages after which the list was changed.
    pub(super) shifts: u64,
    /// Whether the filter finds nobody, as while a search index is built.
    pub(super) blind: bool,
    /// Number of people created by such changes.
    pub(super) inserted: u64,
}

/// An account as saved in a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedAccount {
    people: Vec<Arc<Person>>,
    jobs: Vec<Job>,
    next: u64,
}

/// A time in the format of attributes.
fn stamp(now: Timestamp) -> Value {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}

fn salt(name: &str) -> u64 {
    let digest = Sha256::digest(name.as_bytes());
    digest.iter().take(8).fold(0, |salt, byte| (salt << 8) | u64::from(*byte))
}

impl Account {
    /// Ids differ between accounts, so that a request to the wrong account is a 404.
    pub(super) fn new(name: &str, jobs: Vec<Job>) -> Self {
        let mut account = Self { salt: salt(name), ..Self::default() };
        for mut job in jobs {
            if job.id.is_empty() {
                job.id = account.new_id(b'j');
            }
            account.jobs.push(job);
        }
        account
    }

    /// An account from a file.
    pub(super) fn restored(name: &str, saved: SavedAccount) -> Self {
        let SavedAccount { people, jobs, next } = saved;
        let mut account = Self { jobs, next, salt: salt(name), ..Self::default() };
        for person in people {
            account.people.push(person);
        }
        account
    }

    pub(super) fn save(&self) -> SavedAccount {
        SavedAccount { people: self.people.all(), jobs: self.jobs.clone(), next: self.next }
    }

    /// 32 hex digits, like the ids in Clinch's media URLs; deterministic.
    pub(super) fn new_id(&mut self, kind: u8) -> String {
        self.next += 1;
        let mixed = (self.next ^ (u64::from(kind) << 56)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        format!("{mixed:016x}{:016x}", self.salt ^ self.next)
    }

    pub(super) fn add(
        &mut self,
        mut attributes: Map<String, Value>,
        source: &str,
        lag: Duration,
        now: Timestamp,
    ) -> Arc<Person> {
        let id = self.new_id(b'c');
        let stamp = stamp(now);
        // A seed may set these; a client cannot.
        for (name, value) in [
            ("source", Value::from(source)),
            ("created_at", stamp.clone()),
            ("updated_at", stamp),
            ("archived", false.into()),
            ("anonymized", false.into()),
        ] {
            attributes.entry(name).or_insert(value);
        }
        let person = Arc::new(Person {
            id,
            attributes,
            applications: Vec::new(),
            attachments: Vec::new(),
            activities: Vec::new(),
            found_from: (!lag.is_zero()).then(|| Instant::now() + lag),
        });
        self.people.push(person.clone());
        person
    }

    /// Sets attributes; null clears.
    pub(super) fn change(&mut self, id: &str, changes: Map<String, Value>, now: Timestamp) {
        self.people.update(id, |person| {
            person.attributes.extend(changes);
            person.attributes.insert("updated_at".into(), stamp(now));
        });
    }

    /// What became of a merged record, if the API shows it.
    pub(super) fn merged(&self, id: &str) -> Option<Merged> {
        let (into, answer) = self.merges.get(id)?;
        match answer {
            OldId::NotFound => None,
            OldId::Other => self.people.get(into).cloned().map(Merged::Other),
            OldId::Moved => Some(Merged::Moved(into.clone())),
        }
    }

    pub(super) fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }
}

impl Job {
    /// The id of the stage at that position.
    pub(super) fn stage_id(&self, place: usize) -> String {
        format!("{:.24}{place:08x}", self.id)
    }

    pub(super) fn has_stage(&self, id: &str) -> bool {
        (0..self.stages.len()).any(|place| self.stage_id(place) == id)
    }
}

/// The jobs of a new account without a seed.
pub(super) fn default_jobs() -> Vec<Job> {
    let job = |reference: &str, title: &str| Job {
        id: String::new(),
        title: title.to_owned(),
        reference: reference.to_owned(),
        status: open(),
        stages: ["Sourced", "Screen", "Interview", "Offer"].map(str::to_owned).to_vec(),
    };
    vec![
        job("ENG-101", "Senior Rust Engineer"),
        job("DES-7", "Product Designer"),
        job("OPS-3", "Platform Engineer"),
    ]
}

/// Locks a mutex, even if another holder panicked.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
