//! The port to what takes the records of an import. No I/O here; `objects.rs` implements it on an object
//! store or a folder, `http` on an endpoint.

use std::future::Future;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::report::{ImportCounts, ImportMode, LastManifest};
use crate::{
    domain::{Cause, ClinchId, Disposition},
    ledger::ImportPart,
};

/// The most that a batch may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Records.
    pub rows: usize,
    /// Bytes of their lines. One record may be larger.
    pub bytes: usize,
}

/// Records that are delivered together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its number in its import, from 1.
    pub number: u64,
    /// The people, in the order of the lines.
    pub ids: Vec<ClinchId>,
    /// A line of JSON for each, ended by a line feed.
    pub lines: Bytes,
}

impl Batch {
    /// The JSON of each record, without the end of its line.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
    }
}

/// A batch that was delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    /// The number of the last batch, for sinks that divide what they get.
    pub last: u64,
    /// Where it is, for sinks that keep it.
    pub part: Option<ImportPart>,
    /// People of it whom the sink refuses, in the order of their records.
    pub refused: Vec<Refused>,
    /// Where it went no further, because it refused too many.
    pub gave_up: Option<GaveUp>,
}

/// A sink refuses so many people in a row that it is no matter of single people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GaveUp {
    /// The first record of the batch that was neither taken nor refused, from 0.
    pub from: usize,
    /// What to do next.
    pub disposition: Disposition,
    /// What is wrong.
    pub message: String,
}

/// How many people a sink may refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// People refused since one was taken.
    pub refused: u64,
    /// The most.
    pub most: u64,
}

/// A person whom a sink refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which record of the batch it is, from 0.
    pub at: usize,
    /// The person.
    pub id: ClinchId,
    /// Why.
    pub cause: Cause,
}

/// What a run delivered: the index of its parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Namespace and name of the import.
    pub import: String,
    /// The number of the run.
    pub run: u64,
    /// The number of the run with the manifest before this one, if there is one.
    pub previous: Option<u64>,
    /// What the run read.
    pub mode: ImportMode,
    /// Whether it read everything that it had to.
    pub complete: bool,
    /// The time, by Clinch's clock, up to which changes are in the manifests so far.
    pub cursor: Option<String>,
    /// The first of its batches.
    pub from_batch: u64,
    /// The last of its batches.
    pub to_batch: u64,
    /// Its parts, in order.
    pub parts: Vec<ImportPart>,
    /// What became of the people that it read; absent if the run was cut off.
    pub counts: Option<ImportCounts>,
}

/// The last run and batch that a sink knows of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SinkPosition {
    /// The number of the run.
    pub run: u64,
    /// The number of its last batch.
    pub batch: u64,
}

/// Why a sink does not take something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkFault {
    /// The run was ended, or may not write any more.
    Stopped,
    /// It cannot.
    Failed {
        /// What to do next.
        disposition: Disposition,
        /// What is wrong.
        message: String,
    },
}

/// Takes what an import emits. Fence and grant are checked before each call that writes.
pub trait Sink: Send + Sync {
    /// The most that a batch may hold.
    fn limits(&self) -> BatchLimits;

    /// Whether the people of a batch are stored before it is delivered. A sink that cannot say what it
    /// has needs this: after a crash the same people are delivered again, with the same number.
    fn is_declared_to(&self) -> bool {
        false
    }

    /// A number that is less than that of every batch of this run. A sink whose receiver knows batches by
    /// their numbers must not give one again after the state of the import was lost, or put back.
    fn before_batches_of_run(&self) -> u64 {
        0
    }

    /// The last run and batch that it has, if it keeps any. Only reads.
    fn position(&self) -> impl Future<Output = Result<Option<SinkPosition>, SinkFault>> + Send {
        async { Ok(None) }
    }

    /// The names of what a killed process left of batches after this one, if it keeps any.
    fn leftovers(
        &self,
        after_batch: u64,
    ) -> impl Future<Output = Result<Vec<String>, SinkFault>> + Send {
        let _ = after_batch;
        async { Ok(Vec::new()) }
    }

    /// Removes what was left.
    fn remove(&self, leftovers: &[String]) -> impl Future<Output = Result<(), SinkFault>> + Send {
        let _ = leftovers;
        async { Ok(()) }
    }

    /// Takes a batch, durably once it returns. The same batch may be delivered again.
    fn deliver(
        &self,
        batch: &Batch,
        patience: &mut Patience,
    ) -> impl Future<Output = Result<Delivered, SinkFault>> + Send;

    /// Takes the index of a run that delivered something; where it is, for sinks that keep it. The same
    /// manifest may be delivered again.
    fn close(
        &self,
        manifest: &Manifest,
    ) -> impl Future<Output = Result<Option<LastManifest>, SinkFault>> + Send;
}
