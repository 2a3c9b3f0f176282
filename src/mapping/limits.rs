//! The bounds of a value, whatever computes it. Pure.

/// The largest value sent for one attribute, in bytes.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;
/// How deep a JSON value may nest to be compared or sent.
pub const MAX_JSON_DEPTH: u8 = 64;
