//! The image: what its Dockerfile and the script without a daemon promise.

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

#[test]
fn both_ways_to_build_the_image_give_the_same_program() {
    let (dockerfile, script) = (read("Dockerfile"), read("hack/image.sh"));
    for option in [
        "--locked",
        "--release",
        "--no-default-features",
        "--features pdf",
        "--bin clinch-operator",
    ] {
        assert!(dockerfile.contains(option) && script.contains(option), "{option}");
    }
    let layout = read("hack/oci.py");
    for both in ["65532:65532", "etc/ssl/certs/ca-certificates.crt", "SSL_CERT_FILE"] {
        assert!(dockerfile.contains(both) && layout.contains(both), "{both}");
    }
    assert!(dockerfile.contains("CMD [\"run\"]") && layout.contains("\"Cmd\": [\"run\"]"));
}
