//! PDF documents for files: about many people, or about one. One about many is in memory until it is
//! complete, so it is limited, and one is made at a time in a process. Pure.

use std::collections::BTreeSet;

#[cfg(feature = "pdf")]
pub(super) use with_pdf::{Combined, single};
#[cfg(not(feature = "pdf"))]
pub(super) use without_pdf::{Combined, single};

use crate::domain::{Cause, Profile, Reason};

/// How a document looks, and how large it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentStyle {
    /// Paper of 8.5 by 11 inches instead of A4.
    pub letter: bool,
    /// BCP 47 tag: the language of headings, and of Chinese characters whose form nothing else decides.
    pub locale: String,
    /// How many people it may be about.
    pub max_people: usize,
    /// How many pages it may have.
    pub max_pages: usize,
}

impl Default for DocumentStyle {
    fn default() -> Self {
        Self { letter: false, locale: "en".to_owned(), max_people: 5_000, max_pages: 6_000 }
    }
}

impl DocumentStyle {
    /// Whether a document about this many people with this many pages is within the limits.
    #[cfg_attr(not(feature = "pdf"), expect(dead_code, reason = "nothing is rendered"))]
    fn admits(&self, people: usize, pages: usize) -> Result<(), Cause> {
        let Self { max_people, max_pages, .. } = self;
        let message = if people > *max_people {
            format!("more than {max_people} people are selected, the most of one document")
        } else if pages > *max_pages {
            format!(
                "the first {people} people fill more than {max_pages} pages, the most of one document"
            )
        } else {
            return Ok(());
        };
        let message = format!("{message}: narrow spec.select, or set spec.limit");
        Err(Cause::new(Reason::TooLarge, message))
    }
}

/// The people who were laid out at once, in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LaidOut {
    /// How many they are.
    pub(super) people: usize,
    /// Scripts of which a character has no shape in any font: the index of the person among these, and one
    /// entry for each of the scripts.
    pub(super) lacking: BTreeSet<(usize, &'static str)>,
}

/// Why this program cannot write documents, if so. `with_pdf`: whether it is built with the feature `pdf`.
pub const fn no_documents(with_pdf: bool) -> Option<&'static str> {
    if with_pdf {
        return None;
    }
    Some(
        "this operator is built without the feature `pdf` and renders no profiles; use CSV or NDJSON, or \
         an image with it",
    )
}

#[cfg(feature = "pdf")]
mod with_pdf {
    use super::{Cause, DocumentStyle, LaidOut, Profile, Reason};
    use crate::{
        pipeline::rendered::Renderer,
        render::{self, MissingGlyphs, PageSetup, PageSize, RenderFailed, Rendered},
    };

    /// A document that grows by one person at a time. Errors say nothing of the people.
    pub(in crate::pipeline) struct Combined<'a> {
        document: render::Combined<'a>,
        people: usize,
        style: DocumentStyle,
    }

    impl<'a> Combined<'a> {
        /// A document about nobody yet.
        pub(in crate::pipeline) fn new(renderer: &'a Renderer, style: &DocumentStyle) -> Self {
            let document = render::Combined::new(renderer.fonts(), &setup(style));
            Self { document, people: 0, style: style.clone() }
        }

        /// Adds a person. Returns those who were laid out by this.
        pub(in crate::pipeline) fn add(&mut self, profile: &Profile) -> Result<LaidOut, Cause> {
            self.people += 1;
            self.style.admits(self.people, self.document.pages())?;
            let before = self.document.laid_out();
            let missing = self.document.add(profile).map_err(failed)?;
            self.style.admits(self.people, self.document.pages())?;
            Ok(laid_out(before, self.document.laid_out(), &missing))
        }

        /// The bytes of the document, and who was laid out last.
        pub(in crate::pipeline) fn finish(self) -> Result<(Vec<u8>, LaidOut), Cause> {
            let (before, after) = (self.document.laid_out(), self.people);
            let Rendered { bytes, missing, .. } = self.document.finish().map_err(failed)?;
            Ok((bytes, laid_out(before, after, &missing)))
        }
    }

    /// The bytes of a document about one person. Errors say nothing of them.
    pub(in crate::pipeline) fn single(
        renderer: &Renderer,
        style: &DocumentStyle,
        profile: &Profile,
    ) -> Result<Vec<u8>, Cause> {
        let profiles = std::slice::from_ref(profile);
        let rendered = render::render(profiles, renderer.fonts(), &setup(style));
        rendered.map(|rendered| rendered.bytes).map_err(failed)
    }

    fn setup(style: &DocumentStyle) -> PageSetup {
        let size = if style.letter { PageSize::Letter } else { PageSize::A4 };
        PageSetup { size, locale: style.locale.clone() }
    }

    fn laid_out(before: usize, after: usize, missing: &[MissingGlyphs]) -> LaidOut {
        let of_person = |missing: &MissingGlyphs| (missing.record - before, missing.script);
        LaidOut { people: after - before, lacking: missing.iter().map(of_person).collect() }
    }

    fn failed(error: RenderFailed) -> Cause {
        Cause::new(Reason::RenderFailed, error.to_string())
    }
}

#[cfg(not(feature = "pdf"))]
mod without_pdf {
    use super::{Cause, DocumentStyle, LaidOut, Profile, Reason, no_documents};
    use crate::pipeline::rendered::Renderer;

    /// No document: an export that asks for one is refused before a run starts.
    pub(in crate::pipeline) struct Combined<'a>(std::marker::PhantomData<&'a Renderer>);

    #[allow(clippy::unused_self, reason = "as with the feature `pdf`")]
    impl<'a> Combined<'a> {
        pub(in crate::pipeline) fn new(_: &'a Renderer, _: &DocumentStyle) -> Self {
            Self(std::marker::PhantomData)
        }

        pub(in crate::pipeline) fn add(&mut self, _: &Profile) -> Result<LaidOut, Cause> {
            Err(refused())
        }

        pub(in crate::pipeline) fn finish(self) -> Result<(Vec<u8>, LaidOut), Cause> {
            Err(refused())
        }
    }

    pub(in crate::pipeline) fn single(
        _: &Renderer,
        _: &DocumentStyle,
        _: &Profile,
    ) -> Result<Vec<u8>, Cause> {
        Err(refused())
    }

    fn refused() -> Cause {
        Cause::new(Reason::RenderFailed, no_documents(false).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_the_feature_says_so() {
        assert_eq!(no_documents(true), None);
        let why = no_documents(false).unwrap();
        assert!(why.starts_with("this operator is built without the feature `pdf`"), "{why}");
    }
}
