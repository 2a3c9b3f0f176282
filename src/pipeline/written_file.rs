//! The people whom an export has written, as lines of a file: for people who have to find them in Clinch.
//! Pure, except for writing the file to a destination.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    lines::{LineEncoder, LineFormat, text},
    report::FileInfo,
};
use crate::{
    domain::digest_parts,
    ledger::{Effect, Steps, WrittenPeople, WrittenPerson},
    storage::{Destination, FileWriter, WriteFault, Written},
};

/// The members of a line, in their order. They are API.
const MEMBERS: &[&str] = &["id", "outcome", "steps", "writtenBy", "keys"];

/// The steps, as lines and summaries name them.
pub const WRITTEN_STEPS: [(Steps, &str); 4] = [
    (Steps::CANDIDATE, "candidate"),
    (Steps::APPLICATION, "application"),
    (Steps::RESUME, "resume"),
    (Steps::ACTIVITY, "activity"),
];

/// A file with a line for each person.
pub struct WrittenFile(LineEncoder);

impl WrittenFile {
    /// Begins a file.
    pub fn new(format: LineFormat) -> Self {
        Self(LineEncoder::new(format, MEMBERS))
    }

    /// Adds a person. Returns a piece of the file when enough has come together.
    pub fn add(&mut self, person: &WrittenPerson) -> Option<Bytes> {
        let done = WRITTEN_STEPS.into_iter().filter(|(step, _)| person.steps.contains(*step));
        self.0.add([
            Value::String(person.id.to_string()),
            text(person.effect.as_str()),
            Value::String(done.map(|(_, name)| name).collect::<Vec<_>>().join(" ")),
            text(person.written_by.as_ref().map(Timestamp::to_string)),
            Value::String(hex::encode(person.keys.0)),
        ])
    }

    /// Ends the file; its last piece.
    pub fn finish(self) -> Bytes {
        self.0.finish()
    }
}

/// How many people there are of each effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WrittenCounts {
    /// The export created them.
    pub created: u64,
    /// It has changed them.
    pub updated: u64,
    /// It has changed nothing.
    pub unchanged: u64,
    /// It is not recorded.
    pub unknown: u64,
}

impl WrittenCounts {
    /// Counts a person.
    pub fn count(&mut self, effect: Effect) {
        *match effect {
            Effect::Created => &mut self.created,
            Effect::Updated => &mut self.updated,
            Effect::Unchanged => &mut self.unchanged,
            Effect::Unknown => &mut self.unknown,
        } += 1;
    }

    /// Everybody.
    pub fn people(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.unknown
    }
}

/// Writes a file of all people to a destination, in place of one that is there. `owner`: identifies what
/// is left of it by a killed process.
pub async fn write_list(
    destination: &Destination,
    format: LineFormat,
    owner: &str,
    people: &WrittenPeople,
) -> Result<(FileInfo, WrittenCounts), WriteFault> {
    destination.clean_up(owner).await?;
    let mut writer = destination.create(owner).await?;
    let counts = match write_lines(&mut writer, format, people).await {
        Ok(counts) => counts,
        Err(fault) => {
            writer.abort().await;
            return Err(fault);
        }
    };
    let Written { bytes, sha256, version } = writer.finish().await?;
    let (url, version) =
        (destination.location().to_string(), digest_parts([version.as_bytes()]).short());
    let file = FileInfo { url, rows: counts.people(), altered: 0, bytes, sha256, version };
    Ok((file, counts))
}

async fn write_lines(
    writer: &mut FileWriter,
    format: LineFormat,
    people: &WrittenPeople,
) -> Result<WrittenCounts, WriteFault> {
    let (mut file, mut counts) = (WrittenFile::new(format), WrittenCounts::default());
    for person in people.people() {
        counts.count(person.effect);
        if let Some(piece) = file.add(&person) {
            writer.write(piece).await?;
        }
    }
    writer.write(file.finish()).await?;
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::ClinchId, ledger::KeyId};

    #[test]
    fn a_line_has_what_is_known_of_a_person() {
        let person = WrittenPerson {
            id: ClinchId::parse("c-1").unwrap(),
            effect: Effect::Created,
            steps: Steps::CANDIDATE.with(Steps::RESUME),
            written_by: Some("2026-11-27T10:00:00Z".parse().unwrap()),
            keys: KeyId([1; 8]),
        };
        let unknown = WrittenPerson { effect: Effect::Unknown, written_by: None, ..person.clone() };
        let mut file = WrittenFile::new(LineFormat::of_name("x.csv"));
        let mut counts = WrittenCounts::default();
        for person in [&person, &unknown] {
            assert_eq!(file.add(person), None);
            counts.count(person.effect);
        }
        let text = String::from_utf8(file.finish().to_vec()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "id,outcome,steps,writtenBy,keys");
        let keys = "0101010101010101";
        assert_eq!(lines[1], format!("c-1,Created,candidate resume,2026-11-27T10:00:00Z,{keys}"));
        assert_eq!(lines[2], format!("c-1,,candidate resume,,{keys}"));
        assert_eq!((counts.created, counts.unknown, counts.people()), (1, 1, 2));
    }
}
