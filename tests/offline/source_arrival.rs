//! What a source is does not depend on how its bytes arrive: at once, or one, two or three at a time; nor do its
//! records, nor why it is refused.

use std::{
    io::{Cursor, Read, Write},
    sync::Arc,
};

use clinch_operator::source::{
    Compression, CsvOptions, Decoded, Format, Limits, SourceError, decode_reader,
};
use flate2::write::GzEncoder;

/// Hands out at most `size` bytes at a time, as a slow connection may.
struct Pieces {
    bytes: Cursor<Vec<u8>>,
    size: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let end = buffer.len().min(self.size);
        self.bytes.read(&mut buffer[..end])
    }
}

type Outcome = Vec<Result<Decoded, SourceError>>;

fn in_pieces(bytes: &[u8], size: usize, limits: &Limits) -> Outcome {
    let name: Arc<str> = "part".into();
    let pieces = Pieces { bytes: Cursor::new(bytes.to_vec()), size };
    decode_reader(&name, pieces, None, &CsvOptions::default(), limits).collect()
}

/// The outcome, which is the same for every size of piece.
#[track_caller]
fn outcome(bytes: &[u8], limits: &Limits, what: &str) -> Outcome {
    let whole = in_pieces(bytes, usize::MAX, limits);
    for size in [1, 2, 3] {
        let pieces = in_pieces(bytes, size, limits);
        assert!(pieces == whole, "{what}, {size} at a time");
    }
    whole
}

fn gzip(data: &[u8], level: flate2::Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
}

fn stored_forms(data: &[u8]) -> Vec<(&'static str, Option<Compression>, Vec<u8>)> {
    vec![
        ("plain", None, data.to_vec()),
        ("gzip", Some(Compression::Gzip), gzip(data, flate2::Compression::best())),
        ("gzip, stored", Some(Compression::Gzip), gzip(data, flate2::Compression::none())),
        ("zstd", Some(Compression::Zstd), zstd(data)),
    ]
}

const TEXTS: [(Format, &str); 3] = [
    (Format::Csv, "First Name,Email\nZoë,z@example.com\nAnn,a@example.com\n"),
    (Format::Json, "[{\"id\": \"1\", \"firstName\": \"Zoë\"},\n {\"id\": \"2\"}]\n"),
    (Format::Ndjson, "{\"id\": \"1\", \"firstName\": \"Zoë\"}\n{\"id\": \"2\"}\n"),
];

/// The text in each encoding, and whether that one is read.
fn encodings(text: &str) -> Vec<(&'static str, bool, Vec<u8>)> {
    let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<_>>();
    let widest =
        |bytes: fn(u32) -> [u8; 4]| text.chars().map(u32::from).flat_map(bytes).collect::<Vec<_>>();
    let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
    let (le, be) = (wide(u16::to_le_bytes), wide(u16::to_be_bytes));
    let (le4, be4) = (widest(u32::to_le_bytes), widest(u32::to_be_bytes));
    vec![
        ("UTF-8", true, text.as_bytes().to_vec()),
        ("UTF-8, marked", true, marked(b"\xef\xbb\xbf", text.as_bytes())),
        ("UTF-16LE, marked", true, marked(b"\xff\xfe", &le)),
        ("UTF-16BE, marked", true, marked(b"\xfe\xff", &be)),
        ("UTF-16LE", true, le),
        ("UTF-16BE", true, be),
        ("UTF-32LE, marked", false, marked(b"\xff\xfe\0\0", &le4)),
        ("UTF-32BE, marked", false, marked(b"\0\0\xfe\xff", &be4)),
        ("UTF-32LE", false, le4),
        ("UTF-32BE", false, be4),
    ]
}

#[test]
fn every_form_of_a_source_is_recognised_however_its_bytes_arrive() {
    for (format, text) in TEXTS {
        for (encoding, is_read, data) in encodings(text) {
            for (how, _, bytes) in stored_forms(&data) {
                let what = format!("{} in {encoding}, {how}", format.as_str());
                let found = outcome(&bytes, &Limits::default(), &what);
                if is_read {
                    assert_eq!(found.len(), 2, "{what}");
                    let good =
                        found.iter().all(|item| item.as_ref().is_ok_and(|d| d.result.is_ok()));
                    assert!(good, "{what}: {found:?}");
                } else {
                    assert_eq!(found, [Err(SourceError::Utf32 { part: "part".into() })], "{what}");
                }
            }
        }
    }
}

#[test]
fn damage_has_the_same_outcome_however_the_bytes_arrive() {
    for (format, text) in TEXTS {
        for (encoding, is_read, data) in encodings(text) {
            for (how, compression, bytes) in stored_forms(&data) {
                // The marks and headers, and places behind them.
                for at in (0..bytes.len()).filter(|at| *at < 16 || at % 11 == 0) {
                    let what = format!("{} in {encoding}, {how}, {at}", format.as_str());
                    let cut =
                        outcome(&bytes[..at], &Limits::default(), &format!("{what}: cut off"));
                    if let Some(compression) = compression.filter(|_| is_read && at >= 4) {
                        let expected = SourceError::Compressed { part: "part".into(), compression };
                        assert_eq!(cut.last(), Some(&Err(expected)), "{what}: cut off");
                    }
                    let mut damaged = bytes.clone();
                    damaged[at] ^= 0x55;
                    outcome(&damaged, &Limits::default(), &format!("{what}: damaged"));
                }
            }
        }
    }
}

#[test]
fn a_damaged_file_is_called_damaged_though_the_bytes_before_that_look_like_utf_32() {
    for letters in 1..40_u16 {
        // A block that is not compressed, with zeros as UTF-32 has them, and one of a type that does not exist.
        let text = b"a\0\0\0".repeat(letters.into());
        let (length, not_length) = (4 * letters, !(4 * letters));
        let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 0];
        let block = [&header, &length.to_le_bytes()[..], &not_length.to_le_bytes(), &text].concat();
        let found = outcome(&[&block[..], &[7]].concat(), &Limits::default(), "damaged");
        let expected =
            SourceError::Compressed { part: "part".into(), compression: Compression::Gzip };
        assert_eq!(found, [Err(expected)], "{letters}");
    }
}

#[test]
fn records_before_a_damage_or_a_limit_are_the_same_however_the_bytes_arrive() {
    let lines: Vec<String> = (0..4000).map(|n| format!("{{\"id\": \"{n}\"}}\n")).collect();
    let text = lines.concat();
    let limits = Limits { max_expanded_bytes: 50_000, ..Limits::default() };
    for (how, compression, mut bytes) in stored_forms(text.as_bytes()) {
        let limited = outcome(&bytes, &limits, how);
        let too_large = SourceError::TooLarge { part: "part".into(), limit: 50_000 };
        assert_eq!(limited.last(), Some(&Err(too_large)), "{how}");
        let whole =
            |count: &usize| text.match_indices('\n').nth(*count).is_some_and(|(at, _)| at < 50_000);
        let expected = (0..4000).take_while(whole).count();
        assert_eq!(limited.len(), expected + 1, "{how}: what is within the limit is read");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        let damaged = outcome(&bytes, &Limits::default(), how);
        if let Some(compression) = compression {
            let expected = SourceError::Compressed { part: "part".into(), compression };
            assert_eq!(damaged.last(), Some(&Err(expected)), "{how}");
        }
    }
}
