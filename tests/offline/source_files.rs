//! Files as spreadsheets, mail programs and scripts write them: separators, line ends, encodings, compression,
//! blank tails, titles, and what is no source at all.

use std::{fmt::Write as _, io::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use clinch_operator::source::{
    Compression, CsvOptions, Format, Found, HeaderFault, Limits, Part, RecordError, SourceError,
    decode,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::search::cases;

type Read = (Vec<Result<Value, RecordError>>, Option<SourceError>);

fn read_with(name: &str, bytes: impl Into<Vec<u8>>, format: Option<Format>) -> Read {
    let part = Part { name: name.into(), bytes: Bytes::from(bytes.into()), format };
    let (mut records, mut failure) = (Vec::new(), None);
    for item in decode(&part, &CsvOptions::default(), &Limits::default()) {
        match item {
            Ok(decoded) => {
                records.push(decoded.result.map(|profile| Value::Object(profile.into_members())));
            }
            Err(error) => failure = Some(error),
        }
    }
    (records, failure)
}

/// The records of a part without a fault.
fn records(name: &str, bytes: impl Into<Vec<u8>>) -> Vec<Value> {
    let (records, failure) = read_with(name, bytes, None);
    assert_eq!(failure, None);
    records.into_iter().map(Result::unwrap).collect()
}

fn failure(name: &str, bytes: impl Into<Vec<u8>>) -> SourceError {
    let (records, failure) = read_with(name, bytes, None);
    failure.unwrap_or_else(|| panic!("{name} is read: {records:?}"))
}

fn header_fault(text: &str) -> HeaderFault {
    match failure("a.csv", text) {
        SourceError::Header { fault, .. } => fault,
        other => panic!("{other:?}"),
    }
}

fn ann_and_bob() -> Vec<Value> {
    vec![
        json!({"firstName": "Ann", "lastName": "Alder", "emails": [{"value": "ann@example.com"}]}),
        json!({"firstName": "Bob", "lastName": "Birch", "emails": [{"value": "bob@example.com"}]}),
    ]
}

#[derive(Debug, Clone, Copy)]
enum Coding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

#[derive(Debug, Clone, Copy)]
enum Packing {
    None,
    Gzip,
    Zstd,
}

fn encode(text: &str, coding: Coding, mark: bool) -> Vec<u8> {
    let marked = if mark { format!("\u{feff}{text}") } else { text.to_owned() };
    match coding {
        Coding::Utf8 => marked.into_bytes(),
        Coding::Utf16Le => marked.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Coding::Utf16Be => marked.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    }
}

fn pack(bytes: Vec<u8>, packing: Packing, zeros: usize) -> Vec<u8> {
    let mut packed = match packing {
        Packing::None => return bytes,
        Packing::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&bytes).unwrap();
            encoder.finish().unwrap()
        }
        Packing::Zstd => {
            let level = ruzstd::encoding::CompressionLevel::Fastest;
            ruzstd::encoding::compress_to_vec(&bytes[..], level)
        }
    };
    packed.resize(packed.len() + zeros, 0);
    packed
}

fn codings() -> impl Strategy<Value = (Coding, bool)> {
    let coding = prop::sample::select(vec![Coding::Utf8, Coding::Utf16Le, Coding::Utf16Be]);
    (coding, any::<bool>())
}

fn packings() -> impl Strategy<Value = (Packing, usize)> {
    let packing = prop::sample::select(vec![Packing::None, Packing::Gzip, Packing::Zstd]);
    (packing, prop::sample::select(vec![0, 1, 512]))
}

/// What spreadsheets and DOS append; `SEP` stands for the separator.
fn tails() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "\n",
        "\n \n\t\n",
        "SEPSEP\nSEPSEPSEPSEPSEP\n",
        "\u{1a}",
        "\n\u{1a}\n",
    ])
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_table_is_read_the_same_however_it_is_written(
        rows in prop::collection::vec(("[a-z,;|\t\"\u{e9}\u{4e00} ]{0,8}", "[a-z]{1,8}", "[a-z,;|\n]{0,8}"), 1..20),
        (separator, quoted) in (prop::sample::select(vec![',', ';', '\t', '|']), any::<bool>()),
        line_end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        (coding, mark) in codings(),
        (packing, zeros) in packings(),
        (tail, extra, sep_line) in (tails(), any::<bool>(), any::<bool>()),
    ) {
        let style = if quoted { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
        let mut writer = csv::WriterBuilder::new()
            .delimiter(separator as u8)
            .quote_style(style)
            .from_writer(Vec::new());
        writer.write_record(["First Name", "E-Mail", "x.note"]).unwrap();
        let mut expected = Vec::new();
        for (name, mail, note) in &rows {
            let mail = format!("{mail}@x.org");
            writer.write_record([name, &mail, note]).unwrap();
            let mut profile = json!({"emails": [{"value": mail}]});
            if !name.trim().is_empty() {
                profile["firstName"] = name.as_str().into();
            }
            if !note.trim().is_empty() {
                profile["x"] = json!({"note": note});
            }
            expected.push(profile);
        }
        let broken = rows.iter().any(|(.., note)| note.contains('\n'));
        // The cells at the end are added by line.
        let extra = extra && !broken;
        let table = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        let separator = separator.to_string();
        let mut text = String::new();
        if sep_line {
            writeln!(text, "sep={separator}").unwrap();
        }
        if extra {
            // Empty cells at the end of rows.
            for row in table.split_inclusive('\n') {
                text += row.trim_end_matches('\n');
                text += if row.contains("x.note") { "" } else { separator.as_str() };
                text.push('\n');
            }
        } else {
            text += &table;
        }
        text += &tail.replace("SEP", &separator);
        // Breaks within cells are not changed: that would change their value.
        let text = if broken { text } else { text.replace('\n', line_end) };
        let bytes = pack(encode(&text, coding, mark), packing, zeros);
        let (records, failure) = read_with("people", bytes, Some(Format::Csv));
        prop_assert_eq!(failure, None, "{}", text);
        let records: Vec<Value> = records.into_iter().map(Result::unwrap).collect();
        prop_assert_eq!(records, expected, "{}", text);
    }

    #[test]
    fn profiles_are_read_the_same_however_they_are_written(
        names in prop::collection::vec("[a-z\u{e9}\u{4e00}\u{1f600}\"\\\\]{0,8}", 1..20),
        pretty in any::<bool>(),
        line_end in prop::sample::select(vec!["\n", "\r\n"]),
        (coding, mark) in codings(),
        (packing, zeros) in packings(),
        end in prop::sample::select(vec!["", "\n", "\u{1a}"]),
    ) {
        let profiles: Vec<Value> = names
            .iter()
            .map(|name| json!({"firstName": name, "emails": [{"value": "a@x.org"}]}))
            .collect();
        let array = if pretty {
            serde_json::to_string_pretty(&profiles)
        } else {
            serde_json::to_string(&profiles)
        };
        let lines: Vec<String> = profiles.iter().map(Value::to_string).collect();
        for text in [array.unwrap(), lines.join("\n")] {
            let text = text.replace('\n', line_end) + end;
            let bytes = pack(encode(&text, coding, mark), packing, zeros);
            prop_assert_eq!(&records("people", bytes), &profiles);
        }
    }

    #[test]
    fn a_file_that_is_cut_off_is_never_read_as_a_whole_one(
        count in 1..6_usize,
        (coding, mark) in codings(),
        packing in prop::sample::select(vec![Packing::None, Packing::Gzip, Packing::Zstd]),
        cut in any::<prop::sample::Index>(),
        lines in any::<bool>(),
    ) {
        let profiles: Vec<Value> = (0..count).map(|n| json!({"id": n, "name": "Zo\u{eb} \u{1f600}"})).collect();
        let text = if lines {
            profiles.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
        } else {
            serde_json::to_string(&profiles).unwrap()
        };
        let whole = pack(encode(&text, coding, mark), packing, 0);
        let at = 8 + cut.index(whole.len() - 8);
        let format = if lines { Format::Ndjson } else { Format::Json };
        let (records, failure) = read_with("p", &whole[..at], Some(format));
        // Between two lines nothing shows that there were more.
        let between = failure.is_none() && lines && records.len() < count && records.iter().all(Result::is_ok);
        prop_assert!(failure.is_some() || between, "{} of {}: {:?}", at, whole.len(), records);
        if between {
            prop_assert!(matches!(packing, Packing::None), "compressed data knows its end");
        }
    }
}

#[test]
fn spreadsheets_leave_blank_tails_and_trailing_separators() {
    for tail in ["", ",,,\n \n\t\n,,\n,,,,,,\n\u{1a}", "\n\n\r\n", ",\n\u{1a}\u{1a}", "\u{1a}"] {
        let text = format!(
            "First Name,Last Name,Email\nAnn,Alder,ann@example.com,\nBob,Birch,bob@example.com,,,\n{tail}"
        );
        assert_eq!(records("candidates.csv", text), ann_and_bob(), "{tail:?}");
    }
    let unended =
        "First Name,Last Name,Email\nAnn,Alder,ann@example.com\nBob,Birch,bob@example.com\u{1a}";
    assert_eq!(records("candidates.csv", unended), ann_and_bob());
    // The header has the empty cells, and the rows have some of them.
    let header = ",,,\nFirst Name,Last Name,Email,,\nAnn,Alder,ann@example.com\nBob,Birch,bob@example.com,\n";
    assert_eq!(records("candidates.csv", header), ann_and_bob());
}

#[test]
fn a_row_with_more_values_or_fewer_cells_than_the_header_is_rejected() {
    let text = "First Name,Last Name,Email\nAnn,Alder,ann@example.com,x\nBob,Birch\n";
    let (records, failure) = read_with("a.csv", text, None);
    let cells = |found| Err(RecordError::CellCount { expected: 3, found });
    assert_eq!((records, failure), (vec![cells(4), cells(2)], None));
}

#[test]
fn a_header_may_have_the_separators_of_others_in_quotes() {
    let text =
        "First Name;Last Name;Email;\"City, State\"\nAnn;Alder;ann@example.com;\"Portland, OR\"\n";
    let mut ann = ann_and_bob().remove(0);
    ann["x"] = json!({"City, State": "Portland, OR"});
    assert_eq!(records("candidates.csv", text), [ann]);
    let quoted = "\"First Name,Last Name,Email\"\n\"Ann,Alder,ann@example.com\"\n";
    assert_eq!(header_fault(quoted), HeaderFault::Separator);
}

#[test]
fn headers_are_known_in_any_case_with_hyphens_and_underscores() {
    let text = "first_name,LAST-NAME,E_MAIL,phone number\nAnn,Alder,ann@example.com,1\n";
    let mut ann = ann_and_bob().remove(0);
    ann["phones"] = json!([{"value": "1"}]);
    assert_eq!(records("candidates.csv", text), [ann]);
}

#[test]
fn marks_of_outdated_addresses_are_read_in_many_words_and_others_stay_text() {
    let words = [
        ("TRUE", json!(true)),
        ("1", json!(true)),
        ("Y", json!(true)),
        ("yes", json!(true)),
        ("WAHR", json!(true)),
        ("No", json!(false)),
        ("FAUX", json!(false)),
        ("perhaps", json!("perhaps")),
        ("2", json!("2")),
    ];
    for (word, mark) in words {
        let text =
            format!("emails[0].value,Emails[0].Outdated,emails[1].value\na@x.org,{word},b@x.org\n");
        let emails = json!([{"value": "a@x.org", "outdated": mark}, {"value": "b@x.org"}]);
        assert_eq!(records("a.csv", text), [json!({"emails": emails})], "{word}");
    }
}

#[test]
fn titles_and_comments_before_the_header_are_told_apart() {
    let fault = header_fault("Candidates of 2026\n\nFirst Name,Email\nAnn,a@x.org\n");
    assert_eq!(fault, HeaderFault::Title { line: 3 });
    assert!(fault.to_string().contains("line 3"), "{fault}");
    assert_eq!(
        header_fault("# by Ann, 2026\nEmail;City\na@x.org;Oslo\n"),
        HeaderFault::Title { line: 2 }
    );
    assert_eq!(header_fault("id\0,Email\n1,a@x.org\n"), HeaderFault::Nul);
}

#[test]
fn zeros_after_compressed_data_are_padding_and_other_bytes_are_not() {
    let text = "First Name,Last Name,Email\nAnn,Alder,ann@example.com\nBob,Birch,bob@example.com\n";
    for packing in [Packing::Gzip, Packing::Zstd] {
        assert_eq!(records("a.csv", pack(text.into(), packing, 1000)), ann_and_bob());
        let mut damaged = pack(text.into(), packing, 1000);
        damaged.push(b'x');
        assert!(matches!(failure("a.csv", damaged), SourceError::Compressed { .. }));
    }
    let cut = pack(text.into(), Packing::Gzip, 0);
    let compression = Compression::Gzip;
    assert_eq!(
        failure("a.csv", &cut[..cut.len() - 3]),
        SourceError::Compressed { part: "a.csv".into(), compression }
    );
}

#[test]
fn what_is_no_source_is_called_by_its_name() {
    let found = |bytes: &[u8]| match failure("candidates.csv", bytes) {
        SourceError::NotData { found, .. } => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(found(b"<!DOCTYPE html>\n<html><body>Sign in</body></html>"), Found::WebPage);
    assert_eq!(found(b"\xef\xbb\xbf  <HTML>"), Found::WebPage);
    assert_eq!(found(&encode("<html>", Coding::Utf16Le, true)), Found::WebPage);
    assert_eq!(found(b"<?xml version=\"1.0\"?><Error/>"), Found::Xml);
    assert_eq!(found(b"PK\x03\x04\x14\0\x06\0"), Found::Zip);
    let twice = pack(pack(b"id\n1\n".to_vec(), Packing::Gzip, 0), Packing::Gzip, 0);
    assert_eq!(found(&twice), Found::CompressedTwice);
    for inner in [b"First Name,Email\nAnn,ann@example.com\n".to_vec(), twice] {
        assert_eq!(found(STANDARD.encode(inner).as_bytes()), Found::Base64);
    }
}

#[test]
fn utf_32_is_refused_and_a_character_that_is_cut_off_ends_the_part() {
    let bytes: Vec<u8> =
        "id,title\n1,x\n".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    assert_eq!(failure("a.csv", bytes), SourceError::Utf32 { part: "a.csv".into() });
    let half = SourceError::HalfCharacter { part: "a".into() };
    let utf16 = encode("id,title\n1,x\n2,yz", Coding::Utf16Le, true);
    assert_eq!(failure("a", &utf16[..utf16.len() - 1]), half);
    assert_eq!(failure("a", b"id,title\n1,x\n2,y\xc3"), half);
    assert_eq!(failure("a", b"{\"id\": \"1\"}\n{\"id\": \"\xe4\xb8"), half);
    // A lone surrogate is one record's fault.
    let mut lone = encode("id,title\n1,", Coding::Utf16Le, true);
    lone.extend([0x3d, 0xd8]);
    lone.extend(encode("\n2,x\n", Coding::Utf16Le, false));
    let (records, failure) = read_with("a.csv", lone, None);
    let expected =
        vec![Err(RecordError::NotUtf8 { line: 2 }), Ok(json!({"id": "2", "title": "x"}))];
    assert_eq!((records, failure), (expected, None));
}

/// The rows of the table in docs/SOURCES.md whose first cell satisfies a condition, as cells.
fn documented_headers() -> Vec<(String, Vec<String>)> {
    let page = include_str!("../../docs/SOURCES.md");
    let (_, table) = page.split_once("| profile field | headers |\n|---|---|\n").unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [field, headers] = cells[..] else { panic!("two cells: {row}") };
        let words = |cell: &str| -> Vec<String> {
            cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        (words(field).pop().unwrap(), words(headers))
    })
    .collect()
}

#[test]
fn the_page_on_sources_lists_exactly_the_built_in_headers() {
    let fold = |header: &String| header.replace(' ', "").to_lowercase();
    let documented: Vec<(String, Vec<String>)> = documented_headers()
        .into_iter()
        .map(|(field, headers)| (field, headers.iter().map(fold).collect()))
        .collect();
    let built_in: Vec<(String, Vec<String>)> = clinch_operator::source::built_in_headers()
        .map(|(field, headers)| {
            (field.to_owned(), headers.iter().map(|header| (*header).to_owned()).collect())
        })
        .collect();
    assert_eq!(documented, built_in);
}

#[test]
fn every_documented_header_fills_its_field() {
    for (field, headers) in documented_headers() {
        for header in headers {
            let [profile] = &records("a.csv", format!("{header},x.other\n1,2\n"))[..] else {
                panic!("{header}")
            };
            let mut members = profile.as_object().unwrap().clone();
            members.remove("x").unwrap();
            let (name, value) = members.iter().next().unwrap();
            let expected = match field.as_str() {
                "linkedin" | "facebook" | "twitter" | "github" => {
                    assert_eq!(value[0]["kind"], *field, "{header}");
                    "socialLinks"
                }
                path => path.split(['.', '[']).next().unwrap(),
            };
            assert_eq!(name, expected, "{header}");
        }
    }
}
