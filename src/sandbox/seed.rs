//! The initial data of an account. Pure.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::state::Job;

/// The initial data of an account.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seed {
    pub(super) jobs: Vec<Job>,
    /// Attributes by built-in name.
    pub(super) people: Vec<Map<String, Value>>,
}
