//! Every fenced example of `docs/SANDBOX.md` is what it says.

use std::process::Command;

use clinch_operator::sandbox::{Options, Sandbox, SinkOptions};

use super::support::{Caller, FIRST};

const PAGE: &str = include_str!("../../../docs/SANDBOX.md");

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fenced = PAGE.split("\n```").skip(1).step_by(2);
    let own = fenced.filter_map(|block| block.split_once('\n'));
    own.filter(|(info, _)| *info == language).map(|(_, text)| text).collect()
}

fn described() -> Options {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    let mut kinds = Vec::new();
    for text in blocks("yaml") {
        // The first line of a file's example is its name.
        let kind = text.lines().next().unwrap().trim_start_matches("# ");
        let path = folder.path().join(kind);
        std::fs::write(&path, text).unwrap();
        match kind {
            "credentials.yaml" => options.read_credentials(&path).unwrap(),
            "seed.yaml" => options.read_seed(&path).unwrap(),
            "contract.yaml" => options.read_contract(&path).unwrap(),
            "faults.yaml" => options.read_faults(&path).unwrap(),
            "answers.yaml" => {
                let mut sink = SinkOptions::new("a key");
                sink.read_answers(&path).unwrap();
                assert!(sink.answers.len() > 5);
            }
            _ => panic!("an example of an unknown file: {kind}"),
        }
        kinds.push(kind);
    }
    let all = ["credentials.yaml", "seed.yaml", "contract.yaml", "faults.yaml", "answers.yaml"];
    assert_eq!(kinds, all);
    options
}

#[tokio::test]
async fn every_file_and_control_request_described_is_taken() {
    let mut options = described();
    options.faults.clear();
    let sandbox = Sandbox::start(options).await.unwrap();
    assert_eq!(sandbox.people("staging").len(), 1, "the seed is of the credential's account");
    let caller = Caller::new(&sandbox.base_url(), FIRST);
    let mut seen = 0;
    for line in blocks("http").into_iter().flat_map(str::lines).filter(|line| !line.is_empty()) {
        let mut parts = line.splitn(3, ' ');
        let (method, path) = (parts.next().unwrap(), parts.next().unwrap());
        let reply = caller.unsigned(method, path, parts.next().unwrap_or_default()).await;
        assert_eq!(reply.status, 200, "{line}: {}", reply.text);
        seen += 1;
    }
    assert_eq!(seen, 17, "each control endpoint, and state with an account");
}

#[test]
fn every_flag_described_exists_and_every_flag_is_described() {
    let help = Command::new(env!("CARGO_BIN_EXE_clinch-sandbox")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let flags = |text: &str| {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let mut found: Vec<String> = words
            .filter(|word| word.starts_with("--") && word.len() > 3)
            .filter(|word| !["--help", "--version"].contains(word))
            .map(str::to_owned)
            .collect();
        found.sort();
        found.dedup();
        found
    };
    assert_eq!(flags(&PAGE.replace("|---", "")), flags(&help));
}
