//! The fonts of a process: Noto Sans, which is built in, and what the admin adds. No font of the system
//! is looked for, so that a document depends on nothing else.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use krilla::text::{Font, Tag};
use parley::{
    FontContext, FontData, FontStyle, FontWeight, FontWidth,
    fontique::{
        Blob, CharmapIndex, Collection, CollectionOptions, FontInfo, SourceCache, SourceKind,
        Synthesis,
    },
};

use super::language::Han;

const REGULAR: &[u8] = include_bytes!("../../assets/fonts/NotoSans-Regular.ttf");
const BOLD: &[u8] = include_bytes!("../../assets/fonts/NotoSans-Bold.ttf");

/// The family that is built in, and used wherever it has a shape.
pub(super) const BASE: &str = "Noto Sans";

/// Fonts in a fixed order of families, whatever order files are found in. Cheap to share.
pub struct Fonts {
    collection: Collection,
    families: Vec<Family>,
    unusable: Vec<String>,
    embedded: Mutex<HashMap<FaceKey, Option<Font>>>,
}

struct Family {
    name: String,
    bold: bool,
    data: Blob<u8>,
    characters: CharmapIndex,
}

/// Blob, index in the file, and variation of a face.
type FaceKey = (u64, u32, Vec<([u8; 4], u32)>);

impl Fonts {
    /// Noto Sans alone: Latin, Greek, Cyrillic, Vietnamese and Devanagari.
    pub fn built_in() -> Self {
        Self::with([])
    }

    /// Noto Sans, and the fonts of these files, each with its name.
    pub fn with(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let mut files: Vec<(String, Vec<u8>)> = files.into_iter().collect();
        files.sort_by(|a, b| a.0.cmp(&b.0));
        let mut fonts = Self {
            collection: Collection::new(CollectionOptions { shared: false, system_fonts: false }),
            families: Vec::new(),
            unusable: Vec::new(),
            embedded: Mutex::default(),
        };
        let mut names = BTreeSet::new();
        for data in [REGULAR, BOLD] {
            names.extend(fonts.register(Blob::new(Arc::new(data))));
        }
        for (name, data) in files {
            match usable(data) {
                Usable::Yes(data) => names.extend(fonts.register(data)),
                Usable::NotNeeded => {}
                Usable::No => fonts.unusable.push(name),
            }
        }
        let known = names.into_iter().filter_map(|name| fonts.family(name)).collect();
        fonts.families = known;
        fonts.families.sort_by_cached_key(|family| rank(&family.name));
        fonts
    }

    /// Families of which only the regular face is there: their names and headings will not be bold.
    pub fn without_bold(&self) -> Vec<&str> {
        self.families
            .iter()
            .filter(|family| !family.bold)
            .map(|family| family.name.as_str())
            .collect()
    }

    /// Files that are no fonts that can be embedded.
    pub fn unusable(&self) -> &[String] {
        &self.unusable
    }

    /// How many families there are.
    pub fn families(&self) -> usize {
        self.families.len()
    }

    fn register(&mut self, data: Blob<u8>) -> Vec<String> {
        let registered = self.collection.register_fonts(data, None);
        let name = |id| self.collection.family_name(id).map(str::to_owned);
        registered.into_iter().map(|(id, _)| id).filter_map(name).collect()
    }

    fn family(&mut self, name: String) -> Option<Family> {
        let info = self.collection.family_by_name(&name)?;
        let regular =
            info.match_font(FontWidth::NORMAL, FontStyle::Normal, FontWeight::NORMAL, true)?;
        let bold =
            |font: &FontInfo| font.weight() >= FontWeight::SEMI_BOLD || font.has_weight_axis();
        let SourceKind::Memory(data) = regular.source().kind() else { return None };
        Some(Family {
            bold: info.fonts().iter().any(bold),
            data: data.clone(),
            characters: regular.charmap_index(),
            name,
        })
    }

    /// What the layout library needs, for one document.
    pub(super) fn context(&self) -> FontContext {
        FontContext { collection: self.collection.clone(), source_cache: SourceCache::default() }
    }

    pub(super) fn name(&self, family: usize) -> &str {
        &self.families[family].name
    }

    /// The first family that has a shape for a character. Of the families for Chinese characters, the
    /// one of the form that is asked for comes first.
    pub(super) fn covering(&self, c: char, han: Han) -> Option<usize> {
        let has = |family: &Family| {
            let characters = family.characters.charmap(family.data.as_ref());
            characters.and_then(|map| map.map(c)).is_some_and(|glyph| glyph != 0)
        };
        let own_form = |family: &Family| family.name.ends_with(han.family_suffix());
        let position = |wanted: &dyn Fn(&Family) -> bool| {
            self.families.iter().position(|family| wanted(family) && has(family))
        };
        position(&|family| family.name == BASE)
            .or_else(|| position(&|family| is_cjk(&family.name) && own_form(family)))
            .or_else(|| position(&|_| true))
    }

    /// The face as the PDF library needs it. Reading one takes time, so it is kept.
    pub(super) fn embedded(&self, face: &FontData, synthesis: Synthesis) -> Option<Font> {
        let settings: Vec<([u8; 4], f32)> = synthesis
            .variation_settings()
            .iter()
            .map(|(tag, value)| (tag.to_be_bytes(), *value))
            .collect();
        let bits = settings.iter().map(|(tag, value)| (*tag, value.to_bits())).collect();
        let key = (face.data.id(), face.index, bits);
        let mut embedded = self.embedded.lock().unwrap_or_else(PoisonError::into_inner);
        embedded
            .entry(key)
            .or_insert_with(|| {
                let (data, _) = face.data.clone().into_raw_parts();
                let location: Vec<(Tag, f32)> =
                    settings.iter().map(|(tag, value)| (Tag::new(tag), *value)).collect();
                Font::new_variable(data.into(), face.index, &location)
            })
            .clone()
    }
}

impl fmt::Debug for Fonts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fonts({} families)", self.families.len())
    }
}

fn is_cjk(name: &str) -> bool {
    name.contains("CJK")
}

/// The base first, then families with the look of it, then others; each by name.
fn rank(name: &str) -> (bool, bool, bool, String) {
    (name != BASE, !name.contains(" Sans"), name.contains(" Mono"), name.to_owned())
}

enum Usable {
    Yes(Blob<u8>),
    /// A face that is never asked for: italic, condensed, another weight, or the base once more.
    NotNeeded,
    No,
}

fn usable(data: Vec<u8>) -> Usable {
    if !is_embeddable(&data) {
        return Usable::No;
    }
    let blob = Blob::new(Arc::new(data));
    let mut alone = Collection::new(CollectionOptions { shared: false, system_fonts: false });
    let registered = alone.register_fonts(blob.clone(), None);
    let wanted = |font: &FontInfo| {
        let weight = font.has_weight_axis()
            || [FontWeight::NORMAL, FontWeight::BOLD].contains(&font.weight());
        font.style() == FontStyle::Normal && font.width() == FontWidth::NORMAL && weight
    };
    if registered.is_empty() {
        return Usable::No;
    }
    let other = registered
        .iter()
        .any(|(id, fonts)| alone.family_name(*id) != Some(BASE) && fonts.iter().any(wanted));
    if other { Usable::Yes(blob) } else { Usable::NotNeeded }
}

/// Whether a font file can be embedded: it has outlines (one with bitmaps only, as most colour emoji,
/// would draw nothing), and its licence permits it. Documents with a font that does not are refused.
fn is_embeddable(data: &[u8]) -> bool {
    const OUTLINES: [&[u8]; 3] = [b"glyf", b"CFF ", b"CFF2"];
    let tables = tables(data);
    let outlines = tables.iter().any(|(tag, _)| OUTLINES.contains(tag));
    let metrics = tables.iter().find(|(tag, _)| *tag == b"OS/2");
    let licence = metrics.and_then(|(_, at)| u16_at(data, at.saturating_add(8)));
    outlines && licence.is_none_or(|licence| licence & 0xf != RESTRICTED)
}

/// The value of `fsType` of a font that must not be embedded without the consent of its owner.
const RESTRICTED: u16 = 2;

/// Names and positions of the tables of the first face of a font file.
fn tables(data: &[u8]) -> Vec<(&[u8], usize)> {
    let start = match data.get(..4) {
        Some(b"ttcf") => u32_at(data, 12),
        Some(_) => Some(0),
        None => None,
    };
    let Some(start) = start else { return Vec::new() };
    let count = u16_at(data, start.saturating_add(4)).unwrap_or_default();
    let records = (0..usize::from(count)).map(|n| start.saturating_add(12 + 16 * n));
    records
        .map_while(|at| {
            let tag = data.get(at..at.saturating_add(4))?;
            Some((tag, u32_at(data, at.saturating_add(8))?))
        })
        .collect()
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    let bytes = data.get(at..at.checked_add(2)?)?;
    bytes.try_into().ok().map(u16::from_be_bytes)
}

fn u32_at(data: &[u8], at: usize) -> Option<usize> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_family_has_both_faces_and_the_letters_of_europe() {
        let fonts = Fonts::built_in();
        assert_eq!((fonts.families(), fonts.without_bold()), (1, vec![]));
        for c in "AéñЖΩắ–’…\u{fffd}अ".chars() {
            assert_eq!(fonts.covering(c, Han::Simplified), Some(0), "{c}");
        }
        assert_eq!(fonts.covering('直', Han::Japanese), None);
    }

    #[test]
    fn files_that_are_no_fonts_are_named_and_others_of_the_base_are_not_needed() {
        let fonts = Fonts::with([
            ("b.ttf".to_owned(), b"no font".to_vec()),
            ("a.ttf".to_owned(), Vec::new()),
            ("c.ttf".to_owned(), REGULAR.to_vec()),
            ("d.ttc".to_owned(), b"ttcf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()),
        ]);
        assert_eq!(fonts.unusable(), ["a.ttf", "b.ttf", "d.ttc"]);
        assert_eq!(fonts.families(), 1);
    }

    #[test]
    fn a_font_whose_licence_restricts_embedding_is_not_used() {
        let mut font = REGULAR.to_vec();
        assert!(is_embeddable(&font));
        let (_, metrics) = tables(REGULAR).into_iter().find(|(tag, _)| *tag == b"OS/2").unwrap();
        font[metrics + 9] = 2;
        assert!(!is_embeddable(&font));
    }

    #[test]
    fn families_have_one_order() {
        let mut names =
            ["Noto Serif", "Noto Sans Thai", "Noto Sans Mono", "Noto Sans", "Noto Kufi Arabic"];
        names.sort_by_cached_key(|name| rank(name));
        assert_eq!(
            names,
            ["Noto Sans", "Noto Sans Thai", "Noto Sans Mono", "Noto Kufi Arabic", "Noto Serif"]
        );
    }
}
