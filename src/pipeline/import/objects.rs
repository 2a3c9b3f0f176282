//! The sink that keeps what it gets as files: immutable parts, an index for each run, and the name of the
//! latest one. Does I/O through [`storage`](crate::storage).

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{
    report::LastManifest,
    sink::{Batch, BatchLimits, Delivered, Manifest, Patience, Sink, SinkFault, SinkPosition},
};
use crate::{
    domain::{Disposition, Reason},
    ledger::ImportPart,
    output::{CsvEncoder, CsvStyle, RowEncoder as _},
    storage::{PlaceError, StoragePolicy, WriteFault, WrittenFolder},
};

/// The most bytes of a part, but for one record: a part is written with one request.
const MAX_PART_BYTES: usize = 8 << 20;
/// The largest index: that of some 100 000 parts.
const MAX_MANIFEST_BYTES: usize = 32 << 20;
const PARTS: &str = "parts";
const MANIFESTS: &str = "manifests";
/// Written last: a copy of the latest manifest.
const LATEST: &str = "latest.json";

/// The format of parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PartFormat {
    /// A JSON object a line.
    #[default]
    Ndjson,
    /// The columns of an export's CSV file behind those that say whose a record is.
    Csv,
}

impl PartFormat {
    const ALL: [Self; 2] = [Self::Ndjson, Self::Csv];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Ndjson => ".ndjson",
            Self::Csv => ".csv",
        }
    }

    /// The bytes of a part. The same batch gives the same bytes.
    fn bytes(self, batch: &Batch) -> Bytes {
        match self {
            Self::Ndjson => batch.lines.clone(),
            Self::Csv => csv(batch),
        }
    }
}

fn csv(batch: &Batch) -> Bytes {
    let mut encoder = CsvEncoder::of_imported(CsvStyle::default());
    let mut out = Vec::with_capacity(batch.lines.len());
    encoder.header(&mut out);
    for record in batch.records() {
        let record: Map<String, Value> =
            serde_json::from_slice(record).expect("the records of a batch are JSON objects");
        encoder.row((&record).into(), &mut out);
    }
    encoder.end(&mut out);
    out.into()
}

/// A folder of an object store or of this machine.
#[derive(Debug)]
pub struct ObjectSink {
    folder: WrittenFolder,
    parts: WrittenFolder,
    manifests: WrittenFolder,
    owner: String,
    format: PartFormat,
    max_rows: usize,
}

impl ObjectSink {
    /// Checks everything that can be checked without a request. `url`: of a folder, with a slash at its end;
    /// everything is kept in a folder of it that has the UID of the import as its name. `max_rows`: the
    /// most records of a part.
    pub fn open(
        url: &str,
        secret: Option<&BTreeMap<String, Bytes>>,
        policy: &Arc<StoragePolicy>,
        import_uid: &str,
        (format, max_rows): (PartFormat, usize),
    ) -> Result<Self, PlaceError> {
        let folder = WrittenFolder::open(url, secret, policy)?.folder(import_uid);
        let (parts, manifests) = (folder.folder(PARTS), folder.folder(MANIFESTS));
        Ok(Self { folder, parts, manifests, owner: import_uid.to_owned(), format, max_rows })
    }

    async fn manifest(
        &self,
        folder: &WrittenFolder,
        name: &str,
    ) -> Result<Option<Index>, SinkFault> {
        let fault = |fault| fault_of(folder, name, &fault);
        let Some(bytes) = folder.read(name, MAX_MANIFEST_BYTES).await.map_err(fault)? else {
            return Ok(None);
        };
        match serde_json::from_slice(&bytes) {
            Ok(manifest) => Ok(Some(Index { manifest, bytes })),
            Err(_) => Err(conflict(&folder.url(name), "is no manifest of an import: remove it")),
        }
    }
}

/// A manifest as it is stored.
struct Index {
    manifest: Manifest,
    bytes: Bytes,
}

fn fault_of(folder: &WrittenFolder, name: &str, fault: &WriteFault) -> SinkFault {
    let message = format!("{} {fault}", folder.url(name));
    SinkFault::Failed { disposition: fault.disposition(), message }
}

fn conflict(url: &str, why: &str) -> SinkFault {
    SinkFault::Failed {
        disposition: Disposition::Stalled { reason: Reason::DestinationConflict },
        message: format!("{url} {why}"),
    }
}

fn manifest_name(run: u64) -> String {
    format!("{run:010}.json")
}

impl Sink for ObjectSink {
    fn limits(&self) -> BatchLimits {
        BatchLimits { rows: self.max_rows, bytes: MAX_PART_BYTES }
    }

    async fn position(&self) -> Result<Option<SinkPosition>, SinkFault> {
        let mut last = self.manifest(&self.folder, LATEST).await?;
        // A process may have been killed before it named its manifest as the latest one.
        loop {
            let run = last.as_ref().map_or(1, |last| last.manifest.run.saturating_add(1));
            let Some(next) = self.manifest(&self.manifests, &manifest_name(run)).await? else {
                break;
            };
            last = Some(next);
        }
        Ok(last.map(|last| SinkPosition { run: last.manifest.run, batch: last.manifest.to_batch }))
    }

    async fn leftovers(&self, after_batch: u64) -> Result<Vec<String>, SinkFault> {
        for folder in [&self.parts, &self.manifests, &self.folder] {
            let fault = |fault| fault_of(folder, "", &fault);
            folder.clean_up(&self.owner).await.map_err(fault)?;
        }
        let after = format!("{:010}", after_batch.saturating_add(1));
        let fault = |fault| fault_of(&self.parts, "", &fault);
        let mut names = self.parts.names_after(&after).await.map_err(fault)?;
        names.retain(|name| is_part(name));
        Ok(names)
    }

    async fn remove(&self, leftovers: &[String]) -> Result<(), SinkFault> {
        for name in leftovers {
            let deleted = self.parts.delete(name).await;
            deleted.map_err(|fault| fault_of(&self.parts, name, &fault))?;
        }
        Ok(())
    }

    async fn deliver(&self, batch: &Batch, _: &mut Patience) -> Result<Delivered, SinkFault> {
        let bytes = self.format.bytes(batch);
        let size = bytes.len() as u64;
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let (number, suffix) = (batch.number, self.format.suffix());
        let name = format!("{number:010}-{}{suffix}", &sha256[..16]);
        // One that exists has the same bytes.
        let written = self.parts.create(&name, bytes, &self.owner).await;
        written.map_err(|fault| fault_of(&self.parts, &name, &fault))?;
        let part = ImportPart {
            name: format!("{PARTS}/{name}"),
            batch: batch.number,
            rows: batch.ids.len() as u64,
            bytes: size,
            sha256,
        };
        Ok(Delivered { last: batch.number, part: Some(part), ..Delivered::default() })
    }

    async fn close(&self, manifest: &Manifest) -> Result<Option<LastManifest>, SinkFault> {
        let name = manifest_name(manifest.run);
        let mut bytes =
            Bytes::from(serde_json::to_vec_pretty(manifest).expect("plain data serialises"));
        let created = self.manifests.create(&name, bytes.clone(), &self.owner).await;
        let created = created.map_err(|fault| fault_of(&self.manifests, &name, &fault))?;
        if !created && let Some(there) = self.manifest(&self.manifests, &name).await? {
            // That of a process which was killed right after it, and knew more.
            if there.manifest.parts != manifest.parts {
                let why = "lists other parts: do two operators write this folder?";
                return Err(conflict(&self.manifests.url(&name), why));
            }
            bytes = there.bytes;
        }
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let replaced = self.folder.replace(LATEST, bytes, &self.owner).await;
        replaced.map_err(|fault| fault_of(&self.folder, LATEST, &fault))?;
        let url = self.manifests.url(&name);
        Ok(Some(LastManifest { url, sequence: manifest.run, sha256 }))
    }
}

/// Whether it is the name of a part.
fn is_part(name: &str) -> bool {
    let parts = || {
        let stem = PartFormat::ALL.iter().find_map(|one| name.strip_suffix(one.suffix()));
        let (batch, sha) = stem?.split_once('-')?;
        let digits = batch.len() == 10 && batch.bytes().all(|byte| byte.is_ascii_digit());
        Some(digits && sha.len() == 16 && sha.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    parts().unwrap_or(false)
}
