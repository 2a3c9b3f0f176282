//! Positions, schools and certificates beside a column of years.

use super::{
    content::{Entry, When},
    design::{DURATION, ENTRY_GAP, GUTTER, Ink, ORGANISATION, PARAGRAPH_GAP, ROLE, WHEN, YEARS},
    layout::{self, Sheet},
    rows::{Cell, Mark, Row, Shape, keep_lines_together},
    tags::Element,
    text::{Block, Line, Side},
    words::Words,
};

/// Distance from the column of years to its text.
const RAIL: f32 = YEARS - 4.0;
/// From the baseline up to the middle of a dot.
const DOT_RISE: f32 = 3.6;
const DOT: f32 = 2.4;
/// More lines than this are not kept together.
const KEPT_LINES: usize = 6;

/// A line, with the distance before it.
struct Spaced {
    before: f32,
    line: Line,
    element: Element,
}

impl Sheet<'_, '_> {
    pub(super) fn timeline(&mut self, title: &str, entries: &[Entry]) {
        if entries.is_empty() {
            return;
        }
        self.section(title);
        let list = self.structure.list(self.root);
        for (at, entry) in entries.iter().enumerate() {
            let before = if at == 0 { 0.0 } else { ENTRY_GAP };
            self.entry(list, entry, before);
        }
    }

    fn entry(&mut self, list: Element, entry: &Entry, before: f32) {
        let item = self.structure.item(list);
        let mut years = Vec::new();
        let texts = [
            (years_of(&entry.when, self.words), WHEN),
            (duration(&entry.when, self.words), DURATION),
        ];
        let label = self.structure.label(item);
        for (text, style) in texts {
            if let Some(text) = text {
                let block = self.setter.set(&text, style, YEARS - GUTTER, self.side);
                years.extend(block.lines.into_iter().map(|line| (line, label)));
            }
        }
        let body = self.structure.body(item);
        let mut lines = Vec::new();
        let (x, side) = (YEARS + GUTTER, self.side);
        let width = self.width - x;
        for (text, style) in [(&entry.heading, ROLE), (&entry.organisation, ORGANISATION)] {
            if let Some(text) = text {
                let block = self.setter.set(text, style, width, side);
                self.extend(&mut lines, body, block, 0.0);
            }
        }
        let heading = lines.len();
        let mut paragraphs = Vec::new();
        for text in &entry.text {
            let from = lines.len();
            let block = self.setter.set(text, layout::body(text), width, Side::Own);
            self.extend(&mut lines, body, block, PARAGRAPH_GAP);
            paragraphs.push(from..lines.len());
        }
        let mut rows = self.rows_of(years, lines, before);
        for paragraph in paragraphs {
            keep_lines_together(&mut rows[paragraph]);
        }
        let last = rows.len() - 1;
        for row in rows.iter_mut().take(heading.min(KEPT_LINES)).take(last) {
            row.keep = true;
        }
        self.rows.append(&mut rows);
    }

    fn extend(&mut self, lines: &mut Vec<Spaced>, body: Element, block: Block, gap: f32) {
        let element = self.structure.paragraph(body);
        lines.extend(block.lines.into_iter().enumerate().map(|(at, line)| Spaced {
            before: if at == 0 { gap } else { 0.0 },
            line,
            element,
        }));
    }

    /// The lines of an entry beside its years, with a rail between them and a dot at the first line.
    fn rows_of(&self, years: Vec<(Line, Element)>, lines: Vec<Spaced>, before: f32) -> Vec<Row> {
        let x = YEARS + GUTTER;
        let mut years = years.into_iter();
        let mut lines = lines.into_iter();
        let mut rows: Vec<Row> = Vec::new();
        loop {
            let mut cells = Vec::new();
            let mut gap = 0.0;
            if let Some((line, element)) = years.next() {
                cells.push(Cell { x: 0.0, width: YEARS - GUTTER, line, element, link: None });
            }
            if let Some(Spaced { before, line, element }) = lines.next() {
                gap = before;
                cells.push(Cell { x, width: self.width - x, line, element, link: None });
            }
            if cells.is_empty() {
                return rows;
            }
            let first = rows.is_empty();
            let mut row = Row::of_lines(if first { before } else { gap }, cells);
            let baseline = row.marks.first().map_or(0.0, |mark| mark.y);
            row.marks.extend(timeline_marks(&row, baseline, first));
            rows.push(row);
        }
    }
}

fn timeline_marks(row: &Row, baseline: f32, first: bool) -> Vec<Mark> {
    let dot = baseline - DOT_RISE;
    // The first entry's rail begins at its dot, all others at the row above.
    let top = if first && row.before <= 0.0 { dot } else { -row.before };
    let rail = Shape::Rail { height: row.height - top };
    let mut marks = vec![Mark { x: RAIL - 0.4, width: 0.8, y: top, shape: rail }];
    if first {
        let shape = Shape::Dot { radius: DOT, ink: Ink::Accent };
        marks.push(Mark { x: RAIL - DOT, width: 2.0 * DOT, y: dot - DOT, shape });
    }
    marks
}

/// Year and month of a date such as `2019`, `2019-03` or `2019-03-01`.
fn parsed(date: &str) -> Option<(i32, Option<i32>)> {
    let mut parts = date.splitn(3, '-');
    let year = parts.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let month = parts.next().map(|month| month.parse().ok());
    match month {
        None => Some((year, None)),
        Some(month) => {
            month.filter(|month| (1..=12).contains(month)).map(|month| (year, Some(month)))
        }
    }
}

/// The year of a date, or the whole of it if it is written in another way.
fn year(date: &str) -> &str {
    if parsed(date).is_some() { &date[..4] } else { date }
}

fn years_of(when: &When, words: &Words) -> Option<String> {
    let start = when.start.as_deref().map(year);
    let end = if when.current { Some(words.present) } else { when.end.as_deref().map(year) };
    match (start, end) {
        (Some(start), Some(end)) if start != end => Some(format!("{start} – {end}")),
        (start, end) => start.or(end).map(str::to_owned),
    }
}

/// How long something took, if it has ended and both months are known.
fn duration(when: &When, words: &Words) -> Option<String> {
    let (start, end) = (parsed(when.start.as_deref()?)?, parsed(when.end.as_deref()?)?);
    let months = (end.0 - start.0) * 12 + end.1? - start.1? + 1;
    (months > 0).then(|| words.duration(months / 12, months % 12))
}

#[cfg(test)]
mod tests {
    use super::{super::words, *};

    fn when(start: &str, end: &str, current: bool) -> (Option<String>, Option<String>) {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let when = When { start: some(start), end: some(end), current };
        let words = words::of("en");
        (years_of(&when, words), duration(&when, words))
    }

    #[test]
    fn dates_are_shown_as_years_and_a_duration() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(when("2019-09", "2023-01", false), (text("2019 – 2023"), text("3 yr 5 mo")));
        assert_eq!(when("2020", "2020", false), (text("2020"), None));
        assert_eq!(when("2020-01-01", "2020-12-31", false), (text("2020"), text("1 yr")));
        assert_eq!(when("2023-11", "", true), (text("2023 – present"), None));
        assert_eq!(when("", "2015", false), (text("2015"), None));
        assert_eq!(when("May 2015", "autumn", false), (text("May 2015 – autumn"), None));
        assert_eq!(when("2020-13", "", false), (text("2020-13"), None));
        assert_eq!(when("2023-05", "2020-05", false), (text("2023 – 2020"), None));
        assert_eq!(when("", "", false), (None, None));
    }
}
