//! JSON:API 1.0 documents, as sent and as read. Pure; knows no HTTP.
//!
//! Reading is lenient, because only the envelope of the Clinch API is documented: members may be
//! missing, ids may be numbers, and an error body may hold anything.

mod read;
mod write;

pub use read::{Document, Included, Links, PrimaryData, Resource, error_pointers, has_errors};
pub use write::{Identifier, NewResource, Relationship, Request};

/// The media type of JSON:API, sent without parameters.
pub const MEDIA_TYPE: &str = "application/vnd.api+json";
