//! Objects as `kubectl get` prints them, from the printer columns of the CRDs. Pure: the present
//! time is an argument.

use std::fmt::Write as _;

use jiff::Timestamp;
use kube::CustomResourceExt;
use serde_json::Value as Json;

use crate::{
    api::{CandidateExport, CandidateImport, ClinchIntegration, FieldMapping, GROUP},
    cluster::Kind,
};

/// Spaces between two columns.
const PADDING: usize = 3;
/// The least width of a column, padding included.
const MIN_WIDTH: usize = 6;

/// How a table is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableOptions {
    /// With the NAMESPACE column, as `-A` does.
    pub namespaces: bool,
    /// With the columns of lower priority, as `-o wide` does.
    pub wide: bool,
    /// With the kind before the name, as when several kinds are listed.
    pub kind_prefix: bool,
}

/// The cells of a table without padding, the names of the columns first: `NAME`, then the printer columns
/// that `kubectl get` shows.
pub fn cells(kind: Kind, objects: &[Json], now: Timestamp) -> Vec<Vec<String>> {
    rows(kind, objects, TableOptions::default(), now)
}

struct Column {
    name: String,
    kind: String,
    path: String,
}

/// The table of one kind's objects (`LocalCluster::objects_as_json`); empty without objects.
pub fn table(kind: Kind, objects: &[Json], options: TableOptions, now: Timestamp) -> String {
    layout(&rows(kind, objects, options, now))
}

/// The cells; none without objects.
fn rows(kind: Kind, objects: &[Json], options: TableOptions, now: Timestamp) -> Vec<Vec<String>> {
    if objects.is_empty() {
        return Vec::new();
    }
    let columns = columns(kind, options.wide);
    let mut header: Vec<String> = Vec::new();
    if options.namespaces {
        header.push("NAMESPACE".to_owned());
    }
    header.push("NAME".to_owned());
    header.extend(columns.iter().map(|column| column.name.to_uppercase()));
    let mut rows = vec![header];
    for object in objects {
        let text = |pointer: &str| {
            object.pointer(pointer).and_then(Json::as_str).unwrap_or_default().to_owned()
        };
        let mut row = Vec::new();
        if options.namespaces {
            row.push(text("/metadata/namespace"));
        }
        let name = text("/metadata/name");
        row.push(if options.kind_prefix {
            format!("{}.{GROUP}/{name}", kind.as_str().to_lowercase())
        } else {
            name
        });
        row.extend(columns.iter().map(|column| cell(column, object, now)));
        rows.push(row);
    }
    rows
}

fn columns(kind: Kind, wide: bool) -> Vec<Column> {
    let crd = match kind {
        Kind::Integration => ClinchIntegration::crd(),
        Kind::Mapping => FieldMapping::crd(),
        Kind::Export => CandidateExport::crd(),
        Kind::Import => CandidateImport::crd(),
    };
    let version = crd.spec.versions.into_iter().next();
    let columns = version.and_then(|version| version.additional_printer_columns);
    columns
        .unwrap_or_default()
        .into_iter()
        .filter(|column| wide || column.priority.unwrap_or(0) == 0)
        .map(|column| Column { name: column.name, kind: column.type_, path: column.json_path })
        .collect()
}

/// Pads every cell but the last, even where the last is empty: as `kubectl` does.
fn layout(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|index| {
            let widest = rows.iter().filter_map(|row| row.get(index)).map(|c| c.chars().count());
            (widest.max().unwrap_or(0) + PADDING).max(MIN_WIDTH)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        for (index, cell) in row.iter().enumerate() {
            let width = if index + 1 < row.len() { widths[index] } else { 0 };
            write!(text, "{cell:<width$}").expect("writing to a string does not fail");
        }
        text.push('\n');
    }
    text
}

/// The text of one cell; empty where the object has no such value.
fn cell(column: &Column, object: &Json, now: Timestamp) -> String {
    let Some(value) = find(object, &column.path) else { return String::new() };
    match value {
        Json::Null => String::new(),
        Json::String(text) if column.kind == "date" => match text.parse::<Timestamp>() {
            Ok(at) => age(at, now),
            Err(_) => "<invalid>".to_owned(),
        },
        Json::String(text) => match text.split_once(['\n', '\r', '\u{c}']) {
            Some((first, _)) => format!("{first}..."),
            None => text.clone(),
        },
        other => other.to_string(),
    }
}

/// Follows the part of JSONPath that printer columns use: `.a.b` and `.a[?(@.key=="text")].b`.
fn find<'a>(object: &'a Json, path: &str) -> Option<&'a Json> {
    let mut value = object;
    let mut rest = path.strip_prefix('.').unwrap_or(path);
    while !rest.is_empty() {
        if let Some(filter) = rest.strip_prefix("[?(@.") {
            let (filter, after) = filter.split_once(")]")?;
            let (key, expected) = filter.split_once("==")?;
            let expected = expected.trim().trim_matches(['"', '\'']);
            value = value.as_array()?.iter().find(|item| item[key.trim()] == expected)?;
            rest = after.strip_prefix('.').unwrap_or(after);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            value = value.get(&rest[..end])?;
            rest = &rest[end..];
            rest = rest.strip_prefix('.').unwrap_or(rest);
        }
    }
    Some(value)
}

/// How long ago, as `kubectl` prints ages: `5s`, `3m20s`, `12m`, `2h5m`, `3d`.
pub fn age(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs();
    let two = |whole: i64, unit: &str, part: i64, small: &str| {
        if part == 0 { format!("{whole}{unit}") } else { format!("{whole}{unit}{part}{small}") }
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match (seconds, minutes, hours) {
        // Clocks may differ a little; beyond that an age cannot be negative.
        (..-1, ..) => "<invalid>".to_owned(),
        (..0, ..) => "0s".to_owned(),
        (..120, ..) => format!("{seconds}s"),
        (_, ..10, _) => two(minutes, "m", seconds % 60, "s"),
        (_, ..180, _) => format!("{minutes}m"),
        (.., ..8) => two(hours, "h", minutes % 60, "m"),
        (.., ..48) => format!("{hours}h"),
        (.., ..192) => two(hours / 24, "d", hours % 24, "h"),
        (.., ..17_520) => format!("{}d", hours / 24),
        (.., ..70_080) => two(hours / 24 / 365, "y", hours / 24 % 365, "d"),
        _ => format!("{}y", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn export(name: &str, created: &str, conditions: &Json) -> Json {
        json!({
            "metadata": {"name": name, "namespace": "talent", "creationTimestamp": created},
            "spec": {"mode": "Push", "integrationRef": {"name": "clinch"}},
            "status": {"conditions": conditions, "delivered": "199/200", "rejected": 1},
        })
    }

    #[test]
    fn tables_are_laid_out_as_kubectl_does() {
        let ready = json!([
            {"type": "Delivered", "status": "False", "reason": "No", "message": "x"},
            {"type": "Ready", "status": "True", "reason": "SyncedWithRejections", "message": "a\nb"},
        ]);
        let mut fresh = export("b", "2025-05-01T11:59:55Z", &json!([]));
        fresh["status"] = json!({"observedGeneration": -1});
        let rows = [export("engineers", "2025-05-01T10:00:00Z", &ready), fresh];
        let now = at("2025-05-01T12:00:00Z");
        let options = TableOptions { kind_prefix: true, ..TableOptions::default() };
        let expected = [
            "NAME                                          READY   REASON                 SUSPENDED   DELIVERED   REJECTED   MODE   AGE",
            "candidateexport.clinch.hireez.dev/engineers   True    SyncedWithRejections               199/200     1          Push   120m",
            "candidateexport.clinch.hireez.dev/b                                                                             Push   5s",
        ];
        let shown = table(Kind::Export, &rows, options, now);
        assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
        let options = TableOptions { namespaces: true, wide: true, kind_prefix: false };
        let wide = table(Kind::Export, &rows, options, now);
        let lines: Vec<&str> = wide.lines().collect();
        assert!(lines[0].starts_with("NAMESPACE   NAME        READY"), "{wide}");
        assert!(lines[0].ends_with("AGE    INTEGRATION   DRIFTED   MESSAGE"), "{wide}");
        assert!(lines[1].ends_with("clinch                  a..."), "{wide}");
        // An empty last cell leaves the padding of the one before it.
        assert!(lines[2].ends_with("clinch                  "), "{wide}");
    }

    #[test]
    fn ages_are_those_of_kubectl() {
        let now = at("2025-05-01T12:00:00Z");
        let cases = [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (200, "3m20s"),
            (600, "10m"),
            (3 * 3600 - 1, "179m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 300, "3h5m"),
            (8 * 3600 + 300, "8h"),
            (47 * 3600, "47h"),
            (50 * 3600, "2d2h"),
            (8 * 86_400, "8d"),
            (400 * 86_400, "400d"),
            (3 * 365 * 86_400 + 86_400, "3y1d"),
            (9 * 365 * 86_400, "9y"),
        ];
        for (seconds, expected) in cases {
            let then = now - jiff::SignedDuration::from_secs(seconds);
            assert_eq!(age(then, now), expected, "{seconds}");
        }
    }

    #[test]
    fn the_path_of_every_printer_column_is_supported() {
        let object = json!({
            "metadata": {"creationTimestamp": "x"},
            "spec": {"environment": "x", "mode": "x", "integrationRef": {"name": "x"}},
            "status": {
                "conditions": [
                    {"type": "Ready", "status": "x", "reason": "x", "message": "x"},
                    {"type": "Suspended", "status": "x"},
                    {"type": "Drifted", "status": "x"},
                ],
                "contract": {"origin": "x"}, "exports": "x", "requests": "x", "endpoint": "x", "fields": "x",
                "errors": "x", "delivered": "x", "rejected": "x",
                "counts": {"emitted": "x", "tombstones": "x"}, "lastFullScan": {"at": "x"},
                "match": {"known": "x", "changed": "x", "new": "x", "possible": "x"},
            },
        });
        for kind in Kind::ALL {
            for column in columns(kind, true) {
                assert_eq!(find(&object, &column.path), Some(&json!("x")), "{}", column.path);
            }
        }
    }
}
