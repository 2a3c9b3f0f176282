//! The image: what its Dockerfile promises.

use std::{fs, path::Path};

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

#[test]
fn the_image_has_a_pinned_base_no_shell_and_no_root() {
    let text = read("Dockerfile");
    let (build, last) = text.split_once("\nFROM scratch\n").expect("the last stage is empty");
    let pin = regex::Regex::new(r"^FROM rust:\S+-alpine\S*@sha256:[0-9a-f]{64} AS build$").unwrap();
    let bases: Vec<&str> = build.lines().filter(|line| line.starts_with("FROM")).collect();
    assert!(bases.len() == 1 && pin.is_match(bases[0]), "{bases:?}");
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert!(
        bases[0].starts_with(&format!("FROM rust:{version}.")),
        "not that of Cargo.toml: {version}"
    );
    let instructions: Vec<&str> = last.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(instructions, ["COPY", "COPY", "ENV", "USER", "EXPOSE", "ENTRYPOINT", "CMD"]);
    assert!(last.contains("\nUSER 65532:65532\n") && last.contains("\nENTRYPOINT [\""));
}
