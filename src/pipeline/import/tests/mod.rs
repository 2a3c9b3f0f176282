//! A run over models of Clinch and of what a sink and a store keep, with shifting lists, faults and kills.

mod absence;
mod bounds;
mod declared;
mod drift;
mod kills;
mod model;

/// By how much corpora are larger than in CI: `CLINCH_SCALE`, 1 by default.
fn scale() -> u32 {
    std::env::var("CLINCH_SCALE").map_or(1, |text| text.parse().expect("CLINCH_SCALE is a number"))
}
