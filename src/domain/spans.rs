//! How the spans of traces are recognised. Pure.

/// The target of the spans that are exported as traces, and of nothing else. Logs show none of them, so
/// that a span costs a comparison where no traces are exported. Their attributes are ids and words of
/// closed sets: never a value of a person, a URL or a text of an answer.
pub const SPANS: &str = "clinch_operator_spans";
