//! The reader of manifests: YAML and JSON, schemas, rules and admission, as `validate` and `apply` use it.

#![no_main]

use clinch_operator::local::{LoadOptions, Loader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut loader = Loader::new(LoadOptions::default());
    loader.add_bytes("file.yaml", data);
    let loaded = loader.loaded();
    // A line may end with LF, CR or both; the last one may be empty.
    let lines = data.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    for problem in loaded.problems {
        assert!(problem.line <= lines, "line {} of {lines}", problem.line);
        assert!(!problem.message.is_empty() && !problem.to_string().contains('\n'));
    }
    assert!(loaded.refused <= loaded.objects);
});
