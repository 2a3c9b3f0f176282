//! The tiers of `docs/ARCHITECTURE.md`, enforced: every `crate::x` edge must be in this table.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Module, and the modules of this crate that it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    // tier 0: pure, no Kubernetes, no HTTP
    ("domain", &[]),
    ("jsonapi", &[]),
    ("mapping", &["domain"]),
    ("signing", &["domain"]),
    // tier 1: the API, the port, and what may be connected to
    ("network", &[]),
    ("api", &["domain"]),
    ("conditions", &["api", "domain"]),
    ("cluster", &["api", "domain"]),
    // tier 2: the parts; they do not see each other, but for the store that a ledger is kept in
    ("clinch", &["api", "domain", "jsonapi", "network", "signing"]),
    ("source", &["domain", "network"]),
    ("ledger", &["domain"]),
    ("k8s", &["api", "cluster", "domain", "ledger"]),
    ("local", &["api", "cluster", "domain", "ledger"]),
    ("pipeline", &["clinch", "domain", "ledger", "mapping", "source"]),
    // tier 3
    (
        "controllers",
        &[
            "api",
            "clinch",
            "cluster",
            "conditions",
            "domain",
            "ledger",
            "mapping",
            "network",
            "pipeline",
            "source",
        ],
    ),
    // tier 4: composition
    (
        "app",
        &[
            "api",
            "clinch",
            "cluster",
            "controllers",
            "domain",
            "k8s",
            "ledger",
            "local",
            "pipeline",
            "source",
        ],
    ),
    (
        "cli",
        &[
            "api",
            "app",
            "clinch",
            "cluster",
            "conditions",
            "control_plane",
            "controllers",
            "domain",
            "k8s",
            "local",
        ],
    ),
    // side trees
    ("sandbox", &["jsonapi"]),
    ("control_plane", &[]),
];

#[test]
fn imports_go_down_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let table: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for (module, allowed) in &table {
        for file in rust_files(&root.join(module)) {
            let text = fs::read_to_string(&file).unwrap();
            for target in imported(&text) {
                let known = table.contains_key(target.as_str());
                if known && target != *module && !allowed.contains(&target.as_str()) {
                    let file = file.strip_prefix(&root).unwrap().display().to_string();
                    wrong.push(format!("{file}: {module} may not import {target}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_is_in_the_table() {
    let lib = include_str!("../src/lib.rs");
    let declared: BTreeSet<&str> = lib
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let listed: BTreeSet<&str> = MAY_IMPORT.iter().map(|(module, _)| *module).collect();
    assert_eq!(declared, listed);
}

#[test]
fn tier_zero_reads_no_clock_and_does_no_input_or_output() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let banned = [
        "std::fs",
        "std::net",
        "std::env",
        "tokio::",
        "reqwest",
        "kube::",
        "SystemTime::now",
        "Timestamp::now",
        "Zoned::now",
        "fastrand",
    ];
    let mut wrong = Vec::new();
    for module in ["domain", "jsonapi", "mapping", "signing", "api", "conditions"] {
        for file in rust_files(&root.join(module)) {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (number, line) in code.lines().enumerate() {
                let is_comment = line.trim_start().starts_with("//");
                for word in banned.iter().filter(|word| line.contains(*word)) {
                    // The API's types are kube's derive, which is not I/O.
                    let derived = module == "api" && *word == "kube::";
                    if !is_comment && !derived {
                        wrong.push(format!("{}:{}: {word}", file.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Modules named after `crate::`, also inside `use crate::{a, b::c}`.
fn imported(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // Comments may name any module.
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0_usize;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        found.insert(first_word(&word));
                        word.clear();
                    }
                    _ => word.push(c),
                }
            }
            found.insert(first_word(&word));
        } else {
            found.insert(first_word(rest));
        }
    }
    found
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
