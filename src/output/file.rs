//! The bytes of a file in pieces: encoded, and compressed if that is asked for. Pure.

use std::io::Write as _;

use bytes::Bytes;
use flate2::write::GzEncoder;

use super::{Record, RowEncoder};

/// The size at which a piece is handed out.
const PIECE_BYTES: usize = 256 << 10;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// As one gzip stream.
    Gzip,
}

impl Compression {
    /// What the name of a file asks for.
    pub fn of_name(name: &str) -> Self {
        let stem = name.len().saturating_sub(3);
        let gzip = stem > 0 && name.as_bytes()[stem..].eq_ignore_ascii_case(b".gz");
        if gzip { Self::Gzip } else { Self::None }
    }
}

enum Sink {
    Plain(Vec<u8>),
    /// What is compressed, and the rows since.
    Gzip(Box<GzEncoder<Vec<u8>>>, Vec<u8>),
}

/// Encodes the rows of a file. Holds one piece in memory.
pub struct FileEncoder {
    rows: Box<dyn RowEncoder>,
    sink: Sink,
    count: u64,
}

impl FileEncoder {
    /// Begins a file with its header.
    pub fn new(mut rows: Box<dyn RowEncoder>, compression: Compression) -> Self {
        let mut start = Vec::with_capacity(PIECE_BYTES + (PIECE_BYTES >> 2));
        rows.header(&mut start);
        let sink = match compression {
            Compression::None => Sink::Plain(start),
            Compression::Gzip => {
                // Without name and time: the same rows give the same bytes.
                let encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
                Sink::Gzip(Box::new(encoder), start)
            }
        };
        Self { rows, sink, count: 0 }
    }

    /// Adds a record. Returns a piece of the file when enough has come together.
    pub fn row(&mut self, record: Record<'_>) -> Option<Bytes> {
        self.count += 1;
        match &mut self.sink {
            Sink::Plain(out) => {
                self.rows.row(record, out);
                (out.len() >= PIECE_BYTES).then(|| piece(out))
            }
            Sink::Gzip(encoder, rows) => {
                self.rows.row(record, rows);
                if rows.len() < PIECE_BYTES {
                    return None;
                }
                compress(encoder, rows);
                let out = encoder.get_mut();
                (out.len() >= PIECE_BYTES).then(|| piece(out))
            }
        }
    }

    /// Ends the file; its last piece.
    pub fn finish(self) -> Bytes {
        let Self { mut rows, sink, .. } = self;
        match sink {
            Sink::Plain(mut out) => {
                rows.end(&mut out);
                out.into()
            }
            Sink::Gzip(mut encoder, mut last) => {
                rows.end(&mut last);
                compress(&mut encoder, &mut last);
                encoder.finish().expect("memory takes every write").into()
            }
        }
    }

    /// How many records were added.
    pub fn rows(&self) -> u64 {
        self.count
    }

    /// How many values differ from those of their records.
    pub fn altered(&self) -> u64 {
        self.rows.altered()
    }
}

fn piece(out: &mut Vec<u8>) -> Bytes {
    let piece = Bytes::copy_from_slice(out);
    out.clear();
    piece
}

fn compress(encoder: &mut GzEncoder<Vec<u8>>, rows: &mut Vec<u8>) {
    encoder.write_all(rows).expect("memory takes every write");
    rows.clear();
}

impl std::fmt::Debug for FileEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileEncoder").field("rows", &self.count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use serde_json::json;

    use super::*;
    use crate::output::NdjsonEncoder;

    fn whole(compression: Compression, rows: usize) -> (usize, Vec<u8>) {
        let mut file = FileEncoder::new(Box::new(NdjsonEncoder), compression);
        let (mut pieces, mut bytes) = (0, Vec::new());
        for n in 0..rows {
            let value = json!({"n": n, "text": "x".repeat(n % 200)});
            if let Some(piece) = file.row(value.as_object().unwrap().into()) {
                pieces += 1;
                bytes.extend_from_slice(&piece);
            }
        }
        assert_eq!(file.rows(), rows as u64);
        bytes.extend_from_slice(&file.finish());
        (pieces, bytes)
    }

    #[test]
    fn pieces_are_one_file_and_the_same_rows_give_the_same_bytes() {
        let (pieces, plain) = whole(Compression::None, 20_000);
        assert!(pieces > 5 && plain.ends_with(b"}\n"));
        let (_, gzip) = whole(Compression::Gzip, 20_000);
        assert!(gzip == whole(Compression::Gzip, 20_000).1 && gzip.len() * 4 < plain.len());
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&gzip[..]).read_to_end(&mut back).unwrap();
        assert!(back == plain, "one stream");
        assert!(whole(Compression::None, 0).1.is_empty());
    }

    #[test]
    fn the_name_of_a_file_may_ask_for_compression() {
        for (name, compression) in [
            ("a.csv.gz", Compression::Gzip),
            ("A.GZ", Compression::Gzip),
            ("a.csv", Compression::None),
            (".gz", Compression::None),
            ("gz", Compression::None),
        ] {
            assert_eq!(Compression::of_name(name), compression, "{name}");
        }
    }
}
