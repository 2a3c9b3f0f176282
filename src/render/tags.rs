//! The structure of a document, by which a screen reader finds its way: headings, lists, paragraphs and
//! links in the order in which they are read.

use std::num::NonZeroU16;

use krilla::tagging::{Identifier, ListNumbering, Node, Tag, TagGroup, TagKind};

/// An element of the structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element(usize);

/// The structure of one person's pages, while it grows.
pub(super) struct Structure {
    elements: Vec<(TagKind, Vec<Child>)>,
}

enum Child {
    Element(Element),
    Content(Identifier),
}

/// Titles of headings are for tables of contents: a long one is cut.
const LONGEST_TITLE: usize = 200;

impl Structure {
    /// One element, which contains all others.
    pub(super) fn new() -> (Self, Element) {
        (Self { elements: vec![(Tag::Section.into(), Vec::new())] }, Element(0))
    }

    fn add(&mut self, parent: Element, kind: impl Into<TagKind>) -> Element {
        let element = Element(self.elements.len());
        self.elements.push((kind.into(), Vec::new()));
        self.elements[parent.0].1.push(Child::Element(element));
        element
    }

    pub(super) fn heading(&mut self, parent: Element, level: NonZeroU16, title: &str) -> Element {
        self.add(parent, Tag::Hn(level, Some(title_of(title))))
    }

    pub(super) fn paragraph(&mut self, parent: Element) -> Element {
        self.add(parent, Tag::P)
    }

    pub(super) fn list(&mut self, parent: Element) -> Element {
        self.add(parent, Tag::L(ListNumbering::None))
    }

    pub(super) fn item(&mut self, list: Element) -> Element {
        self.add(list, Tag::LI)
    }

    pub(super) fn label(&mut self, item: Element) -> Element {
        self.add(item, Tag::Lbl)
    }

    pub(super) fn body(&mut self, item: Element) -> Element {
        self.add(item, Tag::LBody)
    }

    pub(super) fn link(&mut self, parent: Element) -> Element {
        self.add(parent, Tag::Link)
    }

    /// Adds what is drawn to its element.
    pub(super) fn content(&mut self, element: Element, content: Identifier) {
        self.elements[element.0].1.push(Child::Content(content));
    }

    /// The finished structure. Elements without content are left out.
    pub(super) fn finish(self) -> Option<TagGroup> {
        let mut groups: Vec<Option<TagGroup>> = Vec::new();
        groups.resize_with(self.elements.len(), || None);
        // Children come after their parents, so from the end on they are finished before them.
        for (at, (kind, children)) in self.elements.into_iter().enumerate().rev() {
            let children: Vec<Node> = children
                .into_iter()
                .filter_map(|child| match child {
                    Child::Element(element) => groups[element.0].take().map(Node::Group),
                    Child::Content(content) => Some(Node::Leaf(content)),
                })
                .collect();
            if !children.is_empty() {
                groups[at] = Some(TagGroup::with_children(kind, children));
            }
        }
        groups.into_iter().next().flatten()
    }
}

/// A text as the title of a heading or of an entry of the outline.
pub(super) fn title_of(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TITLE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
