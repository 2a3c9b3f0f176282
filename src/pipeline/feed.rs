//! The second look at a source: what is due, in windows. Decodes as it goes; of what is not due
//! it maps nothing.

use std::collections::VecDeque;

use super::{
    book::Book,
    prepare::{Records, RunSpec, Sorted},
    push::Work,
    survey::Marked,
};
use crate::ledger::{Keys, SegmentStore};

/// Most records of a window.
const WINDOW_RECORDS: usize = 2048;
/// From this many bytes on, resumes for the most part, a window is closed.
const WINDOW_BYTES: usize = 8 << 20;

/// What is left to be pushed.
pub(super) struct Feed<'a> {
    records: Records<'a>,
    left: usize,
}

impl<'a> Feed<'a> {
    pub(super) fn of(spec: &'a RunSpec, keys: &'a Keys, due: &'a Marked) -> Self {
        Self { records: Records::marked(spec, keys, due), left: due.count() }
    }

    /// The next records that are due; none at the end.
    pub(super) async fn window<S: SegmentStore>(&mut self, book: &Book<S>) -> VecDeque<Work> {
        let (mut window, mut weight) = (VecDeque::new(), 0);
        while self.left > 0 && window.len() < WINDOW_RECORDS && weight < WINDOW_BYTES {
            let mut work = match self.records.next().await {
                Some(Ok(Sorted::Wanted(work))) => work,
                // Not due, or behind a fault of the source: both were told by the survey.
                Some(Ok(Sorted::Refused(_))) => continue,
                Some(Err(_)) | None => break,
            };
            self.left -= 1;
            work.compare(&book.ledger);
            work.undecided = book.was_undecided(&work.key_hash);
            weight += work.weight();
            window.push_back(*work);
        }
        window
    }
}
