//! The rows of a person: header, summary, timelines, chips and links.

use std::{num::NonZeroU16, rc::Rc};

use super::{
    clean::is_item,
    content::Person,
    design::{
        self, BODY, CHIP, CHIP_GAP, CHIP_PADDING, CONTACT, FACT, FACT_GAP, HEADLINE, ITEM, Ink,
        LABEL, NAME, PARAGRAPH_GAP, SECTION, SECTION_GAP, Style, TAG, YEARS,
    },
    links::Link,
    rows::{Cell, Mark, Row, Shape, Target, keep_lines_together, side},
    tags::{Element, Structure, title_of},
    text::{Block, Side, Typesetter},
    words::Words,
};

/// A person, laid out.
pub(super) struct Laid {
    pub rows: Vec<Row>,
    pub structure: Structure,
    /// The name as it is shown.
    pub name: Rc<str>,
}

/// A fact of a line of facts.
struct Fact {
    text: String,
    style: Style,
    link: Option<Rc<Target>>,
}

/// Rows while they are added.
pub(super) struct Sheet<'a, 'f> {
    pub setter: &'a mut Typesetter<'f>,
    pub structure: Structure,
    pub rows: Vec<Row>,
    pub words: &'static Words,
    pub root: Element,
    pub side: Side,
    pub width: f32,
    /// Whether chips are one paragraph of the structure instead of a list. In a document about
    /// thousands of people, the items of lists would be a third of its size and memory.
    pub compact: bool,
}

/// Lays out a person in lines of this width.
pub(super) fn person(
    person: &Person,
    setter: &mut Typesetter<'_>,
    words: &'static Words,
    (mirrored, compact): (bool, bool),
    width: f32,
) -> Laid {
    let (structure, root) = Structure::new();
    let side = side(mirrored);
    let mut sheet =
        Sheet { setter, structure, rows: Vec::new(), words, root, side, width, compact };
    let name = sheet.header(person);
    sheet.paragraphs(words.summary, &person.summary);
    sheet.timeline(words.experience, &person.positions);
    sheet.timeline(words.education, &person.education);
    sheet.timeline(words.certifications, &person.certifications);
    sheet.chips(words.skills, &person.skills, CHIP, false);
    sheet.languages(&person.languages);
    sheet.chips(words.tags, &person.tags, TAG, true);
    sheet.links(&person.links);
    Laid { rows: sheet.rows, structure: sheet.structure, name }
}

/// The page of a document about nobody: its title.
pub(super) fn cover(words: &'static Words, width: f32, setter: &mut Typesetter<'_>) -> Laid {
    let (structure, root) = Structure::new();
    let mut sheet = Sheet {
        setter,
        structure,
        rows: Vec::new(),
        words,
        root,
        side: Side::Left,
        width,
        compact: false,
    };
    let name = sheet.name(words.profiles);
    Laid { rows: sheet.rows, structure: sheet.structure, name }
}

impl Sheet<'_, '_> {
    /// The heading of a page; returns the text as it is shown.
    fn name(&mut self, name: &str) -> Rc<str> {
        let heading = self.structure.heading(self.root, NonZeroU16::MIN, name);
        let block = self.setter.set(name, NAME, self.width, self.side);
        let shown = block.lines.first().map_or_else(|| name.into(), |line| Rc::clone(&line.text));
        self.block(block, heading, 0.0);
        shown
    }

    fn header(&mut self, person: &Person) -> Rc<str> {
        let shown = self.name(person.name.as_deref().unwrap_or(self.words.unnamed));
        if let Some(title) = &person.title {
            let element = self.structure.paragraph(self.root);
            let block = self.setter.set(title, HEADLINE, self.width, self.side);
            self.block(block, element, 2.0);
        }
        let fact = |text: &String| Fact { text: text.clone(), style: FACT, link: None };
        let facts = person.company.iter().chain(&person.place).map(fact).collect();
        self.facts(facts, 5.0);
        let contact = |link: &Link| Fact {
            text: link.text.clone(),
            style: CONTACT,
            link: target(link).map(Rc::new),
        };
        self.facts(person.contacts.iter().map(contact).collect(), 4.0);
        shown
    }

    /// Heading of a section, kept with what follows.
    pub(super) fn section(&mut self, title: &str) {
        let two = NonZeroU16::MIN.saturating_add(1);
        let heading = self.structure.heading(self.root, two, title);
        let block = self.setter.set(title, SECTION, self.width, self.side);
        let first = self.rows.len();
        self.block(block, heading, SECTION_GAP);
        for row in &mut self.rows[first..] {
            row.keep = true;
        }
        if let Some(row) = self.rows.get_mut(first) {
            row.section = Some(title.to_owned());
        }
        let rule = Mark { x: 0.0, width: self.width, y: 0.0, shape: Shape::Rule };
        self.rows.push(Row { keep: true, ..Row::new(2.5, 7.0, vec![rule]) });
    }

    fn paragraphs(&mut self, title: &str, texts: &[String]) {
        if texts.is_empty() {
            return;
        }
        self.section(title);
        for (at, text) in texts.iter().enumerate() {
            let element = self.structure.paragraph(self.root);
            let block = self.setter.set(text, body(text), self.width, Side::Own);
            self.block(block, element, if at == 0 { 0.0 } else { PARAGRAPH_GAP });
        }
    }

    /// The lines of a block, over the whole width.
    fn block(&mut self, block: Block, element: Element, before: f32) {
        let width = self.width;
        let first = self.rows.len();
        for (at, line) in block.lines.into_iter().enumerate() {
            let cell = Cell { x: 0.0, width, line, element, link: None };
            self.rows.push(Row::of_lines(if at == 0 { before } else { 0.0 }, vec![cell]));
        }
        keep_lines_together(&mut self.rows[first..]);
    }

    /// Facts beside one another, with dots between them, in as many lines as they need.
    fn facts(&mut self, facts: Vec<Fact>, before: f32) {
        let mut gap = before;
        let mut x = 0.0;
        let mut cells: Vec<Cell> = Vec::new();
        let mut dots: Vec<f32> = Vec::new();
        let paragraph = self.structure.paragraph(self.root);
        for fact in facts {
            let block = self.setter.set(&fact.text, fact.style, self.width, self.side);
            let element = match &fact.link {
                Some(_) => self.structure.link(paragraph),
                None => paragraph,
            };
            let full = !cells.is_empty() && (block.lines.len() > 1 || x + block.width > self.width);
            if full {
                self.facts_row(&mut cells, &mut dots, &mut gap);
                x = 0.0;
            } else if !cells.is_empty() {
                dots.push(x - FACT_GAP / 2.0);
            }
            let lines = block.lines.len();
            for (at, line) in block.lines.into_iter().enumerate() {
                cells.push(Cell { x, width: self.width, line, element, link: fact.link.clone() });
                if at + 1 < lines {
                    self.facts_row(&mut cells, &mut dots, &mut gap);
                }
            }
            // After several lines, the next fact begins a line of its own.
            x = if lines > 1 { self.width } else { x + block.width + FACT_GAP };
        }
        self.facts_row(&mut cells, &mut dots, &mut gap);
    }

    fn facts_row(&mut self, cells: &mut Vec<Cell>, dots: &mut Vec<f32>, gap: &mut f32) {
        if cells.is_empty() {
            return;
        }
        let mut row = Row::of_lines(*gap, std::mem::take(cells));
        let baseline = row.marks.first().map_or(0.0, |mark| mark.y);
        let dot = |x| Mark {
            x: x - 1.1,
            width: 2.2,
            y: baseline - 4.3,
            shape: Shape::Dot { radius: 1.1, ink: Ink::Muted },
        };
        row.marks.extend(std::mem::take(dots).into_iter().map(dot));
        self.rows.push(row);
        *gap = 0.0;
    }

    /// Short texts as chips, in as many rows as they need.
    fn chips(&mut self, title: &str, texts: &[String], style: Style, outlined: bool) {
        if texts.is_empty() {
            return;
        }
        self.section(title);
        let group = if self.compact {
            self.structure.paragraph(self.root)
        } else {
            self.structure.list(self.root)
        };
        let (beside, above) = CHIP_PADDING;
        let mut row = Row::new(1.0, 0.0, Vec::new());
        let mut x = 0.0;
        for text in texts {
            let widest = self.width - 2.0 * beside;
            let block = self.setter.set(text, style, widest, Side::Left);
            let element = self.chip_element(group);
            let width = block.width + 2.0 * beside;
            let text_height: f32 = block.lines.iter().map(|line| line.above + line.below).sum();
            let height = text_height + 2.0 * above;
            if x > 0.0 && x + width > self.width {
                self.rows.push(std::mem::replace(&mut row, Row::new(CHIP_GAP.1, 0.0, Vec::new())));
                x = 0.0;
            }
            row.height = row.height.max(height);
            row.marks.push(Mark { x, width, y: 0.0, shape: Shape::Pill { height, outlined } });
            let mut y = above;
            for line in block.lines {
                let (up, down) = (line.above, line.below);
                // Inside a chip, lines begin at the left: it is as wide as its longest line.
                let cell = Cell { x: x + beside, width: block.width, line, element, link: None };
                row.marks.push(cell.mark(y + up));
                y += up + down;
            }
            x += width + CHIP_GAP.0;
        }
        self.rows.push(row);
    }

    fn chip_element(&mut self, group: Element) -> Element {
        if self.compact {
            return group;
        }
        let item = self.structure.item(group);
        self.structure.body(item)
    }

    fn languages(&mut self, languages: &[String]) {
        if languages.is_empty() {
            return;
        }
        self.section(self.words.languages);
        let fact = |text: &String| Fact { text: text.clone(), style: BODY, link: None };
        self.facts(languages.iter().map(fact).collect(), 0.0);
    }

    fn links(&mut self, links: &[Link]) {
        if links.is_empty() {
            return;
        }
        self.section(self.words.links);
        let list = self.structure.list(self.root);
        for link in links {
            let item = self.structure.item(list);
            let target = target(link).map(Rc::new);
            let kind = link.kind.as_deref().map(|kind| {
                let label = self.structure.label(item);
                (self.setter.set(kind, LABEL, YEARS - design::GUTTER, self.side), label)
            });
            let body = self.structure.body(item);
            let element = if target.is_some() { self.structure.link(body) } else { body };
            let x = if kind.is_some() { YEARS } else { 0.0 };
            let block = self.setter.set(&link.text, LINK, self.width - x, self.side);
            let mut kinds = kind.map(|(block, label)| (block.lines.into_iter(), label));
            let mut lines = block.lines.into_iter();
            loop {
                let mut cells = Vec::new();
                if let Some((kinds, label)) = &mut kinds
                    && let Some(line) = kinds.next()
                {
                    let width = YEARS - design::GUTTER;
                    cells.push(Cell { x: 0.0, width, line, element: *label, link: None });
                }
                if let Some(line) = lines.next() {
                    let link = target.clone();
                    cells.push(Cell { x, width: self.width - x, line, element, link });
                }
                if cells.is_empty() {
                    break;
                }
                self.rows.push(Row::of_lines(0.0, cells));
            }
        }
    }
}

/// How a paragraph is set.
pub(super) fn body(paragraph: &str) -> Style {
    if is_item(paragraph) { ITEM } else { BODY }
}

/// Addresses are set as body text in the colour of links.
const LINK: Style = Style { ink: Ink::Accent, ..BODY };

fn target(link: &Link) -> Option<Target> {
    let address = link.target.clone()?;
    let says = match &link.kind {
        Some(kind) => title_of(&format!("{kind}: {}", link.text)),
        None => title_of(&link.text),
    };
    Some(Target { address, says })
}
