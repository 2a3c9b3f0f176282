//! What the state of an import remembers of runs, besides people. Pure. Stored as JSON inside a segment;
//! members that are not known are ignored.

use serde::{Deserialize, Serialize};

/// A batch that was delivered to a place that keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportPart {
    /// Its name below the folder of the import.
    pub name: String,
    /// The number of the batch.
    pub batch: u64,
    /// Records in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in lower-case hex digits.
    pub sha256: String,
}

/// The last full scan that was complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FullScanFact {
    /// When it began, by Clinch's clock, in seconds since 1970.
    pub at: i64,
    /// How often the list was read.
    pub passes: u32,
    /// How many people were known after it.
    pub known: u64,
}

/// A full scan whose missing people were held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldFact {
    /// The number of the run.
    pub run: u64,
    /// How many people were missing.
    pub absent: u64,
}

/// The last manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFact {
    /// The number of its run.
    pub run: u64,
    /// Its URL.
    pub url: String,
    /// The SHA-256 of its bytes, in lower-case hex digits.
    pub sha256: String,
}

/// What is known of the runs of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImportFacts {
    /// The number of the last run that stored something.
    pub run: u64,
    /// That run has not ended, as far as is stored.
    pub open: bool,
    /// That run reads everybody.
    pub full_scan: bool,
    /// The number of the last batch that was delivered.
    pub batch: u64,
    /// The time up to which changes were read, by Clinch's clock, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<i64>,
    /// The settings that the last complete full scan ran with.
    pub settings: String,
    /// The last complete full scan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_full_scan: Option<FullScanFact>,
    /// When the last scan began that the import had reported when its state was lost: the state was empty
    /// after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_after: Option<i64>,
    /// The next run has to read everybody, because the last one did not see everybody it had to.
    pub scan_due: bool,
    /// A full scan whose missing people are held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldFact>,
    /// The last manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<ManifestFact>,
}
