//! JSON:API 1.0 documents: what is sent and what is read. Pure; knows no HTTP.
//!
//! Reading is lenient, because only the envelope of the Clinch API is documented: members may be
//! missing, ids may be numbers, and an error body may be anything at all.

mod read;
mod write;

pub use read::{Document, Links, PrimaryData, Resource, error_pointers};
pub use write::{Identifier, NewResource, Relationship, Request};

/// The media type of JSON:API, sent without parameters.
pub const MEDIA_TYPE: &str = "application/vnd.api+json";
