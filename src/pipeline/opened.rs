//! A source that can be read: the files of a remote one are listed and their version is known. Does
//! network I/O for remote sources.

use std::sync::Arc;

use super::{
    report::SourceInfo,
    spec::{RunSpec, Source},
};
use crate::{
    mapping::{Plan, Select},
    source::{
        CsvOptions, Decoded, Format, Limits, Outline, OwnColumns, Part, Records, SourceError,
        decode, decode_opening, decode_values, is_told_by_name, outline_values,
    },
    storage::Opening,
};

/// Bounds on each remote file: it is read as a stream, and may be large.
const REMOTE: Limits = Limits {
    max_record_bytes: 8 << 20,
    max_expanded_bytes: 1 << 40,
    max_ratio: 200,
    max_records: 100_000_000,
};

/// Records of a source, in order.
pub(super) type Items<'a> = Box<dyn Iterator<Item = Result<Decoded, SourceError>> + Send + 'a>;

/// A source whose records can be read, any number of times.
#[derive(Debug)]
pub(super) enum Opened {
    Inline(Arc<[serde_json::Value]>),
    Parts { parts: Vec<Part>, csv: CsvOptions, limits: Limits },
    Remote { openings: Vec<Opening>, format: Option<Format>, csv: CsvOptions, info: SourceInfo },
}

impl RunSpec {
    /// Opens the source. `None`: it is the version that is completely in Clinch.
    pub(super) async fn open(self) -> Result<Option<RunSpec<Opened>>, SourceError> {
        let read = own_columns(Some(&self.plan), self.select.as_ref());
        let Self {
            source,
            select,
            limit,
            plan,
            destination,
            duplicates,
            mode,
            guards,
            renderer,
            resumes,
            reveals,
        } = self;
        let opened = source.open(read).await?;
        Ok(opened.map(|source| RunSpec {
            source,
            select,
            limit,
            plan,
            destination,
            duplicates,
            mode,
            guards,
            renderer,
            resumes,
            reveals,
        }))
    }
}

/// The columns of a CSV source that mapping and filter read by their header; all of them without a
/// mapping.
pub(super) fn own_columns(plan: Option<&Plan>, select: Option<&Select>) -> OwnColumns {
    let Some(plan) = plan else { return OwnColumns { all: true, ..OwnColumns::default() } };
    let mut read = plan.reads_below("x");
    if let Some(select) = select {
        read.extend(select.reads_below("x"));
    }
    OwnColumns { all: read.all, names: read.names }
}

impl Source {
    fn note_read(&mut self, read: OwnColumns) {
        match self {
            Self::Parts { csv, .. } | Self::Remote { csv, .. } => csv.read = read,
            Self::Inline(_) => {}
        }
    }

    /// Opens the source. `None`: it is the version that is in place. `read`: the columns of CSV that
    /// are read by their header.
    pub(super) async fn open(mut self, read: OwnColumns) -> Result<Option<Opened>, SourceError> {
        self.note_read(read);
        let (remote, format, csv, applied_version) = match self {
            Self::Inline(values) => return Ok(Some(Opened::Inline(values))),
            Self::Parts { parts, csv, limits } => {
                return Ok(Some(Opened::Parts { parts, csv, limits }));
            }
            Self::Remote { remote, format, csv, applied_version } => {
                (remote, format, csv, applied_version)
            }
        };
        let listing = remote.list(is_told_by_name).await.map_err(|fault| SourceError::Remote {
            part: remote.location().to_string().into(),
            fault,
        })?;
        let version = listing.version.map(|version| version.short());
        if version.is_some() && version == applied_version {
            return Ok(None);
        }
        let (files, bytes, skipped) = (listing.openings.len(), listing.bytes, listing.skipped);
        let info = SourceInfo { files, bytes, version, skipped };
        Ok(Some(Opened::Remote { openings: listing.openings, format, csv, info }))
    }
}

impl Opened {
    /// What was found at a remote source.
    pub(super) fn info(&self) -> Option<&SourceInfo> {
        match self {
            Self::Remote { info, .. } => Some(info),
            Self::Inline(_) | Self::Parts { .. } => None,
        }
    }

    /// Whether a second reading may give other records.
    pub(super) fn is_remote(&self) -> bool {
        matches!(self, Self::Remote { .. })
    }

    /// Whether only the end of a reading shows that the content differs from the one before.
    pub(super) fn is_verified_at_the_end(&self) -> bool {
        self.info().is_some_and(|info| info.version.is_none())
    }

    /// What the source consists of, by its first part.
    pub(super) fn outline(&self) -> Option<Outline> {
        match self {
            Self::Inline(values) => outline_values(&"inline".into(), values),
            Self::Parts { parts, csv, limits } => {
                parts.first().and_then(|part| decode(part, csv, limits).outline())
            }
            Self::Remote { openings, format, csv, .. } => openings
                .first()
                .and_then(|opening| decode_opening(opening, *format, csv, &REMOTE).outline()),
        }
    }

    /// The columns that are read by their header.
    pub(super) fn own_columns(&self) -> Option<&OwnColumns> {
        match self {
            Self::Inline(_) => None,
            Self::Parts { csv, .. } | Self::Remote { csv, .. } => Some(&csv.read),
        }
    }

    /// Decodes the source from its beginning.
    pub(super) fn records(&self) -> Items<'_> {
        self.decoded(|records| records)
    }

    /// The same, where the profiles of JSON and NDJSON keep their text.
    pub(super) fn records_with_text(&self) -> Items<'_> {
        self.decoded(Records::with_text)
    }

    fn decoded(&self, with: fn(Records) -> Records) -> Items<'_> {
        match self {
            Self::Inline(values) => Box::new(decode_values(&"inline".into(), values)),
            Self::Parts { parts, csv, limits } => {
                Box::new(parts.iter().flat_map(move |part| with(decode(part, csv, limits))))
            }
            Self::Remote { openings, format, csv, .. } => Box::new(
                openings
                    .iter()
                    .flat_map(move |one| with(decode_opening(one, *format, csv, &REMOTE))),
            ),
        }
    }
}
