//! From rows to pages. Rows that belong together move to the next page together.

use super::rows::{Mark, Row, Shape};

/// What is on one page.
#[derive(Default)]
pub(super) struct Page {
    /// Each with the position of its row, from the upper margin.
    pub marks: Vec<(f32, Mark)>,
    /// Sections that begin on this page, each with its position.
    pub sections: Vec<(f32, String)>,
}

/// Distributes rows over pages of this height.
pub(super) fn paginate(rows: Vec<Row>, height: f32) -> Vec<Page> {
    let mut pages = vec![Page::default()];
    let mut used = 0.0_f32;
    let mut group = Vec::new();
    for row in rows {
        let more = row.keep;
        group.push(row);
        if !more {
            place(std::mem::take(&mut group), &mut pages, &mut used, height);
        }
    }
    place(group, &mut pages, &mut used, height);
    pages
}

fn place(group: Vec<Row>, pages: &mut Vec<Page>, used: &mut f32, height: f32) {
    let total: f32 = group.iter().map(|row| row.before + row.height).sum();
    let first = group.first().map_or(0.0, |row| row.before);
    let together = total - first <= height;
    if *used > 0.0 && together && *used + total > height {
        next_page(pages, used);
    }
    for row in group {
        if *used > 0.0 && *used + row.before + row.height > height {
            next_page(pages, used);
        }
        put(row, pages, used);
    }
}

fn next_page(pages: &mut Vec<Page>, used: &mut f32) {
    pages.push(Page::default());
    *used = 0.0;
}

fn put(row: Row, pages: &mut [Page], used: &mut f32) {
    let Some(page) = pages.last_mut() else { return };
    let before = if *used > 0.0 { row.before } else { 0.0 };
    let top = *used + before;
    for mut mark in row.marks {
        // A rail goes through the distance to the row above, and not beyond the page.
        if let Shape::Rail { height } = &mut mark.shape
            && mark.y < 0.0
        {
            let cut = (-mark.y - before).max(0.0);
            mark.y += cut;
            *height -= cut;
        }
        page.marks.push((top, mark));
    }
    page.sections.extend(row.section.map(|title| (top, title)));
    *used = top + row.height;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(height: f32, keep: bool) -> Row {
        let mark = Mark { x: 0.0, width: 1.0, y: 0.0, shape: Shape::Rule };
        Row { keep, ..Row::new(10.0, height, vec![mark]) }
    }

    fn counts(rows: Vec<Row>) -> Vec<usize> {
        paginate(rows, 100.0).iter().map(|page| page.marks.len()).collect()
    }

    #[test]
    fn a_heading_goes_to_the_next_page_with_what_follows_it() {
        assert_eq!(counts(vec![row(70.0, false), row(10.0, true), row(10.0, false)]), [1, 2]);
        assert_eq!(counts(vec![row(50.0, false), row(10.0, true), row(10.0, false)]), [3]);
    }

    #[test]
    fn what_fits_on_no_page_is_divided_and_nothing_is_lost() {
        assert_eq!(counts(vec![row(60.0, true), row(60.0, true), row(60.0, false)]), [1, 1, 1]);
        assert_eq!(counts(vec![row(500.0, false), row(10.0, false)]), [1, 1]);
        assert_eq!(counts(vec![row(10.0, true)]), [1]);
    }

    #[test]
    fn a_page_begins_without_distance_and_a_rail_without_overhang() {
        let rail = Mark { x: 0.0, width: 1.0, y: -10.0, shape: Shape::Rail { height: 30.0 } };
        let rows = vec![row(95.0, false), Row::new(10.0, 20.0, vec![rail])];
        let pages = paginate(rows, 100.0);
        let (top, mark) = &pages[1].marks[0];
        assert!(top.abs() < 0.01 && mark.y.abs() < 0.01);
        assert!(matches!(mark.shape, Shape::Rail { height } if (height - 20.0).abs() < 0.01));
    }
}
