//! The security page names tests; each of them has to be there.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Names of functions that carry a test attribute.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("tests"), &mut files);
    // Attributes, comments and properties stand between the two.
    let test =
        Regex::new(r"#\[(?:tokio::)?test[^\n]*\n(?:\s*(?:#\[|//)[^\n]*\n)*\s*(?:async )?fn (\w+)")
            .unwrap();
    let texts = files.iter().map(|path| fs::read_to_string(path).unwrap());
    texts
        .flat_map(|text| {
            test.captures_iter(&text).map(|found| found[1].to_owned()).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SECURITY.md");
    let page = fs::read_to_string(page).unwrap();
    let tests = tests();
    assert!(tests.len() > 300, "{}", tests.len());
    // Nothing but a test has a name of four words or more in code type.
    let name = Regex::new(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`").unwrap();
    let named: BTreeSet<&str> =
        name.captures_iter(&page).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(named.len() > 50, "{}", named.len());
    for name in &named {
        assert!(tests.contains(*name), "there is no test {name}");
    }
    // Each threat is covered by one.
    let threats = page.split("\n## Threats\n").nth(1).unwrap().split("\n## ").next().unwrap();
    for threat in threats.split("\n### ").skip(1) {
        let title = threat.lines().next().unwrap();
        assert!(name.is_match(threat), "no test is named for {title:?}");
    }
}
