//! What the API answers for a record that was merged into another. Not known of Clinch: each answer is
//! assumed.

use std::sync::Arc;

use serde::Deserialize;

use super::person::Person;

/// What a read of the old id answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OldId {
    /// 404.
    #[default]
    NotFound,
    /// 200 with the record that is left, and its id.
    Other,
    /// 301 to the record that is left.
    Moved,
}

/// A merged record, as a read of its id shows it.
pub(super) enum Merged {
    /// The record that is left.
    Other(Arc<Person>),
    /// The id of the record that is left.
    Moved(String),
}
