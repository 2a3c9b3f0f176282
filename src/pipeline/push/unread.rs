//! The resumes that could not be read for now, in this and earlier runs of this process: whether one
//! is tried again before the export is complete. No I/O; reads the tokio clock.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::ledger::{KeyHash, StepDigest};

/// How many runs have to fail to read a resume before it counts as refused.
const ATTEMPTS: u32 = 5;
/// For how long at least, if its server gave another resume since.
const PERIOD: Duration = Duration::from_mins(1);
/// For how long if it did not: then it may be the server that fails.
const LONG_PERIOD: Duration = Duration::from_hours(6);
/// How many resumes are remembered.
const REMEMBERED: usize = 100_000;

/// A resume: whose, and which.
type Resume = (KeyHash, StepDigest);

/// The resumes that could not be read.
#[derive(Debug, Default)]
pub(super) struct UnreadResumes(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    resumes: HashMap<Resume, Tried>,
    /// When a place gave a resume last.
    read: HashMap<String, Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Tried {
    attempts: u32,
    since: Instant,
}

impl UnreadResumes {
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a resume could not be read in this run. Returns in how many runs, if that is enough:
    /// it counts as refused.
    pub(super) fn note(&self, resume: Resume, origin: &str) -> Option<u32> {
        let mut memory = self.lock();
        let room = memory.resumes.len() < REMEMBERED;
        let new = Tried { attempts: 0, since: Instant::now() };
        let known = memory.resumes.get(&resume).copied();
        let Tried { attempts, since } = known.unwrap_or(new);
        let tried = Tried { attempts: attempts.saturating_add(1), since };
        if known.is_some() || room {
            memory.resumes.insert(resume, tried);
        }
        let answers = memory.read.get(origin).is_some_and(|read| *read >= since);
        let least = if answers { PERIOD } else { LONG_PERIOD };
        (tried.attempts >= ATTEMPTS && since.elapsed() >= least).then_some(tried.attempts)
    }

    /// Notes that a place gave a resume.
    pub(super) fn note_read(&self, resume: &Resume, origin: &str) {
        let mut memory = self.lock();
        memory.resumes.remove(resume);
        memory.read.insert(origin.to_owned(), Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "https://cv.example.com";

    fn resume(n: u8) -> Resume {
        (KeyHash([n; 16]), StepDigest([n; 6]))
    }

    #[tokio::test(start_paused = true)]
    async fn a_resume_is_given_up_soon_if_its_server_gives_others_and_late_otherwise() {
        let unread = UnreadResumes::default();
        let start = Instant::now();
        for _ in 0..100 {
            assert_eq!(unread.note(resume(1), SERVER), None);
        }
        tokio::time::advance(PERIOD).await;
        unread.note_read(&resume(2), "https://other.example.com");
        assert_eq!(unread.note(resume(1), SERVER), None, "the server may be down");
        unread.note_read(&resume(2), SERVER);
        assert_eq!(unread.note(resume(1), SERVER), Some(102));
        assert_eq!(unread.note(resume(3), SERVER), None, "another one");
        unread.note_read(&resume(1), SERVER);
        assert_eq!(unread.note(resume(1), SERVER), None, "it was read meanwhile");
        let down = UnreadResumes::default();
        while down.note(resume(1), SERVER).is_none() {
            tokio::time::advance(PERIOD).await;
        }
        assert_eq!(start.elapsed(), LONG_PERIOD + PERIOD);
    }
}
