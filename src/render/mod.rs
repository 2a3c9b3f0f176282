//! Candidate profiles as PDF documents. Pure: no clock, no files, no network; the same profiles and
//! fonts give the same bytes.
//!
//! A profile becomes facts ([`content`]), facts become rows of lines ([`layout`], [`text`]), rows
//! become pages ([`flow`]), and pages are drawn ([`draw`]) together with the structure that makes them
//! accessible ([`tags`]). A document grows by one person at a time ([`combined`]).

mod clean;
mod combined;
mod content;
mod covering;
mod design;
mod draw;
mod flow;
mod fonts;
mod language;
mod layout;
mod links;
mod rows;
mod tags;
mod text;
mod timeline;
mod words;

#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::domain::Profile;

pub use combined::Combined;
pub use fonts::Fonts;

/// Version of what a document shows and how. Part of the digest by which an attached document is
/// recognised: raising it attaches a document to everybody again, so it belongs in the release notes.
pub const RENDER_VERSION: u32 = 1;

/// Paper size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PageSize {
    /// 210 mm by 297 mm.
    #[default]
    A4,
    /// 8.5 inches by 11 inches.
    Letter,
}

/// How the pages are set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSetup {
    /// Paper size.
    pub size: PageSize,
    /// BCP 47 tag: the language of headings, and the forms of Chinese characters for people whose
    /// profile does not show which ones they use.
    pub locale: String,
}

impl Default for PageSetup {
    fn default() -> Self {
        Self { size: PageSize::A4, locale: "en".to_owned() }
    }
}

/// Characters of one person for which no font has a shape. They are shown as U+FFFD; emoji are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingGlyphs {
    /// Position of the profile among those given.
    pub record: usize,
    /// Name of the script, or `Emoji`.
    pub script: &'static str,
    /// How many characters.
    pub count: usize,
}

/// A finished document.
#[derive(Clone)]
pub struct Rendered {
    /// The PDF file.
    pub bytes: Vec<u8>,
    /// How many pages it has.
    pub pages: usize,
    /// What could not be shown, by person and script.
    pub missing: Vec<MissingGlyphs>,
}

impl std::fmt::Debug for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rendered({} bytes, {} pages)", self.bytes.len(), self.pages)
    }
}

/// Why there is no document. Never carries text of a profile: the library's own error does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RenderFailed {
    /// A font file is damaged.
    #[error("a font cannot be embedded: look for a damaged file in the font folders")]
    Font,
    /// The check for accessibility refused the document.
    #[error("the document is not accessible (PDF/UA-1): {0}")]
    Validation(&'static str),
    /// A limit of the file format.
    #[error("the document exceeds a limit of PDF: render fewer people in one document")]
    Limit,
    /// A fault in the structure of the document.
    #[error("the structure of the document is not valid")]
    Structure,
}

/// Renders one document with all of these people, each on pages of their own.
pub fn render(
    profiles: &[Profile],
    fonts: &Fonts,
    setup: &PageSetup,
) -> Result<Rendered, RenderFailed> {
    let mut document = Combined::new(fonts, setup);
    let mut missing = Vec::new();
    for profile in profiles {
        missing.extend(document.add(profile)?);
    }
    let mut rendered = document.finish()?;
    missing.append(&mut rendered.missing);
    Ok(Rendered { missing, ..rendered })
}

/// What a document of one person would show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The facts that it shows, as JSON with a fixed order of members: with [`RENDER_VERSION`] they are
    /// all that it depends on. Anything else in the profile changes nothing.
    pub facts: String,
    /// The scripts of which a character has no shape in any font, and `Emoji`.
    pub missing: Vec<&'static str>,
}

/// Looks at what a document of this person would show, without making it.
pub fn preview(profile: &Profile, fonts: &Fonts) -> Preview {
    let person = content::Person::of(profile);
    let facts = serde_json::to_string(&person).expect("facts are strings and lists");
    let missing = if facts.is_ascii() { Vec::new() } else { covering::uncovered(&person, fonts) };
    Preview { facts, missing }
}

/// A profile without the members that a document does not show.
pub fn shown(profile: &Profile) -> Profile {
    let members = content::MEMBERS.iter().filter_map(|name| {
        let (name, value) = profile.members().get_key_value(*name)?;
        Some((name.clone(), value.clone()))
    });
    Profile::new(members.collect())
}
