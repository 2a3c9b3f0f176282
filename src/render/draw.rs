//! Draws pages into a document, and finishes it with structure, outline and metadata.

use std::rc::Rc;

use krilla::{
    Document as Pdf, SerializeSettings,
    action::LinkAction,
    annotation::{Annotation, LinkAnnotation, Target as LinkTarget},
    color::rgb,
    configure::{Accessibility, ConfigurationBuilder, ValidationError},
    destination::XyzDestination,
    error::KrillaError,
    geom::{Path, PathBuilder, Point, Rect},
    metadata::{Metadata, TextDirection},
    num::NormalizedF32,
    outline::{Outline, OutlineNode},
    page::PageSettings,
    paint::{Fill, Stroke},
    surface::Surface,
    tagging::{Artifact, ArtifactType, ContentTag, SpanTag, TagTree},
};

use super::{
    PageSetup, RenderFailed,
    content::Person,
    design::{BAND, FOOTER, Ink, MARGIN, SMALL, paper},
    flow::{self, Page},
    language::{Han, mirrored},
    layout,
    rows::{Mark, Shape, Target, side},
    tags::{Element, Structure, title_of},
    text::{Line, Side, Typesetter},
    words::{self, Words},
};

/// A document that grows by one person at a time.
pub(super) struct Document {
    pdf: Pdf,
    page: PageSettings,
    paper: (f32, f32),
    locale: String,
    words: &'static Words,
    tree: TagTree,
    outline: Outline,
    /// Whether it is about several people.
    several: bool,
    /// Title, and whether it reads from right to left.
    title: Option<(String, bool)>,
    pages: usize,
}

/// A link on a page, until the page is drawn.
struct Linked {
    area: Rect,
    target: Rc<Target>,
    element: Element,
}

/// The pages of one person.
struct Sheets<'a> {
    words: &'static Words,
    name: &'a str,
    mirrored: bool,
    paper: (f32, f32),
    count: usize,
}

impl Document {
    pub(super) fn new(several: bool, setup: &PageSetup) -> Result<Self, RenderFailed> {
        let configuration = ConfigurationBuilder::new()
            .with_accessibility_validator(Accessibility::UA1)
            .finish()
            .map_err(|_| RenderFailed::Structure)?;
        let settings = SerializeSettings { configuration, ..SerializeSettings::default() };
        let paper = paper(setup.size);
        let page = PageSettings::from_wh(paper.0, paper.1).ok_or(RenderFailed::Limit)?;
        Ok(Self {
            pdf: Pdf::new_with(settings),
            page,
            paper,
            locale: setup.locale.clone(),
            words: words::of(&setup.locale),
            tree: TagTree::new(),
            outline: Outline::new(),
            several,
            title: None,
            pages: 0,
        })
    }

    /// Adds a person, on pages of their own.
    pub(super) fn add(&mut self, person: &Person, setter: &mut Typesetter<'_>) {
        setter.begin(Han::of(person, &self.locale));
        let mirrored = mirrored(person);
        let width = self.paper.0 - 2.0 * MARGIN;
        let laid = layout::person(person, setter, self.words, (mirrored, self.several), width);
        let mut structure = laid.structure;
        let pages = flow::paginate(laid.rows, self.paper.1 - 2.0 * MARGIN);
        let title = title_of(&laid.name);
        let start = XyzDestination::new(self.pages, Point::from_xy(0.0, 0.0));
        let mut bookmark = OutlineNode::new(title.clone(), start).with_open(true);
        let sheets = Sheets {
            words: self.words,
            name: &laid.name,
            mirrored,
            paper: self.paper,
            count: pages.len(),
        };
        for (number, page) in pages.into_iter().enumerate() {
            // In a document about several people the outline names the people.
            let sections = if self.several { &[][..] } else { page.sections.as_slice() };
            for (top, section) in sections {
                let at = Point::from_xy(0.0, (MARGIN + top - 6.0).max(0.0));
                let there = XyzDestination::new(self.pages, at);
                bookmark.push_child(OutlineNode::new(section.clone(), there));
            }
            self.draw(page, number, &sheets, setter, &mut structure);
            self.pages += 1;
        }
        self.outline.push_child(bookmark);
        if let Some(group) = structure.finish() {
            self.tree.push(group);
        }
        if !self.several {
            self.title = Some((title, mirrored));
        }
    }

    /// How many pages it has so far.
    pub(super) fn pages(&self) -> usize {
        self.pages
    }

    /// The page of a document about nobody: a document without pages is not valid.
    fn add_cover(&mut self, setter: &mut Typesetter<'_>) {
        let rows = layout::cover(self.words, self.paper.0 - 2.0 * MARGIN, setter);
        let mut structure = rows.structure;
        let sheets =
            Sheets { words: self.words, name: "", mirrored: false, paper: self.paper, count: 1 };
        for page in flow::paginate(rows.rows, self.paper.1 - 2.0 * MARGIN) {
            self.draw(page, 0, &sheets, setter, &mut structure);
        }
        let start = XyzDestination::new(0, Point::from_xy(0.0, 0.0));
        self.outline.push_child(OutlineNode::new(self.words.profiles.to_owned(), start));
        if let Some(group) = structure.finish() {
            self.tree.push(group);
        }
        self.pages = 1;
    }

    fn draw(
        &mut self,
        page: Page,
        number: usize,
        sheets: &Sheets<'_>,
        setter: &mut Typesetter<'_>,
        structure: &mut Structure,
    ) {
        let mut sheet = self.pdf.start_page_with(self.page.clone());
        let mut surface = sheet.surface();
        let mut links = Vec::new();
        if number == 0 {
            let band = Rect::from_xywh(0.0, 0.0, self.paper.0, BAND);
            artifact(&mut surface, ArtifactType::Layout, |surface| {
                fill(surface, band.map(rectangle), Ink::Accent);
            });
        }
        for (top, mark) in page.marks {
            sheets.mark(&mut surface, top, mark, structure, &mut links);
        }
        artifact(&mut surface, ArtifactType::Footer, |surface| {
            sheets.footer(surface, number, setter);
        });
        surface.finish();
        for Linked { area, target, element } in links {
            let action = LinkTarget::Action(LinkAction::new(target.address.clone()).into());
            let link = LinkAnnotation::new(area, action);
            let annotation = Annotation::new_link(link, Some(target.says.clone()));
            structure.content(element, sheet.add_tagged_annotation(annotation));
        }
        sheet.finish();
    }

    /// The file, and how many pages it has.
    pub(super) fn finish(
        mut self,
        setter: &mut Typesetter<'_>,
    ) -> Result<(Vec<u8>, usize), RenderFailed> {
        if self.pages == 0 {
            self.add_cover(setter);
        }
        let (title, rtl) = self.title.unwrap_or_else(|| (self.words.profiles.to_owned(), false));
        let direction = if rtl { TextDirection::RightToLeft } else { TextDirection::LeftToRight };
        // No date and no random id: the same people give the same bytes.
        self.pdf.set_metadata(
            Metadata::new()
                .title(title)
                .language(self.words.language.to_owned())
                .creator("clinch-operator".to_owned())
                .text_direction(direction),
        );
        self.pdf.set_outline(self.outline);
        self.pdf.set_tag_tree(self.tree);
        let bytes = self.pdf.finish().map_err(|error| failure(&error))?;
        Ok((bytes, self.pages))
    }
}

impl Sheets<'_> {
    /// The left edge of something on paper.
    fn left(&self, x: f32, width: f32) -> f32 {
        if self.mirrored { self.paper.0 - MARGIN - x - width } else { MARGIN + x }
    }

    fn mark(
        &self,
        surface: &mut Surface<'_>,
        top: f32,
        mark: Mark,
        structure: &mut Structure,
        links: &mut Vec<Linked>,
    ) {
        let Mark { x, width, y, shape } = mark;
        let left = self.left(x, width);
        let y = MARGIN + top + y;
        match shape {
            Shape::Line { line, element, link } => {
                let content = surface.start_tagged(ContentTag::Span(SpanTag::empty()));
                glyphs(surface, &line, left, y);
                surface.end_tagged();
                structure.content(element, content);
                if let Some(target) = link
                    && let Some(area) = area(&line, left, y)
                {
                    links.push(Linked { area, target, element });
                }
            }
            other => artifact(surface, ArtifactType::Layout, |surface| {
                draw_shape(surface, &other, left, y, width);
            }),
        }
    }

    fn footer(&self, surface: &mut Surface<'_>, number: usize, setter: &mut Typesetter<'_>) {
        let width = self.paper.0 - 2.0 * MARGIN;
        let baseline = self.paper.1 - FOOTER;
        let begin = side(self.mirrored);
        let end = if begin == Side::Left { Side::Right } else { Side::Left };
        let count = self.words.page(number + 1, self.count);
        let count = setter.set(&count, SMALL, width, end);
        // A name that needs several lines is cut after the first one.
        let room = width - count.width - 20.0;
        let name = setter.set(&title_of(self.name), SMALL, room, begin);
        for (block, x, width) in [(name, 0.0, room), (count, 0.0, width)] {
            if let Some(line) = block.lines.first() {
                glyphs(surface, line, self.left(x, width), baseline);
            }
        }
    }
}

fn draw_shape(surface: &mut Surface<'_>, shape: &Shape, left: f32, y: f32, width: f32) {
    match shape {
        Shape::Pill { height, outlined: false } => {
            fill(surface, pill(left, y, width, *height), Ink::Chip);
        }
        Shape::Pill { height, outlined: true } => {
            let inset = 0.4;
            let path = pill(left + inset, y + inset, width - 2.0 * inset, height - 2.0 * inset);
            stroke(surface, path, Ink::Accent, 0.8);
        }
        Shape::Dot { radius, ink } => {
            fill(surface, pill(left, y, 2.0 * radius, 2.0 * radius), *ink);
        }
        Shape::Rule => {
            fill(surface, Rect::from_xywh(left, y, width, 0.8).map(rectangle), Ink::Hairline);
        }
        Shape::Rail { height } => {
            fill(surface, Rect::from_xywh(left, y, width, *height).map(rectangle), Ink::Hairline);
        }
        Shape::Line { .. } => {}
    }
}

fn artifact(surface: &mut Surface<'_>, kind: ArtifactType, draw: impl FnOnce(&mut Surface<'_>)) {
    surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(kind)));
    draw(surface);
    surface.end_tagged();
}

fn glyphs(surface: &mut Surface<'_>, line: &Line, left: f32, baseline: f32) {
    surface.set_stroke(None);
    surface.set_fill(Some(paint(line.ink)));
    for run in &line.runs {
        let start = Point::from_xy(left + run.left, baseline);
        surface.draw_glyphs(start, &run.glyphs, run.font.clone(), &line.text, run.size, false);
    }
}

/// What of a line can be clicked.
fn area(line: &Line, left: f32, baseline: f32) -> Option<Rect> {
    Rect::from_xywh(left + line.left, baseline - line.above, line.width, line.above + line.below)
}

fn paint(ink: Ink) -> Fill {
    Fill { paint: color(ink).into(), opacity: NormalizedF32::ONE, ..Fill::default() }
}

fn color(ink: Ink) -> rgb::Color {
    let (red, green, blue) = ink.rgb();
    rgb::Color::new(red, green, blue)
}

fn fill(surface: &mut Surface<'_>, path: Option<Path>, ink: Ink) {
    if let Some(path) = path {
        surface.set_stroke(None);
        surface.set_fill(Some(paint(ink)));
        surface.draw_path(&path);
    }
}

fn stroke(surface: &mut Surface<'_>, path: Option<Path>, ink: Ink, width: f32) {
    if let Some(path) = path {
        surface.set_fill(None);
        surface.set_stroke(Some(Stroke { paint: color(ink).into(), width, ..Stroke::default() }));
        surface.draw_path(&path);
    }
}

fn rectangle(area: Rect) -> Path {
    let mut path = PathBuilder::new();
    path.push_rect(area);
    path.finish().expect("a rectangle is a path")
}

/// A rectangle with round ends; as wide as high, a circle.
fn pill(left: f32, top: f32, width: f32, height: f32) -> Option<Path> {
    // A chip of several lines has corners as round as a chip of one.
    let radius = (height / 2.0).min(width / 2.0).min(8.5);
    // Distance of control points by which a Bézier curve is closest to a quarter of a circle.
    let bend = radius * (1.0 - 0.552_285);
    let (right, bottom) = (left + width, top + height);
    let mut path = PathBuilder::new();
    path.move_to(left + radius, top);
    path.line_to(right - radius, top);
    path.cubic_to(right - bend, top, right, top + bend, right, top + radius);
    path.line_to(right, bottom - radius);
    path.cubic_to(right, bottom - bend, right - bend, bottom, right - radius, bottom);
    path.line_to(left + radius, bottom);
    path.cubic_to(left + bend, bottom, left, bottom - bend, left, bottom - radius);
    path.line_to(left, top + radius);
    path.cubic_to(left, top + bend, left + bend, top, left + radius, top);
    path.close();
    path.finish()
}

/// The library's error holds text of the document, so only its kind is kept.
pub(super) fn failure(error: &KrillaError) -> RenderFailed {
    match error {
        KrillaError::Font(..) => RenderFailed::Font,
        KrillaError::Validation(errors) => {
            RenderFailed::Validation(errors.first().map_or("unknown", |(error, _)| rule(error)))
        }
        KrillaError::Limit(_) => RenderFailed::Limit,
        _ => RenderFailed::Structure,
    }
}

fn rule(error: &ValidationError) -> &'static str {
    match error {
        ValidationError::ContainsNotDefGlyph(..) => "a character has no shape",
        ValidationError::NoCodepointMapping(..) => "a shape stands for no character",
        ValidationError::InvalidCodepointMapping(..) => "a shape stands for no valid character",
        ValidationError::RestrictedLicense(_) => {
            "the licence of a font does not permit to embed it"
        }
        ValidationError::NoDocumentTitle => "there is no title",
        ValidationError::MissingHeadingTitle => "a heading has no title",
        ValidationError::MissingDocumentOutline => "there is no outline",
        ValidationError::MissingAnnotationAltText(_) => "a link has no description",
        ValidationError::MissingTagging => "there is no structure",
        ValidationError::TooManyIndirectObjects => "it has too many objects",
        _ => "another rule",
    }
}
