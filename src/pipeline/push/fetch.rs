//! Reads the resumes that profiles name by URL, a few at a time in a process, so that memory is
//! bounded however many are due. Makes requests.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::seen_resumes::{Seen, SeenResumes};
use crate::{
    pipeline::resume::{MAX_RESUME_BYTES, ResumeError, ResumeFile, of_file},
    storage::{FileRead, NamedFault, NamedFile, NamedFiles, ReadFault},
};

/// How many resumes are read at a time. Each is kept until it is attached, and takes a few times its
/// size while it is sent.
const AT_A_TIME: usize = 4;
/// Attempts for each resume.
const ATTEMPTS: u32 = 3;
/// How many resumes of a server may fail in a row before it is asked for no other in this run.
const MOST_FAILURES: u32 = 4;

static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(AT_A_TIME)));

/// Reads the resumes of a run.
pub(super) struct Fetcher {
    files: NamedFiles,
    /// Ends with the run, which does not wait for an unresponsive server.
    cancel: CancellationToken,
    /// How many resumes of a server failed in a row, and why the last one did.
    failures: Mutex<HashMap<String, (u32, NamedFault)>>,
}

/// A file to attach. One that was read holds its turn: another is read once it is dropped.
pub(super) struct Ready {
    pub(super) file: ResumeFile,
    _turn: Option<OwnedSemaphorePermit>,
}

impl From<ResumeFile> for Ready {
    fn from(file: ResumeFile) -> Self {
        Self { file, _turn: None }
    }
}

/// Why there is no file to attach.
pub(super) enum NotRead {
    /// It cannot be attached.
    Refused(ResumeError),
    /// It could not be read for now.
    Later(NamedFault),
    /// Its server is not asked any more in this run, because of this.
    NotAsked(NamedFault),
    /// The run ends.
    Ended,
}

impl Fetcher {
    pub(super) fn of(files: NamedFiles, cancel: CancellationToken) -> Self {
        Self { files, cancel, failures: Mutex::default() }
    }

    /// Reads a file, unless it cannot be attached and has not changed since that was seen. `in_place`:
    /// what was read of it last is attached; then `None` if it has not changed since. A server that fails
    /// again and again is not asked any more in this run.
    pub(super) async fn read(
        &self,
        file: &NamedFile,
        seen: &SeenResumes,
        in_place: bool,
    ) -> Result<Option<Ready>, NotRead> {
        let read = self.cancel.run_until_cancelled(self.attempts(file, seen, in_place)).await;
        read.unwrap_or(Err(NotRead::Ended))
    }

    async fn attempts(
        &self,
        file: &NamedFile,
        seen: &SeenResumes,
        in_place: bool,
    ) -> Result<Option<Ready>, NotRead> {
        let turn = TURNS.clone().acquire_owned().await.ok();
        let origin = file.origin();
        let known = seen.get(file).filter(|known| in_place || known.found.is_err());
        let version = known.as_ref().map(|known| &known.version);
        let mut attempt = 1;
        let fault = loop {
            if let Some(fault) = self.given_up(&origin) {
                return Err(NotRead::NotAsked(fault));
            }
            match self.files.read(file, MAX_RESUME_BYTES, version).await {
                Ok(read) => {
                    self.note_answer(&origin);
                    let (made, version) = match (read, known) {
                        (FileRead::Whole(bytes, version), _) => (of_file(bytes), version),
                        (FileRead::TooLarge(version), _) => (Err(ResumeError::TooLarge), version),
                        (FileRead::Unchanged, Some(Seen { found: Ok(_), .. })) => return Ok(None),
                        (FileRead::Unchanged, Some(Seen { found: Err(error), .. })) => {
                            return Err(NotRead::Refused(error));
                        }
                        // Nothing was known that it could be the same as.
                        (FileRead::Unchanged, None) => break ReadFault::WrongBytes.into(),
                    };
                    seen.note(file, version, made.as_ref());
                    let file = made.map_err(NotRead::Refused)?;
                    return Ok(Some(Ready { file, _turn: turn }));
                }
                Err(fault) if fault.is_transient() && attempt < ATTEMPTS => {
                    tokio::time::sleep(Duration::from_millis(250 << attempt)).await;
                    attempt += 1;
                }
                Err(fault) => break fault,
            }
        };
        if fault.is_transient() {
            self.note_failure(origin, &fault);
            Err(NotRead::Later(fault))
        } else {
            // It answers, if not as wanted.
            self.note_answer(&origin);
            Err(NotRead::Refused(fault.into()))
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (u32, NamedFault)>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why a server is not asked any more, if it is not.
    fn given_up(&self, origin: &str) -> Option<NamedFault> {
        let failures = self.lock();
        let (count, fault) = failures.get(origin)?;
        (*count >= MOST_FAILURES).then(|| fault.clone())
    }

    fn note_answer(&self, origin: &str) {
        self.lock().remove(origin);
    }

    fn note_failure(&self, origin: String, fault: &NamedFault) {
        let mut failures = self.lock();
        let (count, last) = failures.entry(origin).or_insert_with(|| (0, fault.clone()));
        *count = count.saturating_add(1);
        last.clone_from(fault);
    }
}
