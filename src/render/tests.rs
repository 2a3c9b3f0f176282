//! What every document must hold, over small fonts: determinism, scripts, missing shapes, page breaks,
//! and text that nobody expects.

use std::sync::Arc;

use krilla::{
    configure::{ValidationError, Validators},
    error::KrillaError,
    text::{Font, GlyphId},
};
use proptest::{prelude::*, test_runner::RngSeed};
use serde_json::{Value, json};

use super::{
    content::Person,
    design::{BODY, HEADLINE, MARGIN, NAME, paper},
    draw::failure,
    flow::{Page, paginate},
    language::Han,
    layout,
    rows::Shape,
    text::{Block, Side, Typesetter},
    *,
};

const ARABIC: &[u8] = include_bytes!("../../tests/data/fonts/arabic.ttf");
const CJK: &[u8] = include_bytes!("../../tests/data/fonts/cjk.ttc");
const HOSTILE: &str = include_str!("../../tests/data/profiles/hostile.json");

fn fonts() -> Fonts {
    Fonts::with([("cjk.ttc".to_owned(), CJK.to_vec()), ("arabic.ttf".to_owned(), ARABIC.to_vec())])
}

fn profile(value: Value) -> Profile {
    Profile::try_from(value).unwrap()
}

fn rendered(value: Value) -> Rendered {
    render(&[profile(value)], &fonts(), &PageSetup::default()).unwrap()
}

/// Lays out without drawing, and checks that everything is on the paper.
fn pages_of(value: Value) -> Vec<Page> {
    let fonts = fonts();
    let person = Person::of(&profile(value));
    let (width, height) = paper(PageSize::A4);
    let (width, height) = (width - 2.0 * MARGIN, height - 2.0 * MARGIN);
    let mirrored = language::mirrored(&person);
    let mut setter = Typesetter::new(&fonts);
    let laid = layout::person(&person, &mut setter, words::of("en"), (mirrored, false), width);
    let pages = paginate(laid.rows, height);
    for (top, mark) in pages.iter().flat_map(|page| &page.marks) {
        assert!(mark.x >= -0.01 && mark.x + mark.width <= width + 0.01, "beside the page");
        if let Shape::Line { line, .. } = &mark.shape {
            assert!(
                line.left >= -0.01 && line.left + line.width <= mark.width + 0.5,
                "a line too wide: {} to {} of {}",
                line.left,
                line.left + line.width,
                mark.width
            );
            let (first, last) = (top + mark.y - line.above, top + mark.y + line.below);
            assert!(
                first >= -0.01 && last <= height + 0.01,
                "a line below the page: {last} of {height}"
            );
        }
    }
    pages
}

/// The text of a page, line by line.
fn lines_of(page: &Page) -> Vec<String> {
    let of_line = |shape: &Shape| match shape {
        Shape::Line { line, .. } => Some(shown_line(line)),
        _ => None,
    };
    page.marks.iter().filter_map(|(_, mark)| of_line(&mark.shape)).collect()
}

fn shown_line(line: &text::Line) -> String {
    let mut ranges: Vec<_> = line
        .runs
        .iter()
        .flat_map(|run| &run.glyphs)
        .map(|glyph| glyph.text_range.clone())
        .collect();
    ranges.sort_by_key(|range| range.start);
    ranges.dedup();
    ranges.into_iter().map(|range| line.text[range].to_owned()).collect()
}

fn set(text: &str, han: Han, check: impl FnOnce(&Block, &mut Typesetter<'_>)) {
    let fonts = fonts();
    let mut setter = Typesetter::new(&fonts);
    setter.begin(han);
    let block = setter.set(text, BODY, 400.0, Side::Own);
    check(&block, &mut setter);
}

fn mixed_people() -> Vec<Profile> {
    [
        json!({"fullName": "Ada Lovelace", "title": "Engineer", "skills": ["Rust", "SQL"],
               "emails": ["ada@example.org"], "socialLinks": [{"url": "https://social.example/ada"}]}),
        json!({"fullName": "佐藤 直子", "summary": "骨、直。", "location": {"country": "JP"}}),
        json!({"fullName": "直子", "location": {"country": "CN"}}),
        json!({"fullName": "سلام علي", "title": "مهندس", "summary": "خبرة 12 عاما في Rust، منذ 2011."}),
        json!({"fullName": "𐌰𐌱 🚀 fast", "tags": ["🚀"]}),
    ]
    .into_iter()
    .map(profile)
    .collect()
}

#[test]
fn the_same_people_give_the_same_bytes_whatever_order_fonts_are_found_in() {
    let people = mixed_people();
    let first = render(&people, &fonts(), &PageSetup::default()).unwrap().bytes;
    for _ in 0..3 {
        let other = Fonts::with([
            ("arabic.ttf".to_owned(), ARABIC.to_vec()),
            ("cjk.ttc".to_owned(), CJK.to_vec()),
        ]);
        assert!(render(&people, &other, &PageSetup::default()).unwrap().bytes == first);
    }
}

#[test]
fn chinese_characters_come_from_the_font_of_their_form() {
    let fonts = fonts();
    for (han, family) in [
        (Han::Japanese, "Noto Sans CJK JP"),
        (Han::Korean, "Noto Sans CJK KR"),
        (Han::Simplified, "Noto Sans CJK SC"),
        (Han::Taiwan, "Noto Sans CJK TC"),
        // A form without a font of its own is shown in another one, rather than not at all.
        (Han::HongKong, "Noto Sans CJK JP"),
    ] {
        let found = fonts.covering('直', han).map(|family| fonts.name(family));
        assert_eq!(found, Some(family), "{han:?}");
    }
    let document =
        |country: &str| rendered(json!({"fullName": "直骨", "location": {"country": country}}));
    assert_ne!(document("JP").bytes, document("CN").bytes);
    assert!(document("JP").missing.is_empty());
}

#[test]
fn characters_without_a_shape_are_replaced_and_counted_and_emoji_are_left_out() {
    let document = render(&mixed_people(), &fonts(), &PageSetup::default()).unwrap();
    let gothic = MissingGlyphs { record: 4, script: "Gothic", count: 2 };
    let emoji = MissingGlyphs { record: 4, script: "Emoji", count: 2 };
    assert_eq!(document.missing, [emoji, gothic]);
    set("a 𐌰 b 👩🏽‍💻 c ❤\u{fe0f} 🇨🇭", Han::Simplified, |block, _| {
        assert_eq!(shown_line(&block.lines[0]), "a \u{fffd} b c");
    });
}

#[test]
fn a_character_that_no_font_can_join_is_replaced_and_nothing_has_glyph_0() {
    // A mark of one font on a letter of another: no single font has both.
    for text in ["a\u{064e}", "x\u{20d2}\u{0651}", "ب\u{301}\u{0327}", "e\u{0363}\u{064b}z"] {
        set(text, Han::Simplified, |block, _| {
            let glyphs = block.lines.iter().flat_map(|line| &line.runs).flat_map(|run| &run.glyphs);
            assert!(glyphs.clone().count() > 0, "{text:?}");
            assert!(glyphs.into_iter().all(|glyph| glyph.glyph_id.to_u32() != 0), "{text:?}");
        });
    }
}

#[test]
fn ligatures_of_right_to_left_text_stand_for_all_of_their_letters() {
    for text in ["سلام", "الإسلام لا", "كلمة لأن خلال", "العربية ولا English 12"]
    {
        set(text, Han::Simplified, |block, setter| {
            assert_eq!(shown_line(&block.lines[0]), text);
            assert!(setter.take_missing().is_empty(), "{text}");
        });
    }
}

#[test]
fn numbers_inside_right_to_left_text_read_from_left_to_right() {
    let text = "خبرة 3,500 في 2011";
    set(text, Han::Simplified, |block, _| {
        let line = &block.lines[0];
        let mut placed = Vec::new();
        for run in &line.runs {
            let mut x = run.left;
            for glyph in &run.glyphs {
                placed.push((glyph.text_range.start, x));
                x += glyph.x_advance * run.size;
            }
        }
        let x_of = |part: &str| {
            let start = text.find(part).unwrap();
            placed.iter().find(|(at, _)| *at == start).unwrap().1
        };
        assert!(x_of("3") < x_of("5") && x_of("5") < x_of("00"));
        assert!(x_of("2011") < x_of("3,500"), "later words are further left");
        assert!(x_of("خ") > x_of("3,500"));
    });
}

#[test]
fn lines_begin_at_the_side_that_is_asked_for() {
    let fonts = fonts();
    let mut setter = Typesetter::new(&fonts);
    let mut left = |text: &str, side| setter.set(text, HEADLINE, 300.0, side).lines[0].left;
    assert!(left("Engineer", Side::Left) < 1.0 && left("Engineer", Side::Own) < 1.0);
    assert!(left("Engineer", Side::Right) > 200.0);
    assert!(left("مهندس", Side::Own) > 200.0);
    assert!(left("مهندس", Side::Left) < 1.0);
}

#[test]
fn a_family_without_a_bold_face_is_named() {
    let fonts = fonts();
    assert!(fonts.without_bold().contains(&"Noto Sans Arabic"), "{:?}", fonts.without_bold());
    let mut setter = Typesetter::new(&fonts);
    let regular = setter.set("Name", BODY, 400.0, Side::Left).lines[0].runs[0].font.clone();
    let bold = setter.set("Name", NAME, 400.0, Side::Left).lines[0].runs[0].font.clone();
    assert!(regular != bold, "the name is set in the bold face");
}

#[test]
fn the_librarys_error_gives_away_its_kind_only() {
    let font = Font::new(CJK.to_vec().into(), 0).unwrap();
    let glyph = ValidationError::ContainsNotDefGlyph(font.clone(), None, "Zyzzyva".to_owned());
    let code = ValidationError::UnicodePrivateArea(font, GlyphId::new(1), 'Z', None);
    for error in [
        KrillaError::Validation(vec![(glyph, Validators::default())]),
        KrillaError::Validation(vec![(code, Validators::default())]),
        KrillaError::DuplicateNamedDestination(Arc::new("Zyzzyva".to_owned())),
    ] {
        let failed = failure(&error);
        let message = format!("{failed} {failed:?}");
        assert!(!message.contains("Zyzzyva") && !message.contains("Font"), "{message}");
    }
}

#[test]
fn the_two_libraries_are_pinned_because_they_fit_together_only_in_these_versions() {
    let manifest = include_str!("../../Cargo.toml");
    for name in ["krilla", "parley"] {
        let pinned =
            manifest.lines().any(|line| line.starts_with(&format!("{name} = {{ version = \"=")));
        assert!(pinned, "{name}");
    }
}

#[test]
fn a_document_is_tagged_and_has_title_language_and_outline() {
    let document = rendered(json!({"fullName": "Ada Lovelace", "title": "Engineer"}));
    let text = String::from_utf8_lossy(&document.bytes);
    for part in ["/StructTreeRoot", "/Outlines", "/Lang", "/DisplayDocTitle true", "/Marked true"] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains("CreationDate"), "a date would change the bytes");
}

#[test]
fn many_positions_go_over_pages_and_none_is_lost_or_alone() {
    let position = |n: usize| {
        json!({"title": format!("Role {n}"), "company": format!("Company {n}"), "start": "2001-02",
               "end": "2003-04", "description": "What was done there, in a line or two. ".repeat(n % 7)})
    };
    let positions: Vec<Value> = (0..300).map(position).collect();
    let pages = pages_of(json!({"fullName": "Ada", "positions": positions}));
    assert!(pages.len() > 15, "{} pages", pages.len());
    let lines: Vec<Vec<String>> = pages.iter().map(lines_of).collect();
    for n in 0..300 {
        let role = format!("Role {n}");
        assert_eq!(lines.iter().flatten().filter(|line| **line == role).count(), 1, "{role}");
    }
    for page in &lines {
        let last = page.last().unwrap();
        assert!(!last.starts_with("Role "), "a role without its company at the foot");
    }
}

#[test]
fn a_heading_is_never_alone_at_the_foot_of_a_page() {
    for lines in 20..60 {
        let summary = vec!["A line."; lines].join("\n");
        let person = json!({"fullName": "Ada", "summary": summary, "skills": ["Rust"], "tags": ["hot"],
            "positions": [{"title": "Role", "company": "Company", "start": "2001"}]});
        for page in pages_of(person).iter().map(lines_of) {
            let last = page.last().map(String::as_str).unwrap_or_default();
            assert!(
                !["Experience", "Skills", "Tags", "Role", "2001"].contains(&last),
                "{lines}: {last}"
            );
        }
    }
}

#[test]
fn words_longer_than_a_line_are_divided() {
    let word = "W".repeat(3000);
    let pages =
        pages_of(json!({"fullName": word, "title": word, "currentCompany": word, "emails": [word],
        "skills": [word, "short"], "positions": [{"title": word, "company": word, "start": word}],
        "socialLinks": [{"kind": word, "url": word}]}));
    let shown: usize = pages.iter().flat_map(lines_of).map(|line| line.matches('W').count()).sum();
    // Everything but the start, which is no date.
    assert_eq!(shown, 9 * 3000);
}

#[test]
fn a_person_without_facts_is_a_page_with_a_name() {
    for nothing in
        [json!({}), json!({"fullName": " ", "skills": [], "positions": [{}], "emails": [{}]})]
    {
        let document = rendered(nothing);
        assert_eq!((document.pages, document.missing.len()), (1, 0));
    }
    let hostile: Value = serde_json::from_str(HOSTILE).unwrap();
    assert_eq!(rendered(hostile).pages, 1);
}

#[test]
fn a_summary_of_a_megabyte_is_rendered_in_one_paragraph_or_in_many() {
    for part in ["word ", "line of text\n"] {
        let summary = part.repeat(1024 * 1024 / part.len());
        let document = rendered(json!({"fullName": "Ada", "summary": summary}));
        assert!(document.pages > 100, "{} pages", document.pages);
    }
}

#[test]
fn control_characters_change_nothing() {
    let clean = rendered(json!({"fullName": "Ada Lovelace", "summary": "One two"}));
    let dirty = rendered(json!({"fullName": "Ada\u{0}\u{1b} \u{202e}Love\u{7}lace\u{feff}",
        "summary": "\u{8}One\u{200e}\u{2066} two\u{fffe}"}));
    assert_eq!(clean.pages, dirty.pages);
    assert_eq!(dirty.missing, []);
}

#[test]
fn only_what_is_shown_is_among_the_facts() {
    let person = |refreshed: &str, skill: &str| {
        facts(json!({"fullName": "Ada", "skills": [skill], "lastRefreshedAt": refreshed,
            "notes": [refreshed], "emails": [{"value": "a@example.org", "verifiedAt": refreshed}]}))
    };
    assert_eq!(person("2025-01-01", "Rust"), person("2026-01-01", "Rust"));
    assert_ne!(person("2025-01-01", "Rust"), person("2025-01-01", "Go"));
    let swapped = facts(json!({"skills": ["Rust"], "fullName": "Ada"}));
    assert_eq!(swapped, facts(json!({"fullName": "Ada", "skills": ["Rust"]})));
}

#[test]
fn several_people_share_a_document_and_no_people_are_an_empty_page() {
    let document = render(&mixed_people(), &fonts(), &PageSetup::default()).unwrap();
    assert_eq!(document.pages, 5);
    let letter = PageSetup { size: PageSize::Letter, locale: "de".to_owned() };
    assert_eq!(render(&mixed_people(), &fonts(), &letter).unwrap().pages, 5);
    assert_eq!(render(&[], &fonts(), &letter).unwrap().pages, 1);
}

#[test]
fn a_preview_names_what_the_document_lacks_and_what_is_not_shown_decides_nothing() {
    let fonts = fonts();
    for person in mixed_people() {
        let document =
            render(std::slice::from_ref(&person), &fonts, &PageSetup::default()).unwrap();
        let lacking: Vec<&str> = document.missing.iter().map(|missing| missing.script).collect();
        assert_eq!(preview(&person, &fonts).missing, lacking);
        let alone = render(&[shown(&person)], &fonts, &PageSetup::default()).unwrap();
        assert!(alone.bytes == document.bytes);
    }
    let internal = json!({"fullName": "Ada", "notes": ["x"], "resume": {"bytes": "eA=="}});
    assert_eq!(shown(&profile(internal)).members().len(), 1);
}

fn facts(value: Value) -> String {
    preview(&profile(value), &Fonts::built_in()).facts
}

#[test]
fn a_blank_at_the_end_of_a_line_of_both_directions_takes_no_room() {
    let fonts = fonts();
    let mut setter = Typesetter::new(&fonts);
    setter.begin(Han::Simplified);
    // A letter from right to left, then text from left to right that ends in a blank near the edge.
    let mut wider = 0;
    for words in 1..40 {
        let text = format!("\u{649} {}", "abc 0123 ".repeat(words));
        for width in (60..120).map(|width| f32::from(u8::try_from(width).unwrap())) {
            let block = setter.set(&text, BODY, width, Side::Left);
            for line in &block.lines {
                let (first, last) = (line.left, line.left + line.width);
                assert!(first >= -0.01 && last <= width + 0.01, "{first} to {last} of {width}");
                let blanks = |run: &text::GlyphRun| {
                    run.glyphs.iter().filter(|glyph| glyph.x_advance == 0.0).count()
                };
                wider += line.runs.iter().map(blanks).sum::<usize>();
            }
        }
        if words > 4 && wider > 0 {
            break;
        }
    }
    assert!(wider > 0, "some blanks are in the middle");
}

/// The same cases every time; `PROPTEST_RNG_SEED` picks others.
fn search() -> ProptestConfig {
    let chosen = ProptestConfig::default();
    let seeded = matches!(chosen.rng_seed, RngSeed::Fixed(_));
    let rng_seed = if seeded { chosen.rng_seed } else { RngSeed::Fixed(20) };
    ProptestConfig { failure_persistence: None, cases: 64, rng_seed, ..chosen }
}

/// Letters of many scripts, marks, controls, private use and emoji.
fn any_text() -> impl Strategy<Value = String> {
    let range = |from: u32, to: u32| (from..to).prop_map(|c| char::from_u32(c).unwrap_or(' '));
    let c = prop_oneof![
        range(0, 0x250),
        range(0x300, 0x370),
        range(0x590, 0x780),
        range(0x900, 0xe80),
        range(0x1000, 0x1800),
        range(0x2000, 0x2100),
        range(0x3000, 0x3100),
        range(0xac00, 0xac80),
        range(0xe000, 0xe010),
        range(0xfe00, 0x1_0000),
        range(0x1_0300, 0x1_0400),
        range(0x1_f1e6, 0x1_f700),
        range(0xe_0000, 0xe_0200),
    ];
    prop::collection::vec(c, 0..160).prop_map(String::from_iter)
}

proptest! {
    #![proptest_config(search())]

    #[test]
    fn any_text_gives_a_document(texts in prop::collection::vec(any_text(), 8)) {
        let value = json!({"fullName": texts[0], "title": texts[1], "summary": texts[2],
            "currentCompany": texts[3], "skills": [texts[4]], "tags": [texts[5]],
            "positions": [{"title": texts[6], "start": texts[7], "description": texts[2]}]});
        let document = render(&[profile(value.clone())], &fonts(), &PageSetup::default());
        prop_assert!(document.is_ok(), "{:?}", document.err());
        pages_of(value);
    }
}
