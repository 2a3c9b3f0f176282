//! The page on sizing, and the chart's memory limit, repeat figures of the page on benchmarks. They are rounded, so a
//! tenth of difference is accepted.

use std::{fs, path::Path};

use regex::Regex;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The numbers behind `start` in the line that begins with it.
fn numbers(text: &str, start: &str) -> Vec<f64> {
    let line = text.lines().map(str::trim_start).find_map(|line| line.strip_prefix(start));
    let line = line.unwrap_or_else(|| panic!("no line begins with {start:?}"));
    let number = Regex::new(r"\d[\d,]*(?:\.\d+)?").unwrap();
    number.find_iter(line).map(|n| n.as_str().replace(',', "").parse().unwrap()).collect()
}

fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let heading = format!("\n## {heading}\n");
    let start = page.find(&heading).unwrap_or_else(|| panic!("no section {heading:?}"));
    let rest = &page[start + heading.len()..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

/// A line of the page on sizing with the place of its number; a section of the benchmarks, and the same there.
type Repeated = (&'static str, usize, &'static str, &'static str, usize);

const REPEATED: &[Repeated] = &[
    ("| process with 10,000 exports, idle |", 0, "idle_10k", "| memory |", 0),
    ("| a run over 1,000 people |", 0, "cluster", "| peak memory of the operator |", 0),
    ("| a run over a million people, first", 0, "remote_source", "| first run |", 1),
    ("| a run over a million people, first", 1, "remote_source", "| again, on request |", 1),
    ("| a full scan of an import", 0, "import", "| unchanged: memory |", 0),
    ("| a full scan of an import", 1, "import", "| all new, read twice: memory |", 0),
    (
        "| a PDF document of 5,000 people;",
        0,
        "pdf",
        "| memory of one document about 5,000 people, 42 MB |",
        0,
    ),
    ("| a person pushed |", 0, "cost", "| processor time, 4,000 to 40,000 people:", 1),
    ("| writes of a run of 1,000 people |", 0, "cluster", "| etcd revisions |", 0),
    (
        "| 10,000 exports of one person each |",
        0,
        "idle_10k",
        "| from apply to Ready, all of them |",
        0,
    ),
    (
        "- People who did not change cost no request:",
        0,
        "ledger",
        "| the same again: everything, source included |",
        0,
    ),
];

#[test]
fn figures_on_sizing_are_those_of_the_benchmarks() {
    let (sizing, benchmarks) = (read("docs/SIZING.md"), read("docs/BENCHMARKS.md"));
    for (line, at, heading, row, column) in REPEATED {
        let shown = numbers(&sizing, line)[*at];
        let measured = numbers(section(&benchmarks, heading), row)[*column];
        let close = (shown - measured).abs() <= measured / 10.0;
        assert!(close, "{line} {shown}: {heading} has {measured}");
    }
}

#[test]
fn the_charts_memory_limit_is_explained_by_what_was_measured() {
    let (values, benchmarks) =
        (read("charts/clinch-operator/values.yaml"), read("docs/BENCHMARKS.md"));
    let limit = section(&benchmarks, "Memory limit of the chart");
    let comment: String =
        values.lines().skip_while(|line| !line.contains("# The limit:")).take(3).collect();
    for row in
        ["| a run over a million people,", "| a document of 5,000 people,", "| resumes by URL,"]
    {
        let measured = *numbers(limit, row).last().unwrap();
        assert!(comment.contains(&format!("({measured} MiB)")), "{row} {measured} MiB: {comment}");
    }
}
