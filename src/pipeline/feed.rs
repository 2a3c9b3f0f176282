//! The second look at a source: what is due, in windows. Decodes as it goes and keeps nothing.

use std::collections::VecDeque;

use super::{
    book::Book,
    prepare::{Records, RunSpec, Sorted},
    push::Work,
    survey::People,
};
use crate::ledger::{Keys, SegmentStore};

/// Most records of a window.
const WINDOW_RECORDS: usize = 2048;
/// From this many bytes on, resumes for the most part, a window is closed.
const WINDOW_BYTES: usize = 8 << 20;

/// What is left to be pushed.
pub(super) struct Feed<'a> {
    records: Records<'a>,
    people: &'a People,
    ended: bool,
}

impl<'a> Feed<'a> {
    pub(super) fn of(spec: &'a RunSpec, keys: &'a Keys, people: &'a People) -> Self {
        Self { records: Records::of(spec, keys), people, ended: false }
    }

    /// The next records that are due; none at the end. What is refused or repeated was told by
    /// the survey.
    pub(super) async fn window<S: SegmentStore>(&mut self, book: &Book<S>) -> VecDeque<Work> {
        let (mut window, mut weight) = (VecDeque::new(), 0);
        while !self.ended && window.len() < WINDOW_RECORDS && weight < WINDOW_BYTES {
            let mut work = match self.records.next().await {
                Some(Ok(Sorted::Wanted(work))) => work,
                Some(Ok(Sorted::Refused(_))) => continue,
                Some(Err(_)) | None => {
                    self.ended = true;
                    break;
                }
            };
            if !self.people.is_first(&work) {
                continue;
            }
            work.compare(&book.ledger);
            work.undecided = book.was_undecided(&work.key_hash);
            if !work.is_done() {
                weight += work.weight();
                window.push_back(*work);
            }
        }
        window
    }
}
