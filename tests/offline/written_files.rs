//! CSV and NDJSON files that this program writes, read by its own decoders, by the crate `csv` and by
//! Python: whatever the cells hold, the same profile comes back.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use clinch_operator::{
    domain::Profile,
    output::{
        Compression, CsvEncoder, CsvStyle, FileEncoder, Formulas, Header, NdjsonEncoder, RowEncoder,
    },
    source::{CsvOptions, Format, Limits, Part, decode},
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::search::cases;

/// What spreadsheets, parsers and terminals stumble over.
const HOSTILE: [&str; 34] = [
    "\"",
    "\"\"",
    ",",
    "\r\n",
    "\n",
    "\r",
    "=cmd|' /C calc'!A0",
    "=1+1",
    "+",
    "-2+3",
    "@SUM(A1)",
    "\t",
    "\0",
    "'",
    "''",
    "\u{feff}",
    "\u{202e}",
    "\u{2066}",
    "\u{200b}",
    "é",
    "名前",
    "😀",
    "e\u{301}",
    "＝",
    "＠",
    "|",
    " ",
    "a",
    "7",
    "\u{85}",
    "\u{2028}",
    "\u{1a}",
    "\\",
    "null",
];

fn hostile() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(HOSTILE.to_vec()), 0..7).prop_map(|t| t.concat())
}

/// Whether a reader of CSV sees a value in it.
fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c == '\u{1a}')
}

/// The text of a cell, or none. A `;` has no meaning there.
fn cell() -> impl Strategy<Value = Option<String>> {
    (hostile(), any::<bool>()).prop_map(|(text, semicolon)| {
        let text = if semicolon { text + ";" } else { text };
        (!is_blank(&text)).then_some(text)
    })
}

/// Items that a list in a cell can have.
fn items(also_separates: &'static str) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(hostile(), 0..4).prop_map(move |items| {
        let item = |text: String| text.replace(also_separates, "").trim().to_owned();
        items.into_iter().map(item).filter(|text| !is_blank(text)).collect()
    })
}

fn object(members: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Option<Value> {
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let members: Map<String, Value> = members.collect();
    (!members.is_empty()).then_some(Value::Object(members))
}

/// A list of objects with a value each: the first one of any text, the others without separators.
fn values(first: Option<String>, more: Vec<String>) -> Option<Value> {
    let all: Vec<Value> =
        first.into_iter().chain(more).map(|value| json!({ "value": value })).collect();
    (!all.is_empty()).then_some(Value::Array(all))
}

fn list(items: Vec<String>) -> Option<Value> {
    (!items.is_empty()).then(|| items.into_iter().map(Value::String).collect())
}

/// A profile of the fields that a CSV file has.
fn profile() -> impl Strategy<Value = Map<String, Value>> {
    let texts = prop::collection::vec(cell(), 12);
    let contacts = (cell(), items(""), cell(), items(""));
    let lists = (items(","), items(","), items(","), items(""));
    let links = prop::collection::vec(items(""), 4);
    (texts, contacts, lists, links, prop::option::of(-50..90_i32)).prop_map(
        |(
            texts,
            (email, emails, phone, phones),
            (skills, tags, languages, certificates),
            links,
            years,
        )| {
            let mut texts = texts.into_iter().map(|text| text.map(Value::String));
            let mut text = || texts.next().flatten();
            let kinds = ["linkedin", "github", "twitter", "facebook"];
            let links: Vec<Value> = kinds
                .iter()
                .zip(links)
                .flat_map(|(kind, urls)| {
                    urls.into_iter().map(move |url| json!({"kind": kind, "url": url}))
                })
                .collect();
            // Without a first one there is nothing that the others could come after.
            let emails = if email.is_some() { emails } else { Vec::new() };
            let phones = if phone.is_some() { phones } else { Vec::new() };
            let found = object([
                ("id", text()),
                ("firstName", text()),
                ("lastName", text()),
                ("fullName", text()),
                ("title", text()),
                ("currentCompany", text()),
                ("yearsOfExperience", years.map(Value::from)),
                (
                    "location",
                    object([
                        ("raw", text()),
                        ("city", text()),
                        ("state", text()),
                        ("country", text()),
                    ]),
                ),
                ("emails", values(email, emails)),
                ("phones", values(phone, phones)),
                ("socialLinks", (!links.is_empty()).then_some(Value::Array(links))),
                ("skills", list(skills)),
                ("tags", list(tags)),
                ("languages", list(languages)),
                ("certifications", list(certificates)),
                ("summary", text()),
                ("lastRefreshedAt", text()),
            ]);
            match found {
                Some(Value::Object(members)) => members,
                _ => Map::new(),
            }
        },
    )
}

fn written(profiles: &[Map<String, Value>], style: CsvStyle, compression: Compression) -> Vec<u8> {
    let mut file = FileEncoder::new(Box::new(CsvEncoder::of_profiles(style)), compression);
    let mut bytes = Vec::new();
    for profile in profiles {
        bytes.extend(file.row(profile.into()).unwrap_or_default());
    }
    assert_eq!(file.altered(), 0, "no item has a separator");
    bytes.extend(file.finish());
    bytes
}

fn read_back(bytes: Vec<u8>, unescape: bool) -> Vec<Map<String, Value>> {
    let part = Part { name: "people.csv".into(), bytes: bytes.into(), format: None };
    let limits = Limits { max_record_bytes: 8 << 20, ..Limits::default() };
    let csv = CsvOptions { unescape, ..CsvOptions::default() };
    let profile = |item: Result<_, _>| -> Profile {
        let decoded: clinch_operator::source::Decoded = item.unwrap();
        decoded.result.unwrap()
    };
    decode(&part, &csv, &limits).map(|item| profile(item).into_members()).collect()
}

/// The rows that the crate `csv` sees.
fn rows_of(text: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text);
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

proptest! {
    // 25 cells each: 10,000 hostile cells in each run.
    #![proptest_config(cases(400))]

    #[test]
    fn a_profile_comes_back_from_its_row(
        profile in profile(),
        escape in any::<bool>(),
        paths in any::<bool>(),
        bom in any::<bool>(),
        zip in any::<bool>(),
    ) {
        let formulas = if escape { Formulas::Escape } else { Formulas::Keep };
        let header = if paths { Header::Paths } else { Header::Names };
        let style = CsvStyle { header, formulas, bom };
        let compression = if zip { Compression::Gzip } else { Compression::None };
        let people = [profile.clone(), profile.clone()];
        // A row of empty cells is nobody.
        let expected = if profile.is_empty() { vec![] } else { people.to_vec() };
        prop_assert_eq!(read_back(written(&people, style, compression), escape), expected);

        let rows = rows_of(&written(&people, style, Compression::None));
        prop_assert_eq!(rows.len(), 3);
        let text = |name: &str| profile.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if escape {
            for cell in rows[1].iter().filter(|cell| cell.parse::<i64>().is_err()) {
                prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\0', '＝', '＠']), "{cell:?}");
            }
        } else {
            prop_assert_eq!(&rows[1][23], &text("summary"));
            prop_assert_eq!(&rows[2][0], &text("id"));
        }
    }
}

#[test]
fn a_cell_of_a_megabyte_comes_back() {
    let mut summary = "=\"a\",\r\n'\u{202e}é😀".repeat(60_000);
    summary.truncate(summary.char_indices().nth(500_000).map_or(summary.len(), |(at, _)| at));
    assert!(summary.len() > 1 << 19);
    let profile = json!({"id": "1", "summary": summary, "title": "x".repeat(1 << 20)});
    let people = [profile.as_object().unwrap().clone()];
    for (formulas, escaped) in [(Formulas::Escape, true), (Formulas::Keep, false)] {
        let style = CsvStyle { formulas, ..CsvStyle::default() };
        assert!(read_back(written(&people, style, Compression::None), escaped) == people);
    }
}

#[test]
fn a_reader_that_keeps_escapes_shows_them() {
    let people = [json!({"id": "+41", "title": "'x"}).as_object().unwrap().clone()];
    let text = written(&people, CsvStyle::default(), Compression::None);
    let kept = read_back(text.clone(), false);
    assert_eq!(Value::from(kept[0].clone()), json!({"id": "'+41", "title": "''x"}));
    assert_eq!(read_back(text, true), people);
}

/// Rows as JSON, by Python's own reader. Before 3.11 it refuses NUL.
const PYTHON: &str = "
import csv, io, json, sys
if sys.version_info < (3, 11): sys.exit(3)
csv.field_size_limit(1 << 30)
text = io.TextIOWrapper(sys.stdin.buffer, encoding='utf-8', newline='')
json.dump(list(csv.reader(text, strict=True)), sys.stdout)
";

#[test]
fn python_reads_the_same_cells() {
    let mut runner = proptest::test_runner::TestRunner::new(cases(1));
    let mut profiles: Vec<_> = (0..400)
        .map(|_| prop::strategy::ValueTree::current(&profile().new_tree(&mut runner).unwrap()))
        .collect();
    profiles.push(json!({"summary": "x\"\r\n".repeat(1 << 18)}).as_object().unwrap().clone());
    let text = written(&profiles, CsvStyle::default(), Compression::None);
    let python = Command::new("python3")
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut python = match python {
        Ok(python) => python,
        Err(error) => return skipped(&format!("python3 cannot be started: {error}")),
    };
    let mut input = python.stdin.take().unwrap();
    let sent = text.clone();
    let sender = std::thread::spawn(move || input.write_all(&sent));
    let output = python.wait_with_output().unwrap();
    if output.status.code() == Some(3) {
        return skipped("python3 is older than 3.11, whose csv module refuses NUL");
    }
    sender.join().unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows.len(), profiles.len() + 1);
    assert!(rows == rows_of(&text), "Python and the crate disagree");
}

#[expect(clippy::print_stderr, reason = "says why nothing was tested")]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

#[test]
fn lines_are_the_profiles_as_the_source_gave_them() {
    let given = [
        r#"{"lastName":"B","id":"1","n":1.50,"x":{"z":1,"a":[{"q":1e2,"b":null}]},"big":12345678901234567890123}"#,
        r#"{"summary":"a  \"b\" {[,:]}\u00e9\n","id":"2"}"#,
    ];
    let spaced = |text: &str| text.replacen(":{", " :\n\t{ ", 1).replacen("\"id\"", " \"id\" ", 1);
    let ndjson = format!("{}\r\n\n{}\n", given[0].replacen(':', " : ", 1), given[1]);
    let json = format!("[\n {},\n{} ]", spaced(given[0]), spaced(given[1]));
    for (format, text) in [(Format::Ndjson, ndjson), (Format::Json, json)] {
        let part = Part { name: "p".into(), bytes: text.into(), format: Some(format) };
        let mut out = Vec::new();
        for item in decode(&part, &CsvOptions::default(), &Limits::default()).with_text() {
            NdjsonEncoder.row((&item.unwrap().result.unwrap()).into(), &mut out);
        }
        assert_eq!(String::from_utf8(out).unwrap(), format!("{}\n{}\n", given[0], given[1]));
    }
}
