//! Which font has a shape for a character, and what is shown for characters without one.

use std::collections::{BTreeMap, HashMap};

use icu_properties::{
    CodePointSetData,
    props::{Emoji, EmojiModifier, ExtendedPictographic, RegionalIndicator},
};
use unicode_script::UnicodeScript;

use super::{content::Person, fonts::Fonts, language::Han};
use crate::domain::is_invisible;

/// Shown instead of a character without a shape.
pub(super) const REPLACEMENT: char = '\u{fffd}';

/// Finds families for texts, and counts what has no shape.
pub(super) struct Covering<'f> {
    fonts: &'f Fonts,
    han: Han,
    known: HashMap<(char, Han), Option<usize>>,
    missing: BTreeMap<&'static str, usize>,
}

impl<'f> Covering<'f> {
    pub(super) fn new(fonts: &'f Fonts) -> Self {
        let (known, missing) = (HashMap::new(), BTreeMap::new());
        Self { fonts, han: Han::Simplified, known, missing }
    }

    pub(super) fn set_han(&mut self, han: Han) {
        self.han = han;
    }

    pub(super) fn han(&self) -> Han {
        self.han
    }

    /// What had no shape since the last call, by script.
    pub(super) fn take_missing(&mut self) -> BTreeMap<&'static str, usize> {
        std::mem::take(&mut self.missing)
    }

    /// The text without characters for which no font has a shape, and the families that it needs.
    pub(super) fn covered(&mut self, text: &str) -> (String, Vec<usize>) {
        let mut families = Vec::new();
        if text.is_ascii() {
            return (text.to_owned(), families);
        }
        let mut covered = String::with_capacity(text.len());
        let mut left_out = false;
        for c in text.chars() {
            // What joins or follows a character that is left out goes with it.
            let joins = c == '\u{200d}' || (c == ' ' && covered.ends_with(' '));
            if left_out && joins {
                continue;
            }
            left_out = false;
            if c.is_ascii() {
                covered.push(c);
                continue;
            }
            let (fonts, han) = (self.fonts, self.han);
            let known = self.known.entry((c, han)).or_insert_with(|| fonts.covering(c, han));
            match *known {
                Some(family) if families.contains(&family) => covered.push(c),
                Some(family) => {
                    covered.push(c);
                    families.push(family);
                }
                None if is_invisible(c) && !is_emoji(c) => covered.push(c),
                None => {
                    let shown = self.miss(c);
                    left_out = shown.is_none();
                    covered.extend(shown);
                }
            }
        }
        families.sort_unstable();
        // What was left out may have stood at the edge.
        (covered.trim().to_owned(), families)
    }

    /// Counts a character without a shape, and returns what is shown instead.
    pub(super) fn miss(&mut self, c: char) -> Option<char> {
        let emoji = is_emoji(c);
        let modifies = CodePointSetData::new::<EmojiModifier>().contains(c) || is_invisible(c);
        if !(emoji && modifies) {
            let script = if emoji { "Emoji" } else { c.script().full_name() };
            *self.missing.entry(script).or_default() += 1;
        }
        (!emoji).then_some(REPLACEMENT)
    }
}

/// The scripts of which a character of this person has no shape in any font.
pub(super) fn uncovered(person: &Person, fonts: &Fonts) -> Vec<&'static str> {
    let mut covering = Covering::new(fonts);
    covering.set_han(Han::of(person, ""));
    for text in person.texts() {
        covering.covered(text);
    }
    covering.take_missing().into_keys().collect()
}

fn is_emoji(c: char) -> bool {
    let picture = CodePointSetData::new::<ExtendedPictographic>().contains(c);
    let flag = CodePointSetData::new::<RegionalIndicator>().contains(c);
    let tone = CodePointSetData::new::<EmojiModifier>().contains(c);
    let joined = matches!(c, '\u{fe0f}' | '\u{20e3}');
    !c.is_ascii()
        && (picture || flag || tone || joined || CodePointSetData::new::<Emoji>().contains(c))
}
