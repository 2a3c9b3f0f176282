//! What a push would send for each record, not knowing who is in Clinch: each step is made through the port, one
//! record after the other, and what is answered decides nothing. Makes requests through the port, which
//! must not reach Clinch.

use std::borrow::Cow;

use serde_json::Map;

use super::{
    changes::changes,
    crm::{Crm, CrmFailure, Destination, Ensure, JobStage},
};
use crate::{
    domain::{Cause, ClinchId, Reason, RecordId, SourcePosition},
    ledger::Keys,
    pipeline::{
        opened::Opened,
        records::{Prepared, PreparedRecords},
        rendered::{Renderer, Resume},
        resume::{ResumeError, ResumeFile},
        spec::{DestinationSpec, Duplicates, RunSpec},
        work::Work,
    },
    source::SourceError,
};

/// The person in a request that names one.
const PERSON: &str = "candidate-id";
/// The job and the stage, which only Clinch's lists name by id.
const JOB: &str = "job-id";
const STAGE: &str = "stage-id";

/// A step of a push, in the order in which they are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreviewStep {
    /// The person is looked up.
    LookUp,
    /// If nobody is found.
    Create,
    /// If somebody is found. A push sends only the attributes that differ.
    Update,
    /// The person is added to the job.
    Application,
    /// A file is attached.
    Attachment {
        /// Its name: no candidate value.
        name: String,
        /// Its size.
        bytes: usize,
    },
    /// A file that the profile names by URL is attached. It is read only then.
    NamedFile,
    /// The tags are added.
    Activity,
}

/// Takes what a push would send.
pub trait PreviewLog: Send {
    /// The next selected record, with its opaque id; false: it is left out.
    fn record(&mut self, position: &SourcePosition, id: Option<RecordId>) -> bool;
    /// The record is rejected before anything is sent.
    fn rejected(&mut self, cause: &Cause);
    /// A step, after its requests; with why it would not be sent.
    fn step(&mut self, step: PreviewStep, refused: Option<Cause>);
    /// Something that the mapping asks for is left out.
    fn warning(&mut self, cause: &Cause);
}

/// Makes the steps of each selected record. Fails if the source cannot be read.
pub async fn preview<C: Crm>(
    spec: RunSpec,
    crm: &C,
    keys: &Keys,
    log: &mut impl PreviewLog,
) -> Result<(), SourceError> {
    let Some(spec) = spec.open().await? else { return Ok(()) };
    let mut records = PreparedRecords::of(&spec, keys);
    while let Some(next) = records.next() {
        match next? {
            Prepared::Rejected(rejection) => {
                if log.record(&rejection.position, rejection.record) {
                    log.rejected(&rejection.cause);
                }
            }
            Prepared::Ready(work) => {
                if log.record(&work.position, Some(keys.record_id(&work.key))) {
                    steps(&spec, &work, crm, log).await;
                }
            }
        }
    }
    Ok(())
}

async fn steps(spec: &RunSpec<Opened>, work: &Work, crm: &impl Crm, log: &mut impl PreviewLog) {
    let person = id(PERSON);
    log_step(log, PreviewStep::LookUp, crm.find(&work.key).await);
    let created = crm.create(&work.key, &work.attributes, false, &|| ()).await;
    log_step(log, PreviewStep::Create, created);
    if spec.duplicates == Duplicates::Update {
        let changed = changes(work, &Map::new());
        log_step(log, PreviewStep::Update, crm.update(&person, &changed).await);
    }
    if let Destination::Job(stage) = destination(&spec.destination) {
        let applied = crm.ensure_application(&person, &stage, Ensure::Fresh).await;
        log_step(log, PreviewStep::Application, applied);
    }
    if let Some(resume) = &work.resume {
        match file(&spec.renderer, resume).await {
            Ok(None) => log.step(PreviewStep::NamedFile, None),
            Ok(Some(file)) => {
                let step =
                    PreviewStep::Attachment { name: file.name.clone(), bytes: file.bytes.len() };
                let attached = crm.ensure_attachment(&person, &file, Ensure::Fresh).await;
                log_step(log, step, attached);
            }
            Err(error) => {
                let reason = Reason::ResumeRefused;
                log.warning(&Cause::new(reason, error.to_string()));
            }
        }
    }
    if let Some(warning) = &work.warning {
        log.warning(warning);
    }
    if let Some(tags) = &work.tags {
        let added = crm.ensure_activity(&person, &tags.activity, &tags.body, Ensure::Fresh).await;
        log_step(log, PreviewStep::Activity, added);
    }
}

/// The file to attach; `None`: it is elsewhere.
async fn file<'r>(
    renderer: &Renderer,
    resume: &'r Resume,
) -> Result<Option<Cow<'r, ResumeFile>>, ResumeError> {
    match resume {
        Resume::File(file) => Ok(Some(Cow::Borrowed(file))),
        Resume::Profile(document) => {
            renderer.file(document).await.map(|file| Some(Cow::Owned(file)))
        }
        Resume::Named(_) => Ok(None),
    }
}

/// What is answered decides nothing; only a request that is not permitted is not sent.
fn log_step<T>(log: &mut impl PreviewLog, step: PreviewStep, result: Result<T, CrmFailure>) {
    let refused = match result {
        Err(CrmFailure::Everything { disposition, message }) => {
            Some(Cause::new(disposition.reason(), message))
        }
        Ok(_) | Err(_) => None,
    };
    log.step(step, refused);
}

fn destination(spec: &DestinationSpec) -> Destination {
    match spec {
        DestinationSpec::Prospect => Destination::Prospect,
        DestinationSpec::Job { id: named, .. } => {
            let job = named.as_deref().and_then(|named| ClinchId::parse(named).ok());
            Destination::Job(JobStage { job: job.unwrap_or_else(|| id(JOB)), stage: id(STAGE) })
        }
    }
}

fn id(text: &str) -> ClinchId {
    ClinchId::parse(text).expect("a constant that is an id")
}
