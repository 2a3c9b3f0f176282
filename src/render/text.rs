//! From a text to lines of glyphs: fonts for every character, shaping, direction and line breaks. A
//! character without a shape becomes U+FFFD and is counted; no line has a glyph 0.

use std::{borrow::Cow, collections::BTreeMap, ops::Range, rc::Rc};

use krilla::text::{Font, GlyphId, KrillaGlyph};
use parley::{
    Alignment, AlignmentOptions, FontContext, FontFamily, FontFamilyName, FontWeight,
    IndentOptions, Language, Layout, LayoutContext, LineHeight, OverflowWrap, Run, StyleProperty,
};

use super::{
    covering::{Covering, REPLACEMENT},
    design::{Ink, Style},
    fonts::{BASE, Fonts},
    language::Han,
};
use crate::domain::is_invisible;

/// Where the lines of a text begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// At the left edge.
    Left,
    /// At the right edge.
    Right,
    /// Where the language of the text begins its lines.
    Own,
}

/// A text, set in lines.
pub(super) struct Block {
    pub lines: Vec<Line>,
    /// Width of the longest line.
    pub width: f32,
}

/// One line.
pub(super) struct Line {
    /// The whole text, into which the glyphs point.
    pub text: Rc<str>,
    pub runs: Vec<GlyphRun>,
    pub ink: Ink,
    /// What is visible, from the left edge of the block. Blanks at the ends of lines hang over: in
    /// right-to-left text beyond the left edge.
    pub left: f32,
    pub width: f32,
    /// From the baseline up and down.
    pub above: f32,
    pub below: f32,
}

/// Glyphs of one font.
pub(super) struct GlyphRun {
    pub font: Font,
    pub size: f32,
    /// From the left edge of the block.
    pub left: f32,
    pub glyphs: Vec<KrillaGlyph>,
}

/// Sets texts, one person after the other.
pub(super) struct Typesetter<'f> {
    fonts: &'f Fonts,
    context: FontContext,
    layouts: LayoutContext<Ink>,
    layout: Layout<Ink>,
    covering: Covering<'f>,
}

impl<'f> Typesetter<'f> {
    pub(super) fn new(fonts: &'f Fonts) -> Self {
        Self {
            fonts,
            context: fonts.context(),
            layouts: LayoutContext::new(),
            layout: Layout::new(),
            covering: Covering::new(fonts),
        }
    }

    /// Begins a person, whose Chinese characters take this form.
    pub(super) fn begin(&mut self, han: Han) {
        self.covering.set_han(han);
    }

    /// What had no shape since the last call, by script.
    pub(super) fn take_missing(&mut self) -> BTreeMap<&'static str, usize> {
        self.covering.take_missing()
    }

    /// Sets a text in lines no wider than `width`.
    pub(super) fn set(&mut self, text: &str, style: Style, width: f32, side: Side) -> Block {
        let (mut text, families) = self.covering.covered(text);
        // A shape can also be missing where characters are joined. Replacing them changes the layout, so
        // it is made again; later attempts leave out what is still without a shape, and so they end.
        let mut attempt = 0;
        loop {
            self.lay_out(&text, style, width, side, &families);
            let unshaped = self.unshaped();
            if unshaped.is_empty() {
                break;
            }
            text = self.without(&text, &unshaped, attempt);
            attempt += 1;
        }
        let text: Rc<str> = text.into();
        let lines: Vec<Line> =
            self.layout.lines().map(|line| self.line(&line, &text, style, width)).collect();
        let reach = |line: &Line| match side {
            Side::Left => line.left + line.width,
            Side::Right => width - line.left,
            Side::Own => line.width,
        };
        Block { width: lines.iter().map(reach).fold(0.0, f32::max), lines }
    }

    fn lay_out(&mut self, text: &str, style: Style, width: f32, side: Side, families: &[usize]) {
        let mut names = vec![FontFamilyName::Named(Cow::Borrowed(BASE))];
        let others =
            families.iter().map(|family| self.fonts.name(*family)).filter(|name| *name != BASE);
        names.extend(others.map(|name| FontFamilyName::Named(Cow::Borrowed(name))));
        let weight = if style.bold { FontWeight::BOLD } else { FontWeight::NORMAL };
        let mut builder = self.layouts.ranged_builder(&mut self.context, text, 1.0, false);
        builder.push_default(StyleProperty::FontFamily(FontFamily::List(Cow::Owned(names))));
        builder.push_default(StyleProperty::FontSize(style.size));
        builder.push_default(StyleProperty::FontWeight(weight));
        builder.push_default(StyleProperty::Brush(style.ink));
        builder
            .push_default(StyleProperty::LineHeight(LineHeight::FontSizeRelative(style.leading)));
        builder.push_default(StyleProperty::OverflowWrap(OverflowWrap::Anywhere));
        builder.push_default(StyleProperty::Locale(
            Language::parse(self.covering.han().locale()).ok(),
        ));
        builder.build_into(&mut self.layout, text);
        let hanging = IndentOptions { each_line: false, hanging: true };
        self.layout.set_text_indent(style.hanging, hanging);
        self.layout.break_all_lines(Some(width));
        let alignment = match side {
            Side::Left => Alignment::Left,
            Side::Right => Alignment::Right,
            Side::Own => Alignment::Start,
        };
        self.layout.align(alignment, AlignmentOptions::default());
    }

    /// The places of the text whose glyph is 0, in order.
    fn unshaped(&self) -> Vec<Range<usize>> {
        let runs = self.layout.lines().flat_map(|line| line.runs());
        let clusters = runs.flat_map(|run| run.clusters());
        let unshaped = clusters.filter(|cluster| cluster.glyphs().any(|glyph| glyph.id == 0));
        let mut places: Vec<Range<usize>> = unshaped.map(|cluster| cluster.text_range()).collect();
        places.sort_unstable_by_key(|place| place.start);
        places
    }

    fn without(&mut self, text: &str, places: &[Range<usize>], attempt: usize) -> String {
        let mut kept = String::with_capacity(text.len());
        let mut from = 0;
        for place in places {
            kept.push_str(&text[from..place.start.max(from)]);
            let visible =
                text[place.clone()].chars().find(|c| !is_invisible(*c) && *c != REPLACEMENT);
            let shown = visible.and_then(|c| self.covering.miss(c));
            if attempt == 0 {
                kept.extend(shown);
            }
            from = place.end.max(from);
        }
        kept.push_str(&text[from..]);
        kept
    }

    fn line(&self, line: &parley::Line<'_, Ink>, text: &Rc<str>, style: Style, width: f32) -> Line {
        let metrics = line.metrics();
        let mut left = metrics.offset + metrics.inline_min_coord;
        let mut placed: Vec<_> = line.runs().map(|run| (glyphs(&run), run)).collect();
        if left < 0.0 || left + metrics.advance - metrics.hanging_advance > width {
            let closed = close_last_blanks(&mut placed, text);
            // Such a line is aligned with the edge at which its text begins.
            left += if self.layout.is_rtl() { closed } else { 0.0 };
        }
        let mut visible: Option<(f32, f32)> = None;
        let mut runs = Vec::new();
        for (glyphs, run) in placed {
            let mut advance = 0.0;
            for glyph in &glyphs {
                let start = left + advance;
                advance += glyph.x_advance * run.font_size();
                if !text[glyph.text_range.clone()].trim().is_empty() {
                    let (first, _) = visible.unwrap_or((start, start));
                    visible = Some((first, left + advance));
                }
            }
            if let Some(font) = self.fonts.embedded(run.font(), run.synthesis())
                && !glyphs.is_empty()
            {
                runs.push(GlyphRun { font, size: run.font_size(), left, glyphs });
            }
            left += advance;
        }
        // Scripts with tall letters need more than the leading of the style.
        let content = (
            metrics.baseline - metrics.content_block_min_coord,
            metrics.content_block_max_coord - metrics.baseline,
        );
        let usual = metrics.baseline - metrics.block_min_coord;
        let tall = (content.0 + content.1 - style.size * style.leading).max(0.0);
        let grown = |usual: f32, content: f32| if tall > 0.0 { usual.max(content) } else { usual };
        Line {
            text: Rc::clone(text),
            runs,
            ink: style.ink,
            left: visible.map_or(0.0, |(first, _)| first),
            width: visible.map_or(0.0, |(first, last)| last - first),
            above: grown(usual, content.0),
            below: grown(metrics.block_max_coord - metrics.baseline, content.1),
        }
    }
}

/// Takes away the width of the blanks at the end of a line, and returns it. Lines are broken as if these
/// hung over the edge. In text of both directions they may be in the middle instead, and then the line is
/// wider than its column by so much.
fn close_last_blanks(placed: &mut [(Vec<KrillaGlyph>, Run<'_, Ink>)], text: &str) -> f32 {
    let all = placed.iter().flat_map(|(glyphs, _)| glyphs);
    let end = all.map(|glyph| glyph.text_range.end).max().unwrap_or_default();
    let last = text[..end].trim_end().len();
    let mut closed = 0.0;
    for (glyphs, run) in placed {
        for glyph in glyphs.iter_mut().filter(|glyph| glyph.text_range.start >= last) {
            closed += glyph.x_advance * run.font_size();
            glyph.x_advance = 0.0;
        }
    }
    closed
}

/// The glyphs of a run from left to right. All glyphs of a ligature stand for all of its characters:
/// in a right-to-left run, those that continue it come before the one that starts it.
fn glyphs(run: &Run<'_, Ink>) -> Vec<KrillaGlyph> {
    let size = run.font_size();
    let mut glyphs: Vec<KrillaGlyph> = Vec::new();
    let mut first = 0;
    let mut waiting: Option<Range<usize>> = None;
    for cluster in run.visual_clusters() {
        let range = cluster.text_range();
        if cluster.is_ligature_continuation() {
            if run.is_rtl() {
                waiting = Some(waiting.map_or(range.clone(), |earlier| join(&earlier, &range)));
            } else {
                for glyph in &mut glyphs[first..] {
                    glyph.text_range = join(&glyph.text_range, &range);
                }
            }
            continue;
        }
        let range = waiting.take().map_or(range.clone(), |earlier| join(&earlier, &range));
        first = glyphs.len();
        glyphs.extend(cluster.glyphs().map(|glyph| {
            KrillaGlyph::new(
                GlyphId::new(glyph.id),
                glyph.advance / size,
                glyph.x / size,
                // The layout counts down the page, the PDF library up from the baseline.
                -glyph.y / size,
                0.0,
                range.clone(),
                None,
            )
        }));
    }
    glyphs
}

fn join(one: &Range<usize>, other: &Range<usize>) -> Range<usize> {
    one.start.min(other.start)..one.end.max(other.end)
}
