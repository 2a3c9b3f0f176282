//! Pages of the documentation name tests and targets; each of them exists.

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

fn read(page: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap()
}

/// Nothing but a test has a name of four words or more in code type.
fn test_name() -> Regex {
    Regex::new(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`").unwrap()
}

/// How many tests a page names; each of them exists.
fn names_existing_tests(page: &str) -> usize {
    let tests = tests();
    assert!(tests.len() > 300, "{}", tests.len());
    let named: BTreeSet<String> =
        test_name().captures_iter(page).map(|found| found[1].to_owned()).collect();
    for name in &named {
        assert!(tests.contains(name), "there is no test {name}");
    }
    named.len()
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let page = read("docs/SECURITY.md");
    assert!(names_existing_tests(&page) > 50);
    // Each threat is covered by one.
    let threats = page.split("\n## Threats\n").nth(1).unwrap().split("\n## ").next().unwrap();
    for threat in threats.split("\n### ").skip(1) {
        let title = threat.lines().next().unwrap();
        assert!(test_name().is_match(threat), "no test is named for {title:?}");
    }
}

#[test]
fn every_test_that_the_page_of_imports_names_exists() {
    let page = read("docs/IMPORT.md");
    assert!(names_existing_tests(&page) > 30);
    let rows = page.split("and the tests of it\n").nth(1).unwrap().split("\n## ").next().unwrap();
    for row in rows.lines().filter(|line| line.starts_with("| ")).skip(1) {
        // Its name has three words.
        let named = test_name().is_match(row) || row.contains("`nobody_is_lost`");
        assert!(named, "no test is named in {row}");
    }
}

#[test]
fn every_test_and_target_that_the_verification_page_names_exists() {
    let page = read("docs/VERIFICATION.md");
    assert!(names_existing_tests(&page) > 50);
    let makefile = read("Makefile");
    let targets: BTreeSet<&str> =
        makefile.lines().filter_map(|line| line.split_once(": ").map(|(name, _)| name)).collect();
    let name = Regex::new(r"`(?:make )?(verify-[a-z-]+|test|verify)`").unwrap();
    let named: BTreeSet<String> =
        name.captures_iter(&page).map(|found| found[1].to_owned()).collect();
    for name in &named {
        assert!(targets.contains(name.as_str()), "there is no target {name}");
    }
    let parts = targets.iter().filter(|target| target.starts_with("verify-"));
    for part in parts {
        let row = format!("\n| `{part}` |");
        assert!(page.contains(&row), "no result of {part} in the table");
    }
}
