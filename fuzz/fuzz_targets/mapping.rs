//! Mappings: fields, paths, transforms and tags. The data is the JSON of a mapping, a zero byte, and the JSON of a profile;
//! without a profile, one of the tests' is used.

#![no_main]

use clinch_operator::{
    domain::Profile,
    mapping::{ImportPlan, MappingSpec, compile},
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let Ok(spec) = serde_json::from_slice::<MappingSpec>(&data[..end]) else { return };
    let profile = data.get(end + 1..).and_then(|text| serde_json::from_slice::<Value>(text).ok());
    let profile = profile.unwrap_or_else(|| {
        let ada = include_str!("../../tests/data/profiles/ada.json");
        serde_json::from_str(ada).expect("the file is JSON")
    });
    let Ok(profile) = Profile::try_from(profile) else { return };
    match compile(&spec) {
        Ok(plan) => {
            let first = plan.apply(&profile);
            if let Ok(mapped) = &first {
                assert!(mapped.tags.iter().all(|tag| !tag.is_empty()));
            }
            assert!(first == plan.apply(&profile), "the same profile, the same result");
            let (_, _) = (plan.reads_below("x"), plan.tags_activity());
            let _ = ImportPlan::compile(&spec.fields);
        }
        Err(issues) => {
            for issue in issues {
                assert!(issue.path.starts_with("spec."), "{}", issue.path.len());
                assert!(!issue.message.is_empty());
            }
        }
    }
});
