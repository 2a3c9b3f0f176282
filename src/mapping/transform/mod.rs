//! Transforms: small steps from one value to the next. Pure.
//!
//! A missing value passes every transform but `default` untouched. Transforms of texts work on
//! each item of a list; a number or boolean is taken as its text. What becomes blank is missing.

mod apply;
mod compile;
mod date;
mod phone;
#[cfg(test)]
mod tests;
mod words;

pub use apply::{Refusal, Transform};
pub use compile::compile;
