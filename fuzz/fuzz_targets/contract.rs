//! Discovery: anything that is served as the OpenAPI document of Clinch.

#![no_main]

use clinch_operator::clinch::contract::discover;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(contract) = discover(data) {
        let again = discover(data).expect("the same document, the same contract");
        assert!(contract == again && contract.digest() == again.digest());
        for operation in contract.operations.values() {
            let path = operation.path_for(None);
            assert!(path.starts_with('/'), "a request would leave the endpoint");
        }
        assert!(!contract.summary().is_empty());
        let _ = contract.attributes_taken();
    }
});
