//! Sizes, distances and colours, in points: how a document looks, in one place.

use super::PageSize;

const MILLIMETRE: f32 = 72.0 / 25.4;

/// Distance of text from the edges of the paper.
pub(super) const MARGIN: f32 = 17.0 * MILLIMETRE;
/// Width of the column of years.
pub(super) const YEARS: f32 = 28.0 * MILLIMETRE;
/// From the timeline to the text beside it.
pub(super) const GUTTER: f32 = 13.0;
/// Height of the coloured band at the head of a person's first page.
pub(super) const BAND: f32 = 5.0;
/// From the lower edge of the paper to the line of the footer.
pub(super) const FOOTER: f32 = 11.0 * MILLIMETRE;
/// Padding of a chip, at its sides, above and below.
pub(super) const CHIP_PADDING: (f32, f32) = (7.0, 2.6);
/// Between chips, beside and below one another.
pub(super) const CHIP_GAP: (f32, f32) = (5.0, 5.0);
/// Between facts on one line, with a dot in the middle.
pub(super) const FACT_GAP: f32 = 15.0;
/// Before the heading of a section.
pub(super) const SECTION_GAP: f32 = 15.0;
/// Between entries of a timeline.
pub(super) const ENTRY_GAP: f32 = 9.0;
/// Width of a bullet with its space in body text: how far the other lines of a list item are indented.
const BULLET: f32 = 6.1;
/// Between paragraphs.
pub(super) const PARAGRAPH_GAP: f32 = 2.5;

/// Width and height of the paper.
pub(super) fn paper(size: PageSize) -> (f32, f32) {
    match size {
        PageSize::A4 => (210.0 * MILLIMETRE, 297.0 * MILLIMETRE),
        PageSize::Letter => (612.0, 792.0),
    }
}

/// A colour by its purpose. All text has a contrast of at least 4.5 to its ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Ink {
    #[default]
    Text,
    Muted,
    Accent,
    Hairline,
    Chip,
}

impl Ink {
    pub(super) fn rgb(self) -> (u8, u8, u8) {
        match self {
            Self::Text => (0x1c, 0x25, 0x30),
            Self::Muted => (0x5a, 0x67, 0x75),
            Self::Accent => (0x12, 0x5e, 0x72),
            Self::Hairline => (0xd3, 0xdb, 0xe1),
            Self::Chip => (0xea, 0xf1, 0xf3),
        }
    }
}

/// How a text is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Style {
    pub size: f32,
    pub bold: bool,
    pub ink: Ink,
    /// Height of a line, as a multiple of the size.
    pub leading: f32,
    /// How far all lines but the first are indented.
    pub hanging: f32,
}

const fn style(size: f32, bold: bool, ink: Ink, leading: f32) -> Style {
    Style { size, bold, ink, leading, hanging: 0.0 }
}

pub(super) const NAME: Style = style(24.0, true, Ink::Text, 1.2);
pub(super) const HEADLINE: Style = style(13.0, false, Ink::Accent, 1.35);
pub(super) const FACT: Style = style(10.0, false, Ink::Text, 1.4);
pub(super) const CONTACT: Style = style(9.5, false, Ink::Muted, 1.4);
pub(super) const SECTION: Style = style(11.0, true, Ink::Accent, 1.3);
pub(super) const ROLE: Style = style(10.5, true, Ink::Text, 1.35);
pub(super) const ORGANISATION: Style = style(10.0, false, Ink::Accent, 1.4);
pub(super) const WHEN: Style = style(9.5, false, Ink::Text, 1.4);
pub(super) const DURATION: Style = style(8.5, false, Ink::Muted, 1.4);
pub(super) const BODY: Style = style(9.5, false, Ink::Text, 1.4);
pub(super) const ITEM: Style = Style { hanging: BULLET, ..BODY };
pub(super) const CHIP: Style = style(9.0, false, Ink::Text, 1.3);
pub(super) const TAG: Style = style(9.0, false, Ink::Accent, 1.3);
pub(super) const LABEL: Style = style(9.5, false, Ink::Muted, 1.4);
pub(super) const SMALL: Style = style(8.0, false, Ink::Muted, 1.3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_can_be_read_on_its_ground() {
        let part = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let light = |(r, g, b)| 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
        let contrast = |text: Ink, ground| (light(ground) + 0.05) / (light(text.rgb()) + 0.05);
        for text in [Ink::Text, Ink::Muted, Ink::Accent] {
            assert!(contrast(text, (255, 255, 255)) >= 4.5, "{text:?} on paper");
            assert!(contrast(text, Ink::Chip.rgb()) >= 4.5, "{text:?} on a chip");
        }
    }
}
