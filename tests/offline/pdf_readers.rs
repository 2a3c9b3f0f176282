//! PDF documents, judged by programs of other authors: veraPDF (accessibility) and poppler (text).
//! `make verify-pdf` provides both, and fonts, and runs these tests.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use clinch_operator::{
    domain::Profile,
    render::{Fonts, PageSetup, PageSize, render},
};
use serde_json::{Value, json};

/// First letters and number of letters of 30 scripts that have no rules of their own for vowels.
const ALPHABETS: [(u32, u32); 30] = [
    (0x41, 26),
    (0xc0, 23),
    (0x100, 128),
    (0x1e00, 150),
    (0x3b1, 17),
    (0x410, 64),
    (0x531, 38),
    (0x10d0, 33),
    (0x5d0, 27),
    (0x628, 19),
    (0x641, 10),
    (0x710, 30),
    (0x7ca, 33),
    (0x904, 50),
    (0x985, 8),
    (0xa05, 6),
    (0xa85, 9),
    (0xb05, 8),
    (0xb92, 3),
    (0xc05, 8),
    (0xc85, 8),
    (0xd05, 8),
    (0xe01, 46),
    (0xe94, 4),
    (0xf40, 8),
    (0x1000, 33),
    (0x1200, 7),
    (0x13a0, 85),
    (0x3041, 86),
    (0x4e00, 500),
];

fn fonts() -> Fonts {
    let folders = env::var("CLINCH_TEST_FONTS").expect("CLINCH_TEST_FONTS names folders of fonts");
    let mut files = Vec::new();
    for folder in env::split_paths(&folders) {
        for entry in fs::read_dir(&folder).expect("a readable folder of fonts") {
            let path = entry.unwrap().path();
            if path.is_file() {
                files.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    Fonts::with(files)
}

fn profile(value: Value) -> Profile {
    Profile::try_from(value).unwrap()
}

fn document(name: &str, people: &[Profile], fonts: &Fonts, size: PageSize) -> PathBuf {
    let setup = PageSetup { size, ..PageSetup::default() };
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.pdf"));
    fs::write(&path, render(people, fonts, &setup).unwrap().bytes).unwrap();
    path
}

fn text_of(document: &Path) -> String {
    let output = Command::new("pdftotext").arg(document).arg("-").output().expect("pdftotext");
    assert!(output.status.success(), "pdftotext fails");
    // It encloses right-to-left text in marks of direction.
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.replace(|c| matches!(c, '\u{202a}'..='\u{202e}'), "")
}

fn people_of_six_scripts() -> Vec<Profile> {
    let lines = include_str!("../data/profiles/six-scripts.ndjson").lines();
    lines.map(|line| profile(serde_json::from_str(line).unwrap())).collect()
}

fn quickstart() -> Vec<Profile> {
    let manifest = include_str!("../../examples/quickstart/40-candidates.yaml");
    let lines = manifest.lines().map(str::trim).filter(|line| line.starts_with("{\"id\""));
    lines.map(|line| profile(serde_json::from_str(line).unwrap())).collect()
}

/// Two words of each person's alphabet.
fn name(n: u32) -> String {
    let (first, count) = ALPHABETS[n as usize % ALPHABETS.len()];
    let letter = |at: u32| char::from_u32(first + (n.wrapping_mul(31) + at * 7) % count).unwrap();
    let word = |from: u32| (from..from + 5).map(letter).collect::<String>();
    format!("{} {}", word(0), word(9))
}

#[test]
#[ignore = "needs veraPDF: make verify-pdf"]
fn verapdf_finds_every_document_accessible() {
    let classes = env::var("VERAPDF_CLASSPATH").expect("VERAPDF_CLASSPATH names veraPDF's jars");
    let fonts = fonts();
    let hostile = serde_json::from_str(include_str!("../data/profiles/hostile.json")).unwrap();
    let word = "W".repeat(2000);
    let long = json!({"fullName": word, "skills": [word], "emails": [word], "socialLinks": [{"url": word}],
        "positions": vec![json!({"title": "Role", "start": "2001-01", "end": "2002-02"}); 300]});
    let documents = [
        document("six-scripts", &people_of_six_scripts(), &fonts, PageSize::A4),
        document(
            "six-scripts-built-in",
            &people_of_six_scripts(),
            &Fonts::built_in(),
            PageSize::A4,
        ),
        document("quickstart", &quickstart(), &fonts, PageSize::Letter),
        document(
            "odd",
            &[profile(hostile), profile(long), profile(json!({}))],
            &fonts,
            PageSize::A4,
        ),
        document("nobody", &[], &fonts, PageSize::A4),
    ];
    let output = Command::new("java")
        .args([
            "-cp",
            &classes,
            "org.verapdf.apps.GreenfieldCliWrapper",
            "-f",
            "ua1",
            "--format",
            "text",
        ])
        .args(&documents)
        .output()
        .expect("java");
    let report = String::from_utf8_lossy(&output.stdout);
    let passed = report.lines().filter(|line| line.starts_with("PASS")).count();
    assert_eq!(passed, documents.len(), "{report}");
    println!("veraPDF: {passed} documents accessible (PDF/UA-1)");
}

#[test]
#[ignore = "needs poppler and fonts: make verify-pdf"]
fn poppler_finds_the_text_of_every_person() {
    let fonts = fonts();
    let people = quickstart();
    let text = text_of(&document("quickstart-text", &people, &fonts, PageSize::A4));
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for person in &people {
        let members = person.members();
        let mut facts = vec![members["fullName"].clone(), members["emails"][0]["value"].clone()];
        facts.extend(members["skills"].as_array().unwrap().iter().cloned());
        facts.extend(members["positions"].as_array().unwrap().iter().map(|p| p["company"].clone()));
        for fact in facts.iter().filter_map(Value::as_str) {
            assert!(folded.contains(fact), "{fact} is not in the text");
        }
    }
}

#[test]
#[ignore = "needs poppler and fonts: make verify-pdf"]
fn poppler_finds_names_of_thirty_scripts() {
    let fonts = fonts();
    let people: Vec<Profile> = (0..2000).map(|n| profile(json!({"fullName": name(n)}))).collect();
    let path = document("thirty-scripts", &people, &fonts, PageSize::A4);
    let rendered = render(&people, &fonts, &PageSetup::default()).unwrap();
    assert_eq!(rendered.missing, [], "the fonts have all of these letters");
    let text = text_of(&path);
    let pages: Vec<&str> = text.split('\u{c}').collect();
    assert!(pages.len() >= people.len());
    let letters = |text: &str| {
        let mut letters: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
        letters.sort_unstable();
        letters
    };
    let mut in_order = 0;
    for (n, page) in
        people.iter().zip(&pages).map(|(person, page)| (&person.members()["fullName"], page))
    {
        let name =
            icu_normalizer::ComposingNormalizerBorrowed::new_nfc().normalize(n.as_str().unwrap());
        let shown = page.lines().next().unwrap_or_default();
        in_order += usize::from(shown.contains(&*name));
        // poppler puts some right-to-left letters in another order; none may be lost.
        assert_eq!(letters(shown), letters(&name), "{name:?} is not on its page: {shown:?}");
    }
    let share = in_order * 100 / people.len();
    assert!(share >= 80, "{share} % of the names are in order");
    println!(
        "poppler: {in_order} of {} names of 30 scripts in order, all with all of their letters",
        people.len()
    );
}
