//! The result of `apply` as a table for people: as `kubectl get` prints it, but with short names, without
//! empty columns, and no wider than the terminal.

use jiff::Timestamp;
use serde_json::Value as Json;

use super::{
    color::{Colors, Tone},
    objects::kinds::word,
};
use crate::{cluster::Kind, local};

/// Spaces between two columns.
const GAP: usize = 2;
/// Columns that always remain: name, Ready and its reason.
const KEPT: usize = 3;

/// The table of one kind's objects; empty without objects. Columns at the end are left out until it is no
/// wider than `width`, as long as there are more than [`KEPT`].
pub(super) fn table(
    kind: Kind,
    objects: &[Json],
    width: usize,
    colors: Colors,
    now: Timestamp,
) -> Vec<String> {
    let mut rows = local::cells(kind, objects, now);
    for row in rows.iter_mut().skip(1) {
        row[0] = format!("{}/{}", word(kind), row[0]);
    }
    without_empty_columns(&mut rows);
    let mut widths = widths(&rows);
    while widths.len() > KEPT && widths.iter().map(|width| width + GAP).sum::<usize>() - GAP > width
    {
        widths.pop();
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let gap = " ".repeat(width + GAP - cell.chars().count());
            format!("{}{gap}", colored(cell, colors))
        });
        cells.collect::<String>().trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn colored(cell: &str, colors: Colors) -> String {
    match cell {
        "True" => colors.paint(Tone::Good, cell),
        "False" => colors.paint(Tone::Bad, cell),
        "Unknown" => colors.paint(Tone::Wait, cell),
        _ => cell.to_owned(),
    }
}

fn without_empty_columns(rows: &mut [Vec<String>]) {
    let count = rows.first().map_or(0, Vec::len);
    for column in (KEPT..count).rev() {
        if rows.iter().skip(1).all(|row| row[column].is_empty()) {
            rows.iter_mut().for_each(|row| drop(row.remove(column)));
        }
    }
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let count = rows.first().map_or(0, Vec::len);
    let widest = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    (0..count).map(|column| widest(column).unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(name: &str, width: usize) -> Vec<String> {
        let ready = json!([{"type": "Ready", "status": "True", "reason": "SyncedWithRejections",
            "message": "x"}]);
        let object = json!({
            "metadata": {"name": name, "creationTimestamp": "2026-05-01T11:59:55Z"},
            "spec": {"mode": "Push"},
            "status": {"conditions": ready, "delivered": "199/200", "rejected": 1},
        });
        let now = "2026-05-01T12:00:00Z".parse().unwrap();
        table(Kind::Export, &[object], width, Colors::NONE, now)
    }

    #[test]
    fn a_table_has_short_names_and_no_empty_column() {
        let expected = [
            "NAME              READY  REASON                DELIVERED  REJECTED  MODE  AGE",
            "export/engineers  True   SyncedWithRejections  199/200    1         Push  5s",
        ];
        assert_eq!(shown("engineers", 80), expected);
    }

    #[test]
    fn columns_at_the_end_make_room_and_name_ready_and_reason_remain() {
        let name = "a-name-of-thirty-characters-xx";
        let narrow = shown(name, 80);
        assert!(narrow.iter().all(|line| line.chars().count() <= 80), "{narrow:?}");
        assert!(narrow[0].ends_with("DELIVERED"), "{narrow:?}");
        let narrowest = shown(name, 20);
        assert!(narrowest[1].ends_with("True   SyncedWithRejections"), "{narrowest:?}");
        assert!(table(Kind::Export, &[], 80, Colors::NONE, Timestamp::UNIX_EPOCH).is_empty());
    }
}
