//! Rows: what a page is built of. A row is never divided; pages end between rows.

use std::rc::Rc;

use super::{
    design::Ink,
    tags::Element,
    text::{Line, Side},
};

/// A strip of the page.
pub(super) struct Row {
    /// Distance to the row above, if there is one on the same page.
    pub before: f32,
    pub height: f32,
    /// Whether the next row must be on the same page.
    pub keep: bool,
    /// Title for the outline, if a section begins here.
    pub section: Option<String>,
    pub marks: Vec<Mark>,
}

/// Something drawn in a row.
pub(super) struct Mark {
    /// From the edge where lines begin: the left one, or the right one on mirrored pages.
    pub x: f32,
    pub width: f32,
    /// From the top of the row: baseline of a line, top of a shape.
    pub y: f32,
    pub shape: Shape,
}

pub(super) enum Shape {
    Line {
        line: Line,
        element: Element,
        link: Option<Rc<Target>>,
    },
    /// A filled or outlined rounded rectangle.
    Pill {
        height: f32,
        outlined: bool,
    },
    /// A filled circle.
    Dot {
        radius: f32,
        ink: Ink,
    },
    /// A thin line from left to right.
    Rule,
    /// A thin line from top to bottom, also through the distance to the row above.
    Rail {
        height: f32,
    },
}

/// Where a line leads when it is clicked.
pub(super) struct Target {
    pub address: String,
    /// What a screen reader says.
    pub says: String,
}

impl Row {
    pub(super) fn new(before: f32, height: f32, marks: Vec<Mark>) -> Self {
        Self { before, height, keep: false, section: None, marks }
    }

    /// A row of lines side by side, on one baseline.
    pub(super) fn of_lines(before: f32, cells: Vec<Cell>) -> Self {
        let above = cells.iter().map(|cell| cell.line.above).fold(0.0, f32::max);
        let below = cells.iter().map(|cell| cell.line.below).fold(0.0, f32::max);
        let marks = cells.into_iter().map(|cell| cell.mark(above)).collect();
        Self::new(before, above + below, marks)
    }
}

/// A line in a column.
pub(super) struct Cell {
    pub x: f32,
    pub width: f32,
    pub line: Line,
    pub element: Element,
    pub link: Option<Rc<Target>>,
}

impl Cell {
    pub(super) fn mark(self, y: f32) -> Mark {
        let shape = Shape::Line { line: self.line, element: self.element, link: self.link };
        Mark { x: self.x, width: self.width, y, shape }
    }
}

/// The side where the lines of a page begin.
pub(super) fn side(mirrored: bool) -> Side {
    if mirrored { Side::Right } else { Side::Left }
}

/// Keeps the first two lines of a paragraph together, and its last two.
pub(super) fn keep_lines_together(rows: &mut [Row]) {
    let count = rows.len();
    if count > 1 {
        rows[0].keep = true;
        rows[count - 2].keep = true;
    }
}
