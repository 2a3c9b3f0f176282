//! How large the corpora of the tests are: small for each change, larger for `make verify-corpora`.

/// By how much corpora are larger than in CI: `CLINCH_SCALE`, 1 by default.
pub fn scale() -> usize {
    std::env::var("CLINCH_SCALE").map_or(1, |text| text.parse().expect("CLINCH_SCALE is a number"))
}
