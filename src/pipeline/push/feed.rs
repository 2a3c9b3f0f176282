//! The records that are due, in windows: those that the survey kept, or else a second reading of the source.
//! Decodes on a blocking thread, one window ahead of the push; does not map records that are not due.

use std::{collections::VecDeque, sync::Arc};

use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};

use super::run_ledger::RunLedger;
use crate::{
    ledger::{Keys, SegmentStore},
    pipeline::{
        blocking::join_blocking,
        opened::Opened,
        record_set::RecordSet,
        records::{Prepared, PreparedRecords},
        spec::RunSpec,
        work::Work,
    },
    source::SourceError,
    storage::ReadFault,
};

/// Maximum number of records in a window.
const WINDOW_RECORDS: usize = 2048;
/// A window is closed at this many bytes, most of them resumes.
const WINDOW_BYTES: usize = 8 << 20;

/// The records that are left to push.
pub(super) struct Feed {
    ready: mpsc::Receiver<Result<VecDeque<Work>, SourceError>>,
    thread: Option<JoinHandle<()>>,
    keys: Keys,
}

impl Feed {
    /// What the survey kept: nothing is read.
    fn of_kept(mut kept: VecDeque<Work>, keys: Keys) -> Self {
        let (sender, ready) = mpsc::channel(kept.len().div_ceil(WINDOW_RECORDS).max(1));
        while !kept.is_empty() {
            let rest = kept.split_off(WINDOW_RECORDS.min(kept.len()));
            let window = std::mem::replace(&mut kept, rest);
            sender.try_send(Ok(window)).expect("there is room for every window");
        }
        Self { ready, thread: None, keys }
    }

    /// Starts reading; stops when dropped.
    fn of(spec: Arc<RunSpec<Opened>>, keys: Keys, due: Arc<RecordSet>) -> Self {
        let (sender, ready) = mpsc::channel(1);
        let reader = keys.clone();
        let thread = tokio::task::spawn_blocking(move || {
            let mut records = PreparedRecords::among(&spec, &reader, &due);
            let (mut left, mut fault, mut is_over) = (due.count(), None, false);
            supply(&sender, || {
                if let Some(fault) = fault.take() {
                    is_over = true;
                    return Some(Err(fault));
                }
                if is_over {
                    return None;
                }
                if left == 0 {
                    is_over = true;
                    let verified = spec.source.is_verified_at_the_end();
                    return verified.then(|| records.rest()).flatten().map(Err);
                }
                let (window, found) = window(&mut records, &mut left);
                fault = found;
                if !window.is_empty() {
                    return Some(Ok(window));
                }
                is_over = true;
                if fault.is_none() && left > 0 && spec.source.is_remote() {
                    // The survey saw records that the source no longer has.
                    let part = "the source".into();
                    fault = Some(SourceError::Remote { part, fault: ReadFault::Changed });
                }
                fault.take().map(Err)
            });
        });
        Self { ready, thread: Some(thread), keys }
    }

    /// The next window; empty at the end.
    pub(super) async fn window<S: SegmentStore>(
        &mut self,
        run_ledger: &RunLedger<S>,
    ) -> Result<VecDeque<Work>, SourceError> {
        let Some(window) = self.ready.recv().await else {
            if let Some(thread) = self.thread.take() {
                join_blocking(thread).await;
            }
            return Ok(VecDeque::new());
        };
        let mut window = window?;
        for work in &mut window {
            work.compare(&run_ledger.ledger);
            let others = || self.keys.other_hashes(&work.key);
            work.undecided = run_ledger.was_undecided(&work.key_hash)
                || others().iter().any(|other| run_ledger.was_undecided(other));
        }
        Ok(window)
    }
}

/// What is left to push, in two parts: first the records that may be in order, then those that Clinch
/// answered with an error in an earlier run.
pub(super) struct Feeds {
    spec: Arc<RunSpec<Opened>>,
    keys: Keys,
    current: Feed,
    held_back: Option<Arc<RecordSet>>,
}

impl Feeds {
    /// Starts reading the first part, unless it was `kept`.
    pub(super) fn of(
        spec: Arc<RunSpec<Opened>>,
        keys: Keys,
        [due, held_back]: [Arc<RecordSet>; 2],
        kept: Option<VecDeque<Work>>,
    ) -> Self {
        let current = match kept {
            Some(kept) => Feed::of_kept(kept, keys.clone()),
            None => Feed::of(spec.clone(), keys.clone(), due),
        };
        let held_back = (held_back.count() > 0).then_some(held_back);
        Self { spec, keys, current, held_back }
    }

    /// The next window of the part that is being read; empty at its end.
    pub(super) async fn window<S: SegmentStore>(
        &mut self,
        run_ledger: &RunLedger<S>,
    ) -> Result<VecDeque<Work>, SourceError> {
        self.current.window(run_ledger).await
    }

    /// Starts the second part; false if there is none, or it was started.
    pub(super) fn go_on(&mut self) -> bool {
        let Some(held_back) = self.held_back.take() else { return false };
        self.current = Feed::of(self.spec.clone(), self.keys.clone(), held_back);
        true
    }
}

/// Sends what is made. The next one is made once the one before was taken, so that one waits and no more.
/// Ends when nothing more is made, or nothing more is taken. Blocks.
fn supply<T>(sender: &mpsc::Sender<T>, mut make: impl FnMut() -> Option<T>) {
    let runtime = Handle::current();
    while let Ok(permit) = runtime.block_on(sender.reserve()) {
        let Some(made) = make() else { return };
        permit.send(made);
    }
}

/// The next window, and the fault that cut it short, if any.
fn window(
    records: &mut PreparedRecords<'_>,
    left: &mut usize,
) -> (VecDeque<Work>, Option<SourceError>) {
    let (mut window, mut weight) = (VecDeque::new(), 0);
    while *left > 0 && window.len() < WINDOW_RECORDS && weight < WINDOW_BYTES {
        match records.next() {
            Some(Ok(Prepared::Ready(work))) => {
                *left -= 1;
                weight += work.weight();
                window.push_back(*work);
            }
            // Counted by the survey.
            Some(Ok(Prepared::Rejected(_))) => {}
            Some(Err(error)) => return (window, Some(error)),
            None => break,
        }
    }
    (window, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_window_is_made_once_the_one_before_was_taken() {
        for taken in [0, 1, 3] {
            let (sender, mut ready) = mpsc::channel(1);
            let thread = tokio::task::spawn_blocking(move || {
                let mut made = 0;
                supply(&sender, || {
                    made += 1;
                    Some(made)
                });
                made
            });
            for number in 1..=taken {
                assert_eq!(ready.recv().await, Some(number));
            }
            while ready.is_empty() {
                tokio::task::yield_now().await;
            }
            ready.close();
            assert_eq!(thread.await.unwrap(), taken + 1, "one waits");
        }
    }
}
