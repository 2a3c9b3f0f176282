//! The expression language of mappings and of `spec.select`: any text is compiled, and what compiles is evaluated on three
//! profiles.

#![no_main]

use std::sync::LazyLock;

use clinch_operator::{
    domain::Profile,
    mapping::{Issue, Select},
};
use libfuzzer_sys::fuzz_target;

static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    let texts = [
        include_str!("../../tests/data/profiles/ada.json"),
        include_str!("../../tests/data/profiles/hostile.json"),
        include_str!("../../tests/data/profiles/sparse.json"),
    ];
    let profile = |text| {
        let value: serde_json::Value = serde_json::from_str(text).expect("the file is JSON");
        Profile::try_from(value).expect("the file is an object")
    };
    texts.into_iter().map(profile).collect()
});

fuzz_target!(|text: &str| {
    match Select::compile(text, "spec.select") {
        Ok(select) => {
            for profile in PROFILES.iter() {
                let first = select.matches(profile).ok();
                assert_eq!(
                    first,
                    select.matches(profile).ok(),
                    "the same profile, the same answer"
                );
            }
        }
        Err(issue) => {
            assert!(issue.path.starts_with("spec.select") && !issue.message.is_empty());
            assert!(issue.message.len() <= Issue::MAX_MESSAGE);
        }
    }
});
