//! What a run is to do: everything that decides its outcome. Pure, but for the decoding of what is
//! held in memory.

use std::sync::Arc;

use super::{
    crm::WantedDestination,
    push::{Duplicates, Mode},
};
use crate::{
    mapping::{Plan, Select},
    source::{
        CsvOptions, Decoded, Limits, Part, Records, SourceError, decode, decode_values, digest,
    },
};

/// Where the records come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Profiles that are values already.
    Inline(Arc<[serde_json::Value]>),
    /// Encoded parts, in order.
    Parts {
        /// The parts.
        parts: Vec<Part>,
        /// How CSV columns become profile fields.
        csv: CsvOptions,
        /// Bounds on records and expansion.
        limits: Limits,
    },
}

impl Source {
    /// Digest of the content and of how it is read.
    pub fn fingerprint(&self) -> crate::domain::Digest {
        match self {
            Self::Inline(values) => crate::domain::digest_json(values),
            Self::Parts { parts, csv, .. } => {
                let content = digest(parts);
                let headers = crate::domain::digest_json(&csv.headers);
                let formats: Vec<&[u8]> = parts
                    .iter()
                    .map(|part| part.format.map_or("", crate::source::Format::as_str).as_bytes())
                    .collect();
                let fixed = [&content.as_bytes()[..], &headers.as_bytes()[..]];
                crate::domain::digest_parts(fixed.into_iter().chain(formats))
            }
        }
    }

    /// Reads it from its beginning.
    pub(super) fn read(&self) -> Reading<'_> {
        match self {
            Self::Inline(values) => Reading {
                bytes: 0,
                passed: 0,
                parts: [].iter(),
                how: None,
                records: None,
                values: Some(Box::new(decode_values(&"inline".into(), values))),
            },
            Self::Parts { parts, csv, limits } => Reading {
                bytes: parts.iter().map(|part| part.bytes.len() as u64).sum(),
                passed: 0,
                parts: parts.iter(),
                how: Some((csv, limits)),
                records: None,
                values: None,
            },
        }
    }
}

type Item = Result<Decoded, SourceError>;

/// The records of a source, and how far it is read.
pub(super) struct Reading<'a> {
    /// Bytes of all parts, as stored.
    bytes: u64,
    /// Bytes of the parts that are done.
    passed: u64,
    parts: std::slice::Iter<'a, Part>,
    how: Option<(&'a CsvOptions, &'a Limits)>,
    records: Option<Records>,
    values: Option<Box<dyn Iterator<Item = Item> + Send + 'a>>,
}

impl Reading<'_> {
    /// The share that is read, in thousandths; none where it cannot be told.
    pub(super) fn share(&self) -> Option<u16> {
        let current = self.records.as_ref().map_or(0, Records::consumed);
        let share = ((self.passed + current) * 1000).checked_div(self.bytes)?;
        Some(u16::try_from(share).unwrap_or(1000).min(1000))
    }
}

impl Iterator for Reading<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if let Some(values) = &mut self.values {
            return values.next();
        }
        let (csv, limits) = self.how?;
        loop {
            if let Some(records) = &mut self.records {
                if let Some(item) = records.next() {
                    return Some(item);
                }
                self.passed += records.consumed();
            }
            self.records = Some(decode(self.parts.next()?, csv, limits));
        }
    }
}

/// What a run is to do; everything that decides its outcome.
#[derive(Debug)]
pub struct RunSpec {
    /// Where the records come from.
    pub source: Source,
    /// Which of them are exported.
    pub select: Option<Select>,
    /// Most records exported, counted after `select`.
    pub limit: Option<u64>,
    /// How a profile becomes attributes.
    pub plan: Plan,
    /// Where people go.
    pub destination: WantedDestination,
    /// What happens to people who are in Clinch already.
    pub duplicates: Duplicates,
    /// Whether anything is written.
    pub mode: Mode,
}
