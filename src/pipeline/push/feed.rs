//! The second look at a source: what is due, in windows. Decodes on a thread of its own, a window
//! ahead of the pushing; of what is not due it maps nothing.

use std::{collections::VecDeque, sync::Arc};

use tokio::{sync::mpsc, task::JoinHandle};

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

/// Most records of a window.
const WINDOW_RECORDS: usize = 2048;
/// From this many bytes on, resumes for the most part, a window is closed.
const WINDOW_BYTES: usize = 8 << 20;

/// What is left to be pushed.
pub(super) struct Feed {
    ready: mpsc::Receiver<Result<VecDeque<Work>, SourceError>>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// Starts to read. Ends by itself when it is dropped.
    pub(super) fn of(spec: Arc<RunSpec<Opened>>, keys: Keys, due: RecordSet) -> Self {
        let (sender, ready) = mpsc::channel(1);
        let thread = tokio::task::spawn_blocking(move || {
            let mut records = PreparedRecords::among(&spec, &keys, &due);
            let mut left = due.count();
            while left > 0 {
                let (window, mut fault) = window(&mut records, &mut left);
                if fault.is_none() && left > 0 && window.is_empty() && spec.source.is_remote() {
                    // Somebody was there when the source was surveyed, and is not any more.
                    let part = "the source".into();
                    fault = Some(SourceError::Remote { part, fault: ReadFault::Changed });
                }
                let ended = window.is_empty();
                if !ended && sender.blocking_send(Ok(window)).is_err() {
                    return;
                }
                if let Some(fault) = fault {
                    // Nobody is left to be told when the run has ended.
                    let _ = sender.blocking_send(Err(fault));
                    return;
                }
                if ended {
                    return;
                }
            }
            if spec.source.is_verified_at_the_end()
                && let Some(fault) = records.rest()
            {
                // Nobody is left to be told when the run has ended.
                let _ = sender.blocking_send(Err(fault));
            }
        });
        Self { ready, thread: Some(thread) }
    }

    /// The next records that are due; none at the end.
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
            work.undecided = run_ledger.was_undecided(&work.key_hash);
        }
        Ok(window)
    }
}

/// The next records that are due, and what ended them before their time.
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
            // RuleVerdict by the survey.
            Some(Ok(Prepared::Rejected(_))) => {}
            Some(Err(error)) => return (window, Some(error)),
            None => break,
        }
    }
    (window, None)
}
