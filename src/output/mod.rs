//! Encoders: from profiles and mapped attributes to the bytes of a file, one record at a time. Pure. The
//! same records give the same bytes.

mod cell;
mod csv;
mod file;
mod given;
mod layout;
mod ndjson;

use serde_json::{Map, Value};

use crate::domain::Profile;

pub use csv::{CsvEncoder, CsvStyle, Field, Formulas, Header};
pub use file::{Compression, FileEncoder};
pub use ndjson::NdjsonEncoder;

/// What one row of a file is made of.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The members of a profile, or mapped attributes by name.
    pub members: &'a Map<String, Value>,
    /// The JSON text of the profile as the source gave it, where that is known.
    pub text: Option<&'a str>,
}

impl<'a> From<&'a Profile> for Record<'a> {
    fn from(profile: &'a Profile) -> Self {
        Self { members: profile.members(), text: profile.text() }
    }
}

impl<'a> From<&'a Map<String, Value>> for Record<'a> {
    fn from(members: &'a Map<String, Value>) -> Self {
        Self { members, text: None }
    }
}

/// Encodes the records of one file. Appends to `out`.
pub trait RowEncoder: Send {
    /// What is in front of the first record.
    fn header(&mut self, out: &mut Vec<u8>);

    /// A record.
    fn row(&mut self, record: Record<'_>, out: &mut Vec<u8>);

    /// What follows the last record.
    fn end(&mut self, _out: &mut Vec<u8>) {}

    /// How many values differ from those of their records, because the format has no way to write them.
    fn altered(&self) -> u64 {
        0
    }
}
