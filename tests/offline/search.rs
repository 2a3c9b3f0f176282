//! How far the property tests search.

use proptest::{prelude::ProptestConfig, test_runner::RngSeed};

use crate::scale::scale;

/// So many cases in CI, and in proportion to `CLINCH_SCALE` elsewhere. They are the same every time;
/// `PROPTEST_RNG_SEED` picks others.
pub fn cases(in_ci: u32) -> ProptestConfig {
    let chosen = ProptestConfig::default();
    let seeded = matches!(chosen.rng_seed, RngSeed::Fixed(_));
    let rng_seed = if seeded { chosen.rng_seed } else { RngSeed::Fixed(1) };
    let cases = in_ci * u32::try_from(scale()).expect("a small number");
    ProptestConfig { failure_persistence: None, rng_seed, cases, ..chosen }
}
