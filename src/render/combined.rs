//! A document about any number of people, who come one at a time.

use super::{
    Fonts, MissingGlyphs, PageSetup, RenderFailed, Rendered, content::Person, draw::Document,
    text::Typesetter,
};
use crate::domain::Profile;

/// A document that grows by one person at a time, each on pages of their own. Keeps no profile.
pub struct Combined<'f> {
    setup: PageSetup,
    setter: Typesetter<'f>,
    document: Option<Document>,
    /// The first person, until it is known whether there are others: a document about one person has
    /// another title, outline and structure.
    first: Option<Box<Person>>,
    /// How many people are laid out.
    people: usize,
}

impl<'f> Combined<'f> {
    /// A document about nobody yet.
    pub fn new(fonts: &'f Fonts, setup: &PageSetup) -> Self {
        let setter = Typesetter::new(fonts);
        Self { setup: setup.clone(), setter, document: None, first: None, people: 0 }
    }

    /// Adds a person. Returns what could not be shown of those who were laid out by this: the first
    /// one is together with the second.
    pub fn add(&mut self, profile: &Profile) -> Result<Vec<MissingGlyphs>, RenderFailed> {
        let person = Box::new(Person::of(profile));
        let mut missing = Vec::new();
        match (self.first.take(), &self.document) {
            (None, None) => self.first = Some(person),
            (None, Some(_)) => self.lay_out(&person, true, &mut missing)?,
            (Some(first), _) => {
                self.lay_out(&first, true, &mut missing)?;
                self.lay_out(&person, true, &mut missing)?;
            }
        }
        Ok(missing)
    }

    /// How many people are laid out so far.
    pub fn laid_out(&self) -> usize {
        self.people
    }

    /// How many pages it has so far.
    pub fn pages(&self) -> usize {
        self.document.as_ref().map_or(0, Document::pages)
    }

    /// The finished document, with what could not be shown of people who were not reported before.
    pub fn finish(mut self) -> Result<Rendered, RenderFailed> {
        let mut missing = Vec::new();
        if let Some(only) = self.first.take() {
            self.lay_out(&only, false, &mut missing)?;
        }
        let document = match self.document {
            Some(document) => document,
            None => Document::new(false, &self.setup)?,
        };
        let (bytes, pages) = document.finish(&mut self.setter)?;
        Ok(Rendered { bytes, pages, missing })
    }

    fn lay_out(
        &mut self,
        person: &Person,
        several: bool,
        missing: &mut Vec<MissingGlyphs>,
    ) -> Result<(), RenderFailed> {
        if self.document.is_none() {
            self.document = Some(Document::new(several, &self.setup)?);
        }
        let Some(document) = &mut self.document else { return Ok(()) };
        document.add(person, &mut self.setter);
        let record = self.people;
        self.people += 1;
        let counts = self.setter.take_missing();
        let of_script = |(script, count)| MissingGlyphs { record, script, count };
        missing.extend(counts.into_iter().map(of_script));
        Ok(())
    }
}

impl std::fmt::Debug for Combined<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Combined({} people, {} pages)", self.people, self.pages())
    }
}
