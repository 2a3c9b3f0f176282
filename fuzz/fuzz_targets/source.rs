//! Decoders of sources: JSON, NDJSON and CSV, plain, gzip or zstd, in every character set. The first byte selects the
//! format and the options.

#![no_main]

use std::{
    io::{Cursor, Read},
    sync::Arc,
};

use bytes::Bytes;
use clinch_operator::source::{
    CsvOptions, Decoded, Format, Limits, Part, Records, SourceError, decode, decode_reader,
};
use libfuzzer_sys::fuzz_target;

const FORMATS: [Option<Format>; 4] =
    [None, Some(Format::Json), Some(Format::Ndjson), Some(Format::Csv)];

/// Hands out a few bytes at a time, as a slow connection may.
struct Drip(Cursor<Bytes>);

impl Read for Drip {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let end = buffer.len().min(3);
        self.0.read(&mut buffer[..end])
    }
}

fn all(records: Records) -> (Vec<Decoded>, Option<SourceError>) {
    let (mut found, mut failure) = (Vec::new(), None);
    for item in records {
        assert!(failure.is_none(), "an error of the part is the last item");
        match item {
            Ok(record) => found.push(record),
            Err(error) => failure = Some(error),
        }
    }
    (found, failure)
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, text)) = data.split_first() else { return };
    let format = FORMATS[usize::from(choice & 3)];
    let csv = CsvOptions { unescape: choice & 4 != 0, ..CsvOptions::default() };
    let limits = Limits {
        max_record_bytes: if choice & 8 != 0 { 64 } else { 1 << 20 },
        max_expanded_bytes: 1 << 20,
        max_ratio: 200,
        max_records: if choice & 16 != 0 { 3 } else { 100_000 },
    };
    let name: Arc<str> = "part".into();
    let part = Part { name: name.clone(), bytes: Bytes::copy_from_slice(text), format };
    let (records, failure) = all(decode(&part, &csv, &limits));
    assert!(records.len() as u64 <= limits.max_records);
    assert!(records.windows(2).all(|pair| pair[0].position.index < pair[1].position.index));
    let slow = Drip(Cursor::new(part.bytes.clone()));
    let again = all(decode_reader(&name, slow, format, &csv, &limits));
    assert!(again == (records, failure), "the result depends on how the bytes arrive");
    let _ = decode(&part, &csv, &limits).outline();
});
