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
    // tier 1: the API, the port, and places outside the cluster
    ("network", &[]),
    ("render", &["domain"]),
    ("storage", &["domain", "network"]),
    ("api", &[]),
    ("conditions", &["api", "domain"]),
    ("cluster", &["api", "domain"]),
    // tier 2: the parts; they do not see each other, but for the store that a ledger is kept in
    ("clinch", &["api", "domain", "jsonapi", "network", "signing"]),
    ("output", &["domain"]),
    ("source", &["domain", "storage"]),
    ("ledger", &["domain", "network", "storage"]),
    ("k8s", &["api", "cluster", "domain", "ledger"]),
    ("local", &["api", "cluster", "conditions", "domain", "ledger"]),
    (
        "pipeline",
        &[
            "clinch", "domain", "ledger", "mapping", "output", "render", "signing", "source",
            "storage",
        ],
    ),
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
            "output",
            "pipeline",
            "signing",
            "source",
            "storage",
        ],
    ),
    // tier 4: composition
    ("app", &["clinch", "cluster", "controllers", "domain", "k8s", "ledger", "network", "storage"]),
    (
        "cli",
        &[
            "api",
            "app",
            "clinch",
            "cluster",
            "conditions",
            "controllers",
            "domain",
            "ledger",
            "local",
            "mapping",
            "pipeline",
        ],
    ),
    // side trees
    ("sandbox", &[]),
    ("control_plane", &[]),
];

#[test]
fn imports_go_down_only_and_every_permission_is_used() {
    let root = source_root();
    let table: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for (module, allowed) in &table {
        let mut unused: BTreeSet<&str> = allowed.iter().copied().collect();
        for file in files_of(&root, module) {
            for target in crate_imports(&code_of(&file)) {
                unused.remove(target.as_str());
                let known = table.contains_key(target.as_str());
                if known && target != *module && !allowed.contains(&target.as_str()) {
                    let file = file.strip_prefix(&root).unwrap().display().to_string();
                    wrong.push(format!("{file}: {module} may not import {target}"));
                }
            }
        }
        wrong.extend(unused.iter().map(|unused| {
            format!("{module} does not import {unused}: remove the permission from MAY_IMPORT")
        }));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_is_in_the_table() {
    let lib = include_str!("../../src/lib.rs");
    let declared: BTreeSet<&str> = lib
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let listed: BTreeSet<&str> = MAY_IMPORT.iter().map(|(module, _)| *module).collect();
    assert_eq!(declared, listed);
}

/// Modules of one room import each other in one direction only. A folder counts as one module:
/// what is inside it is checked the same way, one level down.
#[test]
fn no_room_has_an_import_circle() {
    let root = source_root();
    let mut found = Vec::new();
    for folder in folders(&root) {
        let name = folder.strip_prefix(&root).unwrap().display().to_string();
        let circles = Room::read(&root, &folder).circles();
        found.extend(circles.into_iter().map(|circle| format!("{name}: {}", circle.join(", "))));
    }
    assert!(found.is_empty(), "these import each other in a circle: {found:#?}");
}

#[test]
fn tier_zero_reads_no_clock_and_does_no_input_or_output() {
    let root = source_root();
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
    for module in ["domain", "jsonapi", "mapping", "signing", "api", "conditions", "render"] {
        for file in files_of(&root, module) {
            for (number, line) in code_of(&file).lines().enumerate() {
                for word in banned.iter().filter(|word| line.contains(*word)) {
                    // The API's types are kube's derive and its Duration, which is not I/O.
                    let derived = module == "api" && *word == "kube::";
                    if !derived {
                        wrong.push(format!("{}:{}: {word}", file.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One folder of modules, and which of them import which.
struct Room {
    imports: BTreeMap<String, BTreeSet<String>>,
}

impl Room {
    fn read(root: &Path, folder: &Path) -> Self {
        let room = module_path(root, &folder.join("mod.rs"));
        let members: BTreeSet<String> = children(folder).map(|(name, _)| name).collect();
        // What mod.rs re-exports stands for the module that it comes from.
        let reexported: BTreeMap<String, String> = imported_paths(&code_of(&folder.join("mod.rs")))
            .into_iter()
            .map(|path| path.strip_prefix("self::").unwrap_or(&path).to_owned())
            .filter_map(|path| {
                let (member, rest) = path.split_once("::")?;
                let name = rest.rsplit("::").next()?;
                members.contains(member).then(|| (name.to_owned(), member.to_owned()))
            })
            .collect();
        let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (member, path) in children(folder) {
            let targets = imports.entry(member.clone()).or_default();
            for file in if path.is_dir() { rust_files(&path) } else { vec![path] } {
                let own = module_path(root, &file);
                for import in imported_paths(&code_of(&file)) {
                    let Some(full) = absolute(&own, &import) else { continue };
                    let Some(rest) = full.strip_prefix(&format!("{room}::")) else { continue };
                    let first = rest.split("::").next().unwrap_or_default();
                    let target = match reexported.get(first) {
                        Some(member) => member.as_str(),
                        None => first,
                    };
                    if target != member && members.contains(target) {
                        targets.insert(target.to_owned());
                    }
                }
            }
        }
        Self { imports }
    }

    /// Each set of modules that reach each other.
    fn circles(&self) -> Vec<Vec<String>> {
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            self.imports.keys().map(|from| (from.as_str(), self.reachable(from))).collect();
        let mut circles = BTreeSet::new();
        for (from, reached) in reach.iter().filter(|(from, reached)| reached.contains(*from)) {
            let both = reached.iter().filter(|to| reach[**to].contains(from));
            circles.insert(both.map(|name| (*name).to_owned()).collect::<Vec<_>>());
        }
        circles.into_iter().collect()
    }

    fn reachable<'a>(&'a self, from: &str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut next = vec![from];
        while let Some(at) = next.pop() {
            for to in &self.imports[at] {
                if reached.insert(to.as_str()) {
                    next.push(to);
                }
            }
        }
        reached
    }
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The files of a module: its folder, or the one file it is.
fn files_of(root: &Path, module: &str) -> Vec<PathBuf> {
    let mut found = rust_files(&root.join(module));
    let single = root.join(format!("{module}.rs"));
    found.extend(single.is_file().then_some(single));
    assert!(!found.is_empty(), "no file of module {module} was found");
    found
}

/// The modules in a folder, with the file or folder of each; `mod.rs` is the folder itself.
fn children(folder: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = fs::read_dir(folder)
        .expect("a readable folder")
        .map(|entry| entry.expect("a readable folder").path());
    entries.filter_map(|path| {
        let name = path.file_stem()?.to_str()?.to_owned();
        let is_module =
            path.is_dir() || path.extension().is_some_and(|extension| extension == "rs");
        (is_module && !["mod", "lib", "main"].contains(&name.as_str())).then_some((name, path))
    })
}

/// The folders below `folder`.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .expect("a readable folder")
        .map(|entry| entry.expect("a readable folder").path());
    let below = entries.filter(|path| path.is_dir());
    below.flat_map(|path| [folders(&path), vec![path]].concat()).collect()
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

/// A file without comments and without what follows `#[cfg(test)] mod name {`, which ends it.
fn code_of(file: &Path) -> String {
    let is_test_file = file
        .file_stem()
        .and_then(|stem| stem.to_str())
        .is_some_and(|stem| stem == "tests" || stem.ends_with("_tests"));
    if is_test_file {
        return String::new();
    }
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    let code = lines[..tests.unwrap_or(lines.len())].iter().map(|line| {
        // A comment keeps its line, so that numbers are right; it may name any module.
        if line.trim_start().starts_with("//") { "" } else { line }
    });
    code.collect::<Vec<_>>().join("\n")
}

/// `a::b` of `src/a/b.rs`, and of `src/a/b/mod.rs`.
fn module_path(root: &Path, file: &Path) -> String {
    let path = file.strip_prefix(root).expect("a file of src").with_extension("");
    let path = if path.ends_with("mod") {
        path.parent().expect("a folder of src").to_owned()
    } else {
        path
    };
    path.iter()
        .map(|part| part.to_str().expect("a name of ASCII letters"))
        .collect::<Vec<_>>()
        .join("::")
}

/// A path from the root of the crate, of an import in the module `own`.
fn absolute(own: &str, import: &str) -> Option<String> {
    if let Some(rest) = import.strip_prefix("crate::") {
        return Some(rest.to_owned());
    }
    let mut base: Vec<&str> = own.split("::").collect();
    let mut rest = import;
    while let Some(above) = rest.strip_prefix("super::") {
        base.pop()?;
        rest = above;
    }
    let rest = rest.strip_prefix("self::").unwrap_or(rest);
    (base.len() < own.split("::").count() || import.starts_with("self::"))
        .then(|| base.into_iter().chain([rest]).collect::<Vec<_>>().join("::"))
}

/// Modules named after `crate::`, also inside `use crate::{a, b::c}`.
fn crate_imports(code: &str) -> BTreeSet<String> {
    let paths = imported_paths(code).into_iter();
    let paths = paths.filter_map(|path| Some(path.strip_prefix("crate::")?.to_owned()));
    paths.map(|path| path.split("::").next().unwrap_or_default().to_owned()).collect()
}

/// Every path of `use` declarations, and every one in code that starts with `crate`, `super` or
/// `self`; groups are written out.
fn imported_paths(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for root in ["crate::", "super::", "self::", "use "] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let path = code[at..].strip_prefix("use ").unwrap_or(&code[at..]);
            expand("", path, &mut found);
        }
    }
    found
}

/// Writes out the use tree at the start of `text`; returns what follows it.
fn expand<'a>(prefix: &str, text: &'a str, found: &mut BTreeSet<String>) -> &'a str {
    let text = text.trim_start();
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':' || c == '*'));
    let (path, mut rest) = text.split_at(end.unwrap_or(text.len()));
    let full = format!("{prefix}{path}");
    if !path.is_empty() && !path.ends_with("::") {
        found.insert(full);
        return rest;
    }
    let Some(group) = rest.strip_prefix('{') else { return rest };
    rest = group;
    loop {
        rest = expand(&full, rest, found);
        // An alias, or what else stands between the path and the next one.
        let Some(at) = rest.find([',', '}']) else { return "" };
        let closes = rest[at..].starts_with('}');
        rest = rest[at + 1..].trim_start();
        if closes {
            return rest;
        }
    }
}
