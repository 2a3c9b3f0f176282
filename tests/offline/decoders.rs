//! Decoders of sources (JSON, NDJSON, CSV, gzip) against whatever bytes there may be. Nothing panics, nothing is lost silently, positions are right.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    sync::Arc,
};

use bytes::Bytes;
use clinch_operator::{
    domain::Reason,
    source::{
        Compression, CsvOptions, Decoded, Format, HeaderFault, Limits, Part, RecordError,
        SourceError, decode, decode_reader, decode_values,
    },
};
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::search::cases;

const FORMATS: [Option<Format>; 4] =
    [None, Some(Format::Json), Some(Format::Ndjson), Some(Format::Csv)];

fn part(name: &str, bytes: impl Into<Vec<u8>>, format: Option<Format>) -> Part {
    Part { name: name.into(), bytes: Bytes::from(bytes.into()), format }
}

fn read(part: &Part, limits: &Limits) -> (Vec<Decoded>, Option<SourceError>) {
    let mut records = Vec::new();
    let mut failure = None;
    for item in decode(part, &CsvOptions::default(), limits) {
        assert!(failure.is_none(), "an error of the part is the last item");
        match item {
            Ok(decoded) => records.push(decoded),
            Err(error) => failure = Some(error),
        }
    }
    (records, failure)
}

/// A record's position, and its profile as JSON.
type Shown = (String, Result<Value, RecordError>);

fn read_as(format: Format, text: impl Into<Vec<u8>>) -> (Vec<Shown>, Option<SourceError>) {
    let (records, failure) = read(&part("p", text, Some(format)), &Limits::default());
    let shown = |d: Decoded| {
        let value = d.result.map(|profile| Value::Object(profile.into_members()));
        (d.position.to_string(), value)
    };
    (records.into_iter().map(shown).collect(), failure)
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// Hands out one byte at a time, as a slow connection may.
struct Drip(std::io::Cursor<Vec<u8>>);

impl Read for Drip {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let end = buffer.len().min(1);
        self.0.read(&mut buffer[..end])
    }
}

#[test]
fn ndjson_goes_on_after_a_bad_line() {
    let text =
        b"\xef\xbb\xbf{\"id\":\"a\"}\r\n\n{\"id\": oops}\n[1]\n{\"id\":\"\xe9\"}\n{\"id\":\"b\"}";
    let (records, failure) = read_as(Format::Ndjson, text.to_vec());
    assert_eq!(failure, None);
    assert_eq!(
        records,
        [
            ("p line 1".to_owned(), Ok(json!({"id": "a"}))),
            ("p line 3".to_owned(), Err(RecordError::Malformed { line: 3, column: 8 })),
            ("p line 4".to_owned(), Err(RecordError::NotAnObject { found: "an array" })),
            ("p line 5".to_owned(), Err(RecordError::NotUtf8 { line: 5 })),
            ("p line 6".to_owned(), Ok(json!({"id": "b"}))),
        ]
    );
}

#[test]
fn an_element_of_an_array_that_is_not_json_is_rejected_alone() {
    let text = "[ {\"id\": \"]}\\\"\"}, 7, \"s\", [{}],\n {\"id\": \"b\"},\n  {\"id\": oops}, {\"id\": 1},
                {\"id\": 1e999}, {\"id\": \"\\ud83d\"}, {\"id\": \"a\tb\"}, {\"id\": NaN}, oops, {\"id\": 2}]";
    let (records, failure) = read_as(Format::Json, text);
    let not_an_object = |found| Err(RecordError::NotAnObject { found });
    let malformed = |line, column| Err(RecordError::Malformed { line, column });
    let expected = [
        Ok(json!({"id": "]}\""})),
        not_an_object("a number"),
        not_an_object("a string"),
        not_an_object("an array"),
        Ok(json!({"id": "b"})),
        malformed(3, 10),
        Ok(json!({"id": 1})),
        malformed(4, 28),
        malformed(4, 46),
        malformed(4, 59),
        malformed(4, 72),
        malformed(4, 78),
        Ok(json!({"id": 2})),
    ];
    let expected: Vec<Shown> =
        expected.into_iter().enumerate().map(|(n, result)| (format!("p[{n}]"), result)).collect();
    assert_eq!(records, expected);
    assert_eq!(failure, None);
}

#[test]
fn an_array_fails_where_the_next_element_cannot_be_found() {
    let syntax = |column| Some(SourceError::Syntax { part: "p".into(), line: 1, column });
    assert_eq!(read_as(Format::Json, "[{\"id\": [1}, {\"id\": 2}]").1, syntax(11));
    let (records, failure) = read_as(Format::Json, "[{\"id\": 1}, {\"id\": 2, {\"id\": 3}]");
    assert_eq!((records.len(), failure), (1, syntax(23)));
    // A quote too many turns the rest inside out.
    let failure = read_as(Format::Json, "[{\"id\": \"a\"b\"}, {\"id\": 2}]").1;
    assert_eq!(failure, Some(SourceError::CutOff { part: "p".into(), line: 1 }));
    assert_eq!(read_as(Format::Json, "{\"id\": oops}").1, syntax(8), "a document is one record");
}

#[test]
fn json_documents_that_end_early_or_late_say_so() {
    let failure = |text: &str| read_as(Format::Json, text).1;
    let part: Arc<str> = "p".into();
    assert_eq!(failure(" [ ] \n"), None);
    assert_eq!(failure("{\"id\": 1}\n"), None);
    let cut_off = |line| Some(SourceError::CutOff { part: part.clone(), line });
    assert_eq!(failure("[{\"id\": 1},\n"), cut_off(2));
    assert_eq!(failure("[{\"id\": 1}"), cut_off(1));
    assert_eq!(failure("[{\"id\": \"1"), cut_off(1));
    assert_eq!(failure("["), cut_off(1));
    let syntax = |column| Some(SourceError::Syntax { part: part.clone(), line: 1, column });
    assert_eq!(failure("[{},]"), syntax(5));
    assert_eq!(failure("[{} {}]"), syntax(5));
    assert_eq!(failure("{}\n{}"), Some(SourceError::Trailing { part: part.clone(), line: 2 }));
    assert_eq!(failure("3"), Some(SourceError::NotProfiles { part: part.clone() }));
    assert_eq!(failure(" \n"), Some(SourceError::Empty { part }));
}

#[test]
fn deep_nesting_is_one_records_fault() {
    let deep = format!("[{}{}, {{\"id\": 1}}]", "[".repeat(5000), "]".repeat(5000));
    let (records, failure) = read_as(Format::Json, deep);
    assert_eq!(failure, None);
    assert_eq!(records[0].1, Err(RecordError::TooDeep { limit: 100 }));
    assert_eq!(records[1].1, Ok(json!({"id": 1})));
    let line = format!("{}\n{{\"id\": 1}}\n", "[".repeat(5000));
    let (records, failure) = read_as(Format::Ndjson, line);
    assert!(failure.is_none() && records[0].1.is_err() && records[1].1.is_ok());
}

#[test]
fn csv_rows_keep_their_first_line_and_bad_rows_do_not_stop_the_rest() {
    let text = "First Name,Home Email,Notes\r\nAda,a@x.org,\"two\r\nlines, \"\"quoted\"\"\"\r\n\r\n\
                Bob,b@x.org\r\nEve,e@x.org,n,extra\r\n,,\r\nZoe,z@x.org,";
    let (records, failure) = read_as(Format::Csv, text);
    assert_eq!(failure, None);
    let cells = |found| Err(RecordError::CellCount { expected: 3, found });
    assert_eq!(
        records,
        [
            (
                "p line 2".to_owned(),
                Ok(json!({"firstName": "Ada", "emails": [{"value": "a@x.org"}],
                          "x": {"Notes": "two\r\nlines, \"quoted\""}}))
            ),
            ("p line 5".to_owned(), cells(2)),
            ("p line 6".to_owned(), cells(4)),
            (
                "p line 8".to_owned(),
                Ok(json!({"firstName": "Zoe", "emails": [{"value": "z@x.org"}]}))
            ),
        ]
    );
}

#[test]
fn csv_with_any_line_ending_is_the_same_csv() {
    let unix = "id,title\n1,a\n\n2,\"b\nc\"\n";
    let (expected, _) = read_as(Format::Csv, unix);
    for ending in ["\r\n", "\r"] {
        let (records, failure) = read_as(Format::Csv, unix.replace('\n', ending));
        assert_eq!(failure, None);
        let places = |r: &[Shown]| {
            r.iter().map(|(place, result)| (place.clone(), result.is_ok())).collect::<Vec<_>>()
        };
        assert_eq!(places(&records), places(&expected));
    }
    assert_eq!(expected[1].0, "p line 4");
}

#[test]
fn csv_that_is_not_utf8_names_the_line_and_goes_on() {
    let (records, failure) = read_as(Format::Csv, b"id,title\n1,a\xe9\n2,b\n3,\xc3,\n".to_vec());
    assert_eq!(failure, None);
    assert_eq!(records[0].1, Err(RecordError::NotUtf8 { line: 2 }));
    assert_eq!(records[1].1, Ok(json!({"id": "2", "title": "b"})));
    // Two halves of a character in neighbouring cells are not one character.
    let (records, _) = read_as(Format::Csv, b"id,title\n\xc3,\xa9\n".to_vec());
    assert_eq!(records[0].1, Err(RecordError::NotUtf8 { line: 2 }));
}

#[test]
fn csv_headers_that_cannot_be_used_end_the_part() {
    let fault = |text: &[u8]| match read_as(Format::Csv, text.to_vec()).1 {
        Some(SourceError::Header { fault, .. }) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(fault(b"\n"), HeaderFault::Missing);
    assert_eq!(fault(b"id\xff,x\n1,2\n"), HeaderFault::NotUtf8);
    assert_eq!(fault(b"a,b,A\n"), HeaderFault::Duplicate { first: 1, second: 3 });
    assert_eq!(fault(b"Jane,j@x.org\n"), HeaderFault::LooksLikeData { column: 2 });
    assert_eq!(
        read_as(Format::Csv, "id,b\n1,2\n3,\"4\n5,6\n").1,
        Some(SourceError::UnclosedQuote { part: "p".into(), line: 3 })
    );
}

#[test]
fn csv_options_name_columns() {
    let headers = BTreeMap::from([("Work E-Mail".to_owned(), "emails[0].value".to_owned())]);
    let data = part("p.csv", "work e-mail\na@x.org\n", None);
    let records: Vec<_> =
        decode(&data, &CsvOptions { headers, ..CsvOptions::default() }, &Limits::default())
            .collect();
    let profile = records[0].as_ref().unwrap().result.as_ref().unwrap();
    assert_eq!(profile.members()["emails"], json!([{"value": "a@x.org"}]));
}

#[test]
fn large_records_are_refused_alone_in_every_format() {
    let limits = Limits { max_record_bytes: 100, ..Limits::default() };
    let long = "x".repeat(200_000);
    let exact = format!("{{\"id\":\"{}\"}}", "y".repeat(91));
    assert_eq!(exact.len(), 100);
    let texts = [
        (Format::Ndjson, format!("{{\"id\":\"{long}\"}}\r\n{exact}\r\n")),
        (Format::Json, format!("[{{\"id\":\"{long}\"}}, {exact}]")),
        (Format::Csv, format!("id,title\n{long},\"a\nb\"\n1,{}\n", "y".repeat(98))),
    ];
    for (format, text) in texts {
        let (records, failure) = read(&part("p", text, Some(format)), &limits);
        assert_eq!(failure, None, "{format:?}");
        assert_eq!(records[0].result, Err(RecordError::TooLarge { limit: 100 }), "{format:?}");
        assert_eq!(records[0].result.as_ref().unwrap_err().reason(), Reason::TooLarge);
        assert!(records[1].result.is_ok(), "{format:?} {:?}", records[1]);
    }
}

#[test]
fn gzip_is_seen_by_its_magic_and_bounded_in_size_and_ratio() {
    let plain = "{\"id\":\"1\"}\n{\"id\":\"2\"}\n";
    let both = [gzip(plain.as_bytes()), gzip(plain.as_bytes())].concat();
    let (records, failure) = read(&part("p.ndjson.gz", both.clone(), None), &Limits::default());
    assert_eq!((records.len(), failure), (4, None), "members of one file follow each other");
    let cut = both[..both.len() - 9].to_vec();
    let (records, failure) = read(&part("p.ndjson", cut, None), &Limits::default());
    assert_eq!(
        failure,
        Some(SourceError::Compressed { part: "p.ndjson".into(), compression: Compression::Gzip })
    );
    assert!(records.len() >= 2, "what came before the cut is read");
    let bomb = gzip(&vec![b' '; 20 << 20]);
    let (_, failure) = read(&part("b", bomb.clone(), Some(Format::Ndjson)), &Limits::default());
    assert_eq!(failure, Some(SourceError::Expansion { part: "b".into(), limit: 200 }));
    let lenient = Limits { max_ratio: 10_000, max_expanded_bytes: 1 << 20, ..Limits::default() };
    let (_, failure) = read(&part("b", bomb, Some(Format::Json)), &lenient);
    assert_eq!(failure, Some(SourceError::TooLarge { part: "b".into(), limit: 1 << 20 }));
}

#[test]
fn too_many_records_end_the_part_after_the_last_accepted() {
    let limits = Limits { max_records: 2, ..Limits::default() };
    let (records, failure) = read(&part("p", "{}\n{}\n", Some(Format::Ndjson)), &limits);
    assert_eq!((records.len(), failure), (2, None));
    let (records, failure) = read(&part("p", "{}\n{}\n{}\n", Some(Format::Ndjson)), &limits);
    assert_eq!(records.len(), 2);
    assert_eq!(failure, Some(SourceError::TooManyRecords { part: "p".into(), limit: 2 }));
}

#[test]
fn a_source_is_read_only_as_far_as_records_are_taken() {
    struct Endless(u64);
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 += 1;
            assert!(self.0 < 100, "read far ahead");
            let line = b"{\"id\":\"1\"}\n";
            let count = buffer.len() / line.len() * line.len();
            buffer[..count].copy_from_slice(&line.repeat(count / line.len()));
            Ok(count)
        }
    }
    let reader = Endless(0);
    let format = Some(Format::Ndjson);
    let (csv, limits) = (CsvOptions::default(), Limits::default());
    let records = decode_reader(&"p".into(), reader, format, &csv, &limits);
    assert_eq!(records.take(3).filter(|r| r.as_ref().is_ok_and(|d| d.result.is_ok())).count(), 3);
}

#[test]
fn records_can_be_taken_on_another_thread() {
    let part = part("p", "{}\n{}\n", Some(Format::Ndjson));
    let records = decode(&part, &CsvOptions::default(), &Limits::default());
    assert_eq!(std::thread::spawn(move || records.count()).join().unwrap(), 2);
}

#[test]
fn inline_values_have_positions_too() {
    let values = [json!({"id": "a"}), json!(null)];
    let records: Vec<_> = decode_values(&"inline".into(), &values).map(Result::unwrap).collect();
    assert_eq!(records[0].result.as_ref().unwrap().id(), Some("a"));
    assert_eq!(records[1].position.to_string(), "inline[1]");
    assert_eq!(records[1].result, Err(RecordError::NotAnObject { found: "null" }));
}

#[test]
fn errors_and_debug_carry_no_candidate_value() {
    let secret = "Zyzzyva";
    let texts = [
        (Format::Ndjson, format!("{{\"id\": {secret}}}\n\"{secret}\"\n")),
        (Format::Json, format!("[\"{secret}\", {{\"id\": {secret}}}]")),
        (Format::Csv, format!("{secret},{secret}@x.org\n")),
        (Format::Csv, format!("a,b\n{secret}\n\"{secret}")),
        (
            Format::Json,
            format!("[{{\"$serde_json::private::RawValue\": {{\"a\": \"{secret}\"}}}}]"),
        ),
    ];
    for (format, text) in texts {
        let items = read(&part("p", text, Some(format)), &Limits::default());
        assert!(!format!("{items:?}").contains(secret), "{items:?}");
        let mut shown: Vec<String> = items.1.iter().map(ToString::to_string).collect();
        shown.extend(items.0.iter().filter_map(|d| Some(d.result.as_ref().err()?.to_string())));
        assert!(!shown.is_empty() && shown.iter().all(|s| !s.contains(secret)), "{shown:?}");
    }
}

/// Bytes that get past the first checks more often than noise does.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ",",
        ":",
        "\n",
        "\r",
        "\r\n",
        "id",
        "1",
        "null",
        "\u{e9}",
        ";",
        " ",
        "First Name",
        "emails[0].value",
        "{\"id\":\"1\"}",
        "\u{feff}",
        "\\ud800",
        "\t",
        "|",
        "sep=;",
        "\u{1a}",
        "Email",
        "\0",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat().into_bytes()),
    ]
}

fn names() -> impl Strategy<Value = String> {
    prop::string::string_regex("[ -~\u{e9}\u{4e2d}]{0,12}").expect("a valid expression")
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn no_bytes_make_a_decoder_panic_or_read_differently_in_pieces(data in bytes(), zip in any::<bool>()) {
        let data = if zip { gzip(&data) } else { data };
        let limits = Limits { max_record_bytes: 64, max_records: 50, ..Limits::default() };
        for format in FORMATS {
            let part = part("p", data.clone(), format);
            let whole: Vec<_> = decode(&part, &CsvOptions::default(), &limits).collect();
            let drip = Drip(std::io::Cursor::new(data.clone()));
            let csv = CsvOptions::default();
            let pieces: Vec<_> = decode_reader(&part.name, drip, format, &csv, &limits).collect();
            prop_assert_eq!(&whole, &pieces);
            prop_assert!(whole.iter().rev().skip(1).all(Result::is_ok));
        }
    }

    #[test]
    fn json_values_come_back_from_arrays_and_lines(
        texts in prop::collection::vec((names(), any::<i32>()), 0..12),
        pretty in any::<bool>(),
    ) {
        let profiles: Vec<Value> =
            texts.iter().map(|(t, n)| json!({"id": t, "n": [n, {"deep": t}]})).collect();
        let array = if pretty { serde_json::to_string_pretty(&profiles) } else { serde_json::to_string(&profiles) };
        let lines: Vec<String> = profiles.iter().map(|p| format!("{p}\n\n")).collect();
        for (format, text, step) in [(Format::Json, array.unwrap(), 0), (Format::Ndjson, lines.concat(), 2)] {
            let (records, failure) = read(&part("p", text, Some(format)), &Limits::default());
            prop_assert_eq!(failure, None);
            prop_assert_eq!(records.len(), profiles.len());
            for ((record, profile), index) in records.into_iter().zip(&profiles).zip(0_u64..) {
                prop_assert_eq!(record.position.index, index);
                prop_assert_eq!(record.position.line, (step > 0).then_some(1 + index * step));
                prop_assert_eq!(Value::Object(record.result.unwrap().into_members()), profile.clone());
            }
        }
    }

    #[test]
    fn rows_have_the_cells_that_the_csv_crate_sees(
        rows in prop::collection::vec(prop::collection::vec("[a\", \n;\u{e9}]{0,6}", 3), 1..8),
        always_quoted in any::<bool>(),
    ) {
        let style = if always_quoted { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
        let mut writer = csv::WriterBuilder::new().quote_style(style).from_writer(Vec::new());
        writer.write_record(["x.a", "x.b", "x.c"]).unwrap();
        let mut line = 2_u64;
        let mut expected = Vec::new();
        for row in &rows {
            writer.write_record(row).unwrap();
            let breaks: usize = row.iter().map(|cell| cell.matches('\n').count()).sum();
            if row.iter().any(|cell| !cell.trim().is_empty()) {
                expected.push((Some(line), row.clone()));
            }
            line += 1 + breaks as u64;
        }
        let text = writer.into_inner().unwrap();
        let (records, failure) = read(&part("p", text, Some(Format::Csv)), &Limits::default());
        prop_assert_eq!(failure, None);
        let cells: Vec<_> = records.into_iter().map(|record| {
            let members = record.result.unwrap().into_members();
            let cell = |name: &str| members["x"].get(name).and_then(Value::as_str).unwrap_or("").to_owned();
            (record.position.line, vec![cell("a"), cell("b"), cell("c")])
        }).collect();
        let blank = |cell: &String| if cell.trim().is_empty() { String::new() } else { cell.clone() };
        let expected: Vec<_> =
            expected.iter().map(|(line, row)| (*line, row.iter().map(blank).collect::<Vec<_>>())).collect();
        prop_assert_eq!(cells, expected);
    }
}
