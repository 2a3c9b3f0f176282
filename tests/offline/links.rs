//! Links between pages of the documentation lead to files and headings that exist.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

/// All pages: at the top, and in these folders with everything below them.
fn pages() -> Vec<PathBuf> {
    fn below(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let text = path.extension().is_some_and(|extension| extension == "md");
        if text || path.ends_with("llms.txt") {
            pages.push(path);
        }
    }
    for folder in ["docs", "examples", "charts", "deploy"] {
        below(&root.join(folder), &mut pages);
    }
    pages
}

/// Without code, in which nothing is a link or a heading.
fn prose(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap();
    let mut fenced = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The anchors of a page's headings, as on GitHub.
fn anchors(page: &Path) -> BTreeSet<String> {
    let link = Regex::new(r"\[([^\]]*)\]\([^)]*\)").unwrap();
    let mut anchors = BTreeSet::new();
    for line in prose(page).lines() {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let title = link.replace_all(title.trim(), "$1").to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let mut unique = anchor.clone();
        for number in 1.. {
            if anchors.insert(unique.clone()) {
                break;
            }
            unique = format!("{anchor}-{number}");
        }
    }
    anchors
}

/// What a page links to, other sites left out.
fn links(page: &Path) -> Vec<String> {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    // `](` in a pattern is no link. The label of a link may be code, and then is left empty.
    let code = Regex::new("`[^`\n]*`").unwrap();
    let text = prose(page);
    let text = code.replace_all(&text, "");
    let targets = link.captures_iter(&text).map(|found| found[1].to_owned());
    targets.filter(|link| !link.contains("://") && !link.starts_with("mailto:")).collect()
}

/// A page that the summary does not list is no part of the site, so links to it would lead nowhere.
#[test]
fn the_summary_lists_every_page_that_a_page_links_to() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let linked = |page: &Path| -> BTreeSet<PathBuf> {
        let folder = page.parent().unwrap().to_owned();
        let files = links(page).into_iter().filter_map(move |target| {
            let file = target.split('#').next().filter(|file| !file.is_empty())?;
            let path = folder.join(file).canonicalize().ok()?;
            let path = if path.is_dir() { path.join("README.md") } else { path };
            (path.is_file() && path.extension()? == "md").then_some(path)
        });
        files.collect()
    };
    let listed = linked(&docs.join("SUMMARY.md"));
    assert!(listed.len() > 30, "{}", listed.len());
    for page in &listed {
        let unlisted: Vec<_> =
            linked(page).into_iter().filter(|page| !listed.contains(page)).collect();
        assert!(unlisted.is_empty(), "{} links to {unlisted:?}", page.display());
    }
}

#[test]
fn links_between_pages_lead_to_files_and_headings_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut checked, mut wrong) = (0, Vec::new());
    for page in pages() {
        let name = page.strip_prefix(root).unwrap().display().to_string();
        for target in links(&page) {
            checked += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target.as_str(), ""));
            let path =
                if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            if !path.exists() {
                wrong.push(format!("{name}: {target}: no such file"));
            } else if !anchor.is_empty() && !anchors(&path).contains(anchor) {
                wrong.push(format!("{name}: {target}: no such heading"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 100, "{checked}");
}

#[test]
fn what_a_kustomization_of_flux_depends_on_is_one_of_the_example() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gitops/flux");
    let documents: Vec<serde_json::Value> = fs::read_dir(folder)
        .unwrap()
        .flat_map(|file| -> Vec<serde_json::Value> {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            serde_saphyr::from_multiple(&text).unwrap()
        })
        .collect();
    let of =
        |kind: &str| documents.iter().filter(move |one| one["kind"] == kind).collect::<Vec<_>>();
    let kustomizations = of("Kustomization");
    let namespaces = of("Namespace");
    let has = |found: &[&serde_json::Value], name: &serde_json::Value| {
        found.iter().any(|one| one["metadata"]["name"] == *name)
    };
    for one in &kustomizations {
        for needed in one["spec"]["dependsOn"].as_array().into_iter().flatten() {
            assert!(has(&kustomizations, &needed["name"]), "{needed}");
        }
    }
    // The chart adds a Role to each namespace that it watches.
    let release = of("HelmRelease");
    let watched = release[0]["spec"]["values"]["watchNamespaces"].as_array().unwrap();
    assert!(watched.iter().all(|name| has(&namespaces, name)), "{watched:?}");
}
