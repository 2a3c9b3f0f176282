//! Transforms: small steps from one value to the next. Pure.
//!
//! A missing value passes through every transform but `default`. Transforms of strings apply to each
//! item of a list; a number or boolean counts as a string. A blank result is missing.

mod apply;
mod compile;
mod date;
mod phone;
#[cfg(test)]
mod tests;
mod words;

pub use apply::{Action, Refusal, Transform};
pub use compile::{compile, name};
pub use date::comes_back;
