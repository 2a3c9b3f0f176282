//! The chart's README lists every value, as `values.yaml` explains it. `make chart-readme` writes it.

use std::{fmt::Write as _, fs, path::Path};

const INTRODUCTION: &str = "\
# clinch-operator

The chart of clinch-operator, which exports candidates from hireEZ to Clinch and imports them, as declared in Kubernetes
objects.

```sh
helm install clinch-operator charts/clinch-operator -n clinch-system --create-namespace \\
  --set environment=production --set image.repository=registry.example.com/clinch-operator \\
  --set 'secretNames.talent={clinch-credentials}'
```

Installing, upgrading (CRDs first) and permissions: [OPERATIONS.md](../../docs/OPERATIONS.md#installing-and-upgrading).
Alerts: [ALERTS.md](../../docs/ALERTS.md). Values that the chart refuses, and why, are in `values.schema.json`.

## Values

This table is written by `make chart-readme` from `values.yaml`.

| value | default | |
|---|---|---|
";

#[derive(Debug, PartialEq, Eq)]
struct Row {
    path: String,
    default: Option<String>,
    comment: String,
}

/// The values with their defaults and the comments above them.
fn rows(values: &str) -> Vec<Row> {
    let (mut rows, mut comment): (Vec<Row>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut path: Vec<(usize, &str)> = Vec::new();
    for line in values.lines() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if let Some(words) = text.strip_prefix('#') {
            comment.push(words.trim());
        } else if text.is_empty() {
            comment.clear();
        } else {
            let (key, default) = text.split_once(':').expect("a value in one line");
            path.retain(|(of, _)| *of < indent);
            path.push((indent, key));
            let keys: Vec<&str> = path.iter().map(|(_, key)| *key).collect();
            let default = Some(default.trim()).filter(|default| !default.is_empty());
            rows.push(Row {
                path: keys.join("."),
                default: default.map(str::to_owned),
                comment: std::mem::take(&mut comment).join(" "),
            });
        }
    }
    rows
}

fn readme(values: &str) -> String {
    let mut text = INTRODUCTION.to_owned();
    for Row { path, default, comment } in rows(values) {
        let comment = comment.replace('|', "\\|");
        match default {
            Some(default) => writeln!(text, "| `{path}` | `{default}` | {comment} |").unwrap(),
            None if comment.is_empty() => {}
            None => writeln!(text, "| **`{path}`** | | {comment} |").unwrap(),
        }
    }
    text
}

#[test]
fn the_charts_readme_is_that_of_its_values() {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/clinch-operator");
    let expected = readme(&fs::read_to_string(chart.join("values.yaml")).unwrap());
    let path = chart.join("README.md");
    if std::env::var_os("WRITE_CHART_README").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "charts/clinch-operator/README.md differs: run `make chart-readme`");
}

#[test]
fn no_comment_has_columns_which_the_readme_would_join() {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/clinch-operator");
    for row in rows(&fs::read_to_string(chart.join("values.yaml")).unwrap()) {
        assert!(!row.comment.contains("  "), "{}: {}", row.path, row.comment);
    }
}

#[test]
fn a_value_has_the_comment_above_it_and_the_path_of_its_parents() {
    let values = "# Heading.\n\n# Of a.\n# More.\na:\n  # Of b.\n  b: \"\"\n  c: {d: 1}\ne: 2\n";
    let row = |path: &str, default: Option<&str>, comment: &str| Row {
        path: path.to_owned(),
        default: default.map(str::to_owned),
        comment: comment.to_owned(),
    };
    let expected = [
        row("a", None, "Of a. More."),
        row("a.b", Some("\"\""), "Of b."),
        row("a.c", Some("{d: 1}"), ""),
        row("e", Some("2"), ""),
    ];
    assert_eq!(rows(values), expected);
}
