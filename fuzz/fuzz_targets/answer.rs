//! Answers of Clinch: JSON:API documents, and bodies of errors.

#![no_main]

use clinch_operator::jsonapi::{Document, PrimaryData, error_pointers};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert!(error_pointers(data).len() <= 16);
    let Ok(document) = serde_json::from_slice::<Document>(data) else { return };
    let resources = match document.data {
        PrimaryData::One(one) => vec![*one],
        PrimaryData::Many(many) => many,
        PrimaryData::Absent | PrimaryData::None => Vec::new(),
    };
    for resource in &resources {
        let _ = resource.related("candidate");
    }
    for included in document.included.iter().flatten() {
        let _ = serde_json::to_string(&included.attributes);
    }
});
