//! A run that writes a document for each person. It reads the source twice: first to judge it, and to find
//! out whose document differs from the one that is there; then to render those. Documents of people who
//! left the source, or must not leave, are deleted in between.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    deliver::{Delivery, Fault},
    reading::{Reader, ReadingFault, Rendered, Surveyed},
    rows::Judge,
    run::{open, refusal},
    sighted::Sighted,
    spec::FileSpec,
};
use crate::{
    domain::{Disposition, Fence, Grant, Reason, RecordId, digest_parts},
    ledger::{FileLedger, Keys, SegmentStore, Suppressions},
    pipeline::{
        blocking::join_blocking,
        ending::unread,
        mode::Mode,
        opened::Opened,
        record_log::RecordReport,
        rendered::Renderer,
        report::{Ending, Progress, Report},
    },
    storage::FileSet,
};

/// Stands for the opaque id of a record in the URL of its file.
pub const RECORD: &str = "{record}";
/// How many rendered documents wait to be written.
const WAITING: usize = 4;

/// What the files show that earlier runs have written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InPlace {
    /// The version of the source, if it is a remote one that states it.
    pub source: Option<String>,
}

/// What a run that writes a file for each person needs besides its spec.
pub struct PersonFilePorts<S> {
    /// Where the files are written.
    pub files: FileSet,
    /// UID of the export.
    pub export: String,
    /// Where it is stored which files were written.
    pub store: S,
    /// The most files that may be stored there, if there is a limit.
    pub max_files: Option<u64>,
    /// Whether all files are written again, also those that are known to be as they should.
    pub rewrite: bool,
    /// What the files show, if nothing but the source can have changed.
    pub in_place: Option<InPlace>,
    /// How many of so many records may be unreadable before nobody counts as having left: any of them may be
    /// about anybody who is missing.
    pub tolerated: Box<dyn Fn(u64) -> u64 + Send + Sync>,
    /// The people who must not leave.
    pub suppressions: Suppressions,
    /// The keys for opaque ids of records.
    pub keys: Keys,
    /// Whether the integration permits the files.
    pub grant: Grant,
    /// Whether this process may write.
    pub fence: Fence,
    /// Where progress is reported.
    pub progress: watch::Sender<Progress>,
    /// Renders profiles.
    pub renderer: Renderer,
    /// Takes a line for each record that is decided.
    pub report: Option<Arc<dyn RecordReport>>,
    /// Ends the run. Files that are written already stay.
    pub cancel: CancellationToken,
}

/// Runs until an ending. Never fails: every failure is an ending.
pub async fn run_person_files<S: SegmentStore + 'static>(
    spec: FileSpec,
    ports: PersonFilePorts<S>,
) -> Report {
    let progress = ports.progress.clone();
    let (url, cancel) = (ports.files.url(RECORD), ports.cancel.clone());
    let ending = match Box::pin(attempt(spec, ports)).await {
        Ok(ending) => ending,
        Err(_) if cancel.is_cancelled() => Ending::Stopped,
        Err(Fault::Stopped) => Ending::Stopped,
        Err(Fault::Write(fault)) => {
            let message = format!("{url} {fault}");
            Ending::Interrupted { disposition: fault.disposition(), message }
        }
        Err(Fault::Unknown(fault)) => {
            let message = fault.to_string();
            Ending::Interrupted { disposition: fault.disposition(), message }
        }
        Err(Fault::SourceChanged) => {
            let disposition = Disposition::retry(Reason::SourceChanged);
            let message = "the source changed while it was read".to_owned();
            Ending::Interrupted { disposition, message }
        }
    };
    Report { progress: progress.borrow().clone(), ending }
}

async fn attempt<S: SegmentStore + 'static>(
    mut spec: FileSpec,
    ports: PersonFilePorts<S>,
) -> Result<Ending, Fault> {
    let cancel = ports.cancel.clone();
    match &ports.in_place {
        // Nothing else that decides what is in the files is unknown before a run.
        Some(_) if !spec.source.is_remote() => return Ok(Ending::SourceUnchanged),
        Some(InPlace { source }) => spec.source.note_applied_version(source.clone()),
        None => {}
    }
    let spec = match cancel.run_until_cancelled(open(spec)).await {
        Some(Ok(Some(spec))) => Arc::new(spec),
        Some(Ok(None)) => return Ok(Ending::SourceUnchanged),
        Some(Err(error)) => return Ok(unread(&error)),
        None => return Ok(Ending::Stopped),
    };
    let set = ports.files.connect()?;
    if spec.mode == Mode::Push {
        set.clean_up(&ports.export).await?;
    }
    let place = place(&ports.files);
    let known = FileLedger::open(ports.store, ports.keys.clone(), place, ports.rewrite).await?;
    let run = Run {
        spec,
        judge: Arc::new(Judge {
            keys: ports.keys,
            suppressions: ports.suppressions,
            report: ports.report,
        }),
        renderer: ports.renderer,
        url: ports.files.url(RECORD).into(),
        tolerated: ports.tolerated,
        max_files: ports.max_files,
        cancel: cancel.clone(),
    };
    let (known, surveyed) = run.survey(known).await;
    let Some(surveyed) = surveyed else { return Ok(Ending::Stopped) };
    let delivery = Delivery {
        set,
        known,
        owner: ports.export,
        grant: ports.grant,
        fence: ports.fence,
        cancel,
        progress: ports.progress,
        written: (0, 0),
        deleted: 0,
        denied: None,
    };
    run.deliver(surveyed, delivery).await
}

/// Names where the files are, so that those of another place are not believed to be there.
fn place(files: &FileSet) -> [u8; 16] {
    let digest = digest_parts([files.identity().as_bytes()]);
    let mut place = [0; 16];
    place.copy_from_slice(&digest.as_bytes()[..16]);
    place
}

struct Run {
    spec: Arc<FileSpec<Opened>>,
    judge: Arc<Judge>,
    renderer: Renderer,
    url: Arc<str>,
    tolerated: Box<dyn Fn(u64) -> u64 + Send + Sync>,
    max_files: Option<u64>,
    cancel: CancellationToken,
}

impl Run {
    /// The first reading.
    async fn survey<S: SegmentStore + 'static>(
        &self,
        known: FileLedger<S>,
    ) -> (FileLedger<S>, Option<Surveyed>) {
        let (spec, judge) = (self.spec.clone(), self.judge.clone());
        let (renderer, cancel) = (self.renderer.clone(), self.cancel.clone());
        let read = move || {
            let (spec, judge, renderer, cancel) = (&*spec, &*judge, &renderer, &cancel);
            let surveyed = Reader { spec, judge, renderer, cancel }.survey(&known);
            (known, surveyed)
        };
        join_blocking(tokio::task::spawn_blocking(read)).await
    }

    /// Judges what was found, deletes, and writes.
    async fn deliver<S: SegmentStore + 'static>(
        &self,
        surveyed: Surveyed,
        mut delivery: Delivery<S>,
    ) -> Result<Ending, Fault> {
        let Surveyed { progress, sighted, suppressed, unidentified, due, fault } = surveyed;
        let people = sighted.len() as u64;
        let refused = refusal(&self.spec, &progress, people, fault)
            .or_else(|| self.too_many(&sighted, &delivery));
        let counts = progress.counts;
        delivery.progress.send_replace(progress);
        if let Some(ending) = refused {
            return Ok(ending);
        }
        let writes = self.spec.mode == Mode::Push;
        // Every record is rejected: that removes nobody. Where somebody must not leave, there may be a file
        // of them.
        let is_known = people > 0 || counts.invalid == 0 || counts.suppressed > 0;
        if writes && is_known {
            if unidentified > (self.tolerated)(counts.total) {
                delivery.delete(suppressed).await?;
            } else {
                delivery.delete(delivery.gone(&sighted)).await?;
            }
        }
        let Rendered { mut progress, failed, fault } =
            self.render(sighted, &due, &mut delivery).await?;
        match fault {
            Some(ReadingFault::Source(error)) => return Ok(unread(&error)),
            Some(ReadingFault::Changed) => return Err(Fault::SourceChanged),
            None => {}
        }
        if writes {
            (progress.counts.created, progress.counts.updated) = delivery.written;
            let files = delivery.close(self.url.clone(), people - failed).await?;
            progress.files = Some(files).filter(|_| is_known);
        }
        delivery.progress.send_replace(progress);
        Ok(match &delivery.denied {
            None => Ending::Completed,
            Some((count, fault)) => Ending::Interrupted {
                disposition: Disposition::Stalled { reason: Reason::DeletionDenied },
                message: format!(
                    "{count} {} still there: {} {fault}. Permit that files are deleted there, or remove \
                     what is in the way. All other files are as they should be",
                    if *count == 1 {
                        "file of people who left is"
                    } else {
                        "files of people who left are"
                    },
                    self.url
                ),
            },
        })
    }

    /// The second reading, and what is written of it.
    async fn render<S: SegmentStore>(
        &self,
        sighted: Sighted,
        due: &[RecordId],
        delivery: &mut Delivery<S>,
    ) -> Result<Rendered, Fault> {
        let (sender, mut documents) = mpsc::channel(WAITING);
        let (spec, judge) = (self.spec.clone(), self.judge.clone());
        let (renderer, cancel) = (self.renderer.clone(), self.cancel.clone());
        let thread = tokio::task::spawn_blocking(move || {
            let (spec, judge, renderer, cancel) = (&*spec, &*judge, &renderer, &cancel);
            let reader = Reader { spec, judge, renderer, cancel };
            reader.render(sighted, reader.writes().then_some(&sender))
        });
        let written = match self.spec.mode {
            Mode::Push => delivery.write(due, &mut documents).await,
            Mode::DryRun => Ok(()),
        };
        // The thread notices that nobody takes its documents.
        drop(documents);
        let rendered = join_blocking(thread).await;
        match (written, rendered) {
            // The reading says why there were fewer.
            (Err(Fault::SourceChanged), Some(rendered)) if rendered.fault.is_some() => Ok(rendered),
            (Err(fault), _) => Err(fault),
            (Ok(()), Some(rendered)) => Ok(rendered),
            (Ok(()), None) => Err(Fault::Stopped),
        }
    }

    fn too_many<S: SegmentStore>(
        &self,
        sighted: &Sighted,
        delivery: &Delivery<S>,
    ) -> Option<Ending> {
        let max = self.max_files?;
        let people = sighted.len() as u64;
        let is_more = people > max && people > delivery.known.totals().0;
        is_more.then(|| Ending::Interrupted {
            disposition: Disposition::Stalled { reason: Reason::LedgerTooLarge },
            message: format!(
                "a list of {people} files is too large for etcd, which may hold {max}: set the operator's \
                 --ledger-url to keep ledgers in an object store"
            ),
        })
    }
}
