//! Zstandard data as a reader: frame by frame, each verified by its checksum. Reads from the reader
//! it is given. Refuses frames with an unusually large window.

use std::io::{self, BufReader, Read};

use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

use super::padding;

/// The largest window of a frame, in bytes: the default limit of the reference tools.
const MAX_WINDOW: u64 = 128 << 20;

pub(super) struct ZstdFrames<R> {
    source: BufReader<R>,
    frame: FrameDecoder,
    within: bool,
}

impl<R: Read> ZstdFrames<R> {
    pub(super) fn new(source: R) -> Self {
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(MAX_WINDOW);
        Self { source: BufReader::with_capacity(64 << 10, source), frame, within: false }
    }

    /// Starts the next frame; false at the end. Zeros between and after frames are padding.
    fn start_frame(&mut self) -> io::Result<bool> {
        while !padding::skip(&mut self.source)? {
            match self.frame.reset(&mut self.source) {
                Ok(()) => {
                    self.within = true;
                    return Ok(true);
                }
                Err(error) => {
                    let length = skippable(&error).ok_or_else(|| damaged(error))?;
                    let skipped = io::copy(&mut (&mut self.source).take(length), &mut io::sink())?;
                    if skipped < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
            }
        }
        Ok(false)
    }
}

/// The length of a frame that holds no data.
fn skippable(error: &FrameDecoderError) -> Option<u64> {
    match error {
        FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
            length, ..
        }) => Some(u64::from(*length)),
        _ => None,
    }
}

fn damaged(error: FrameDecoderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl<R: Read> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.frame.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            if !self.within {
                if self.start_frame()? {
                    continue;
                }
                return Ok(0);
            }
            if self.frame.is_finished() {
                let (stored, computed) =
                    (self.frame.get_checksum_from_data(), self.frame.get_calculated_checksum());
                if stored.is_some() && stored != computed {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                self.within = false;
                continue;
            }
            self.frame
                .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(damaged)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn frame(text: &str) -> Vec<u8> {
        compress_to_vec(text.as_bytes(), CompressionLevel::Fastest)
    }

    fn decoded(data: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        ZstdFrames::new(data).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn frames_follow_each_other_and_empty_ones_are_skipped() {
        let long = "candidate ".repeat(100_000);
        let skip = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0], &b"abc"[..]].concat();
        let data = [frame("one,"), skip.clone(), frame(&long), frame("")].concat();
        assert_eq!(decoded(&data).unwrap(), format!("one,{long}"));
        assert_eq!(decoded(&[]).unwrap(), "");
        let padded = [frame("one,"), vec![0; 512], frame("two"), vec![0; 70_000]].concat();
        assert_eq!(decoded(&padded).unwrap(), "one,two");
        assert!(decoded(&skip[..9]).is_err(), "cut off inside a skipped frame");
    }

    #[test]
    fn data_that_is_cut_off_or_damaged_is_refused() {
        let data = frame(&"candidate ".repeat(100));
        for cut in 1..data.len() {
            assert!(decoded(&data[..cut]).is_err(), "{cut} of {}", data.len());
        }
        assert!(decoded(&[&data[..], b"trailing"].concat()).is_err());
        // A window of 2 GiB.
        assert!(decoded(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0, 0]).is_err());
    }
}
