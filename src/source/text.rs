//! Character sets: which one a part is written in, and a reader that turns it into UTF-8. Pure but for
//! the reader it is given.

use std::{
    fmt,
    io::{self, Read},
};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Read for a byte sequence that is no character: never part of UTF-8, so that the record is rejected.
const NO_CHARACTER: u8 = 0xff;
const INPUT_BYTES: usize = 16 << 10;
/// No encoding grows to more than three bytes of UTF-8 for each of its own.
const OUTPUT_BYTES: usize = 3 * INPUT_BYTES;
/// Of the first bytes, how many are compared to recognise UTF-16 and UTF-32.
const SAMPLE_BYTES: usize = 1024;

/// Why the text of a part cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Undecodable {
    /// UTF-32, which nothing that exports candidates writes on purpose.
    Utf32,
    /// The server declares a character set that is not known.
    Unknown,
}

/// The encoding of a part and the length of its byte order mark.
///
/// A byte order mark decides, then what the server declares, then the zero bytes of UTF-16.
pub(super) fn encoding(
    head: &[u8],
    declared: Option<&str>,
) -> Result<(&'static Encoding, usize), Undecodable> {
    if head.starts_with(&[0xff, 0xfe, 0, 0]) || head.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(Undecodable::Utf32);
    }
    if let Some(marked) = Encoding::for_bom(head) {
        return Ok(marked);
    }
    if let Some(label) = declared.map(|label| label.trim().to_ascii_lowercase()) {
        return match label.as_str() {
            // A subset of UTF-8, and what servers declare that know no better.
            "" | "us-ascii" | "ascii" | "binary" => Ok((guessed(head)?, 0)),
            label if label.starts_with("utf-32") || label.starts_with("utf32") => {
                Err(Undecodable::Utf32)
            }
            // Without a mark, the label alone does not decide the order of the bytes.
            "utf-16" | "utf16" => {
                let guessed = guessed(head)?;
                Ok((if guessed == UTF_8 { UTF_16BE } else { guessed }, 0))
            }
            label => Encoding::for_label_no_replacement(label.as_bytes())
                .map(|encoding| (encoding, 0))
                .ok_or(Undecodable::Unknown),
        };
    }
    Ok((guessed(head)?, 0))
}

/// UTF-16 without a mark has a zero in every second byte of what CSV and JSON are made of.
fn guessed(head: &[u8]) -> Result<&'static Encoding, Undecodable> {
    let sample = &head[..head.len().min(SAMPLE_BYTES)];
    let zeros = |remainder: usize| {
        sample.iter().skip(remainder).step_by(2).filter(|byte| **byte == 0).count()
    };
    let (even, odd, pairs) = (zeros(0), zeros(1), sample.len() / 2);
    if pairs < 2 {
        return Ok(UTF_8);
    }
    let many = |count: usize| count >= 2 && count * 5 >= pairs;
    if many(even) && many(odd) && even.max(odd) * 20 >= pairs * 19 {
        return Err(Undecodable::Utf32);
    }
    // Other scripts have a zero in the other half of some characters.
    Ok(if many(odd) && even * 4 <= odd {
        UTF_16LE
    } else if many(even) && odd * 4 <= even {
        UTF_16BE
    } else {
        UTF_8
    })
}

/// The data ends within a character.
#[derive(Debug, Clone, Copy)]
pub(super) struct HalfCharacter;

impl fmt::Display for HalfCharacter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the data ends within a character")
    }
}

impl std::error::Error for HalfCharacter {}

/// Text of another encoding, read as UTF-8.
pub(super) struct Transcoded<R> {
    inner: R,
    /// `None` once the data has ended.
    decoder: Option<Decoder>,
    /// Undecoded bytes from `start` to `end`.
    input: Box<[u8]>,
    start: usize,
    end: usize,
    output: Vec<u8>,
    /// How much of the output was handed out.
    given: usize,
}

impl<R: Read> Transcoded<R> {
    pub(super) fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            decoder: Some(encoding.new_decoder_without_bom_handling()),
            input: vec![0; INPUT_BYTES].into(),
            start: 0,
            end: 0,
            output: Vec::with_capacity(OUTPUT_BYTES),
            given: 0,
        }
    }

    /// Decodes some input into the output, which was handed out; leaves it empty at the end.
    fn decode(&mut self) -> io::Result<()> {
        self.output.clear();
        self.given = 0;
        while self.output.is_empty()
            && let Some(decoder) = &mut self.decoder
        {
            let mut ended = false;
            if self.start == self.end {
                (self.start, self.end) = (0, self.inner.read(&mut self.input)?);
                ended = self.end == 0;
            }
            self.output.resize(OUTPUT_BYTES, 0);
            let input = &self.input[self.start..self.end];
            let (result, read, written) =
                decoder.decode_to_utf8_without_replacement(input, &mut self.output, ended);
            self.output.truncate(written);
            self.start += read;
            match result {
                DecoderResult::Malformed(..) if ended => {
                    return Err(io::Error::other(HalfCharacter));
                }
                DecoderResult::Malformed(..) => self.output.push(NO_CHARACTER),
                DecoderResult::InputEmpty if ended => self.decoder = None,
                DecoderResult::InputEmpty | DecoderResult::OutputFull => {}
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Transcoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.output.len() {
            self.decode()?;
        }
        let count = buffer.len().min(self.output.len() - self.given);
        buffer[..count].copy_from_slice(&self.output[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn a_mark_decides_then_the_declaration_then_the_zeros() {
        let text = "First Name,Email\n";
        let (le, be) = (utf16(text, u16::to_le_bytes), utf16(text, u16::to_be_bytes));
        assert_eq!(encoding(&[&[0xff, 0xfe], &le[..]].concat(), None), Ok((UTF_16LE, 2)));
        assert_eq!(encoding(&[&[0xfe, 0xff], &be[..]].concat(), Some("utf-8")), Ok((UTF_16BE, 2)));
        assert_eq!(encoding(b"\xef\xbb\xbfid", Some("iso-8859-1")), Ok((UTF_8, 3)));
        assert_eq!(encoding(&le, None), Ok((UTF_16LE, 0)));
        assert_eq!(encoding(&be, None), Ok((UTF_16BE, 0)));
        assert_eq!(encoding(&le, Some("UTF-16")), Ok((UTF_16LE, 0)));
        assert_eq!(encoding(&be, Some("utf-16")), Ok((UTF_16BE, 0)));
        assert_eq!(encoding(b"id\n", Some(" Latin1 ")), Ok((encoding_rs::WINDOWS_1252, 0)));
        assert_eq!(encoding(b"id\n", Some("us-ascii")), Ok((UTF_8, 0)));
        assert_eq!(encoding(b"id\n", Some("klingon")), Err(Undecodable::Unknown));
        for few in [&b""[..], b"i", b"id", b"id,a\0b\n1,2", "名前,メール".as_bytes()] {
            assert_eq!(encoding(few, None), Ok((UTF_8, 0)), "{few:?}");
        }
    }

    #[test]
    fn utf_32_is_recognised_with_and_without_a_mark() {
        let bytes: Vec<u8> =
            "id,title\n".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        assert_eq!(encoding(&bytes, None), Err(Undecodable::Utf32));
        let marked = [&[0xff, 0xfe, 0, 0], &bytes[..]].concat();
        assert_eq!(encoding(&marked, None), Err(Undecodable::Utf32));
        let big: Vec<u8> = "id,title\n".chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
        assert_eq!(encoding(&big, None), Err(Undecodable::Utf32));
        assert_eq!(encoding(b"id", Some("UTF-32LE")), Err(Undecodable::Utf32));
    }

    #[test]
    fn text_of_any_length_comes_back_and_broken_characters_are_noticed() {
        let text = "Zoë, 名前, 😀\n".repeat(20_000);
        let mut back = Vec::new();
        let bytes = utf16(&text, u16::to_le_bytes);
        Transcoded::new(&bytes[..], UTF_16LE).read_to_end(&mut back).unwrap();
        assert_eq!(back, text.as_bytes());
        let lone = [&b"a\0"[..], &[0x3d, 0xd8], b"b\0"].concat();
        let mut back = Vec::new();
        Transcoded::new(&lone[..], UTF_16LE).read_to_end(&mut back).unwrap();
        assert_eq!(back, b"a\xffb", "a lone surrogate");
        for half in [&b"a\0b"[..], &[b'a', 0, 0x3d, 0xd8]] {
            let mut back = Vec::new();
            let error = Transcoded::new(half, UTF_16LE).read_to_end(&mut back).unwrap_err();
            assert!(error.get_ref().unwrap().is::<HalfCharacter>());
            assert_eq!(back, b"a");
        }
    }
}
