//! The fuzz targets, compiled here and run on the files of tests and examples, so that they follow the code:
//! `make verify-fuzz` builds them with a library in C++ that nothing else needs.

use std::{fs, path::Path};

/// Stands for the macro of libFuzzer.
#[macro_export]
macro_rules! fuzz_target {
    (|$data:ident: &[u8]| $body:block) => {
        pub(super) fn run(bytes: &[u8]) {
            let $data = bytes;
            $body
        }
    };
    (|$text:ident: &str| $body:block) => {
        pub(super) fn run(bytes: &[u8]) {
            if let Ok($text) = std::str::from_utf8(bytes) {
                $body
            }
        }
    };
}

macro_rules! targets {
    ($($name:ident: $path:literal,)*) => {
        $(
            #[path = $path]
            #[allow(
                unused_attributes,
                unused_imports,
                reason = "`no_main` and the macro of libFuzzer are for the crate of a target"
            )]
            mod $name;
        )*

        const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name::run),)*];
    };
}

targets! {
    answer: "../../fuzz/fuzz_targets/answer.rs",
    contract: "../../fuzz/fuzz_targets/contract.rs",
    expression: "../../fuzz/fuzz_targets/expression.rs",
    ledger: "../../fuzz/fuzz_targets/ledger.rs",
    manifests: "../../fuzz/fuzz_targets/manifests.rs",
    mapping: "../../fuzz/fuzz_targets/mapping.rs",
    source: "../../fuzz/fuzz_targets/source.rs",
    suppression: "../../fuzz/fuzz_targets/suppression.rs",
}

/// As long as what the fuzzer tries.
const MOST_BYTES: usize = 8192;

fn small_files(folder: &Path, found: &mut Vec<Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            small_files(&path, found);
        } else if path.metadata().unwrap().len() <= MOST_BYTES as u64 {
            found.push(fs::read(path).unwrap());
        }
    }
}

#[test]
fn every_fuzz_target_takes_the_files_of_tests_and_examples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut inputs = vec![Vec::new(), b"{}".to_vec(), b"null".to_vec(), b"\xff\xfe\0".to_vec()];
    for folder in ["tests/data", "examples"] {
        small_files(&root.join(folder), &mut inputs);
    }
    assert!(inputs.len() > 50, "{}", inputs.len());
    for (name, run) in TARGETS {
        for input in &inputs {
            run(input);
            // Some of them take the first byte as a choice.
            for choice in 0..4 {
                run(&[&[choice], &input[..]].concat());
            }
        }
        println!("{name}: {} inputs", inputs.len() * 5);
    }
}

#[test]
fn every_fuzz_target_is_run_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    let ours: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ours);
}
