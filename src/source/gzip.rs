//! Gzip data as a reader: member by member, each verified by its checksum. Reads from the reader it is
//! given.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

use super::padding;

pub(super) struct GzipMembers<R> {
    /// Moves between the two: a member's decoder owns the source until the member ends.
    state: Option<State<BufReader<R>>>,
}

enum State<B> {
    Between { source: B, any: bool },
    Within(Box<GzDecoder<B>>),
}

impl<R: Read> GzipMembers<R> {
    pub(super) fn new(source: R) -> Self {
        let source = BufReader::with_capacity(64 << 10, source);
        Self { state: Some(State::Between { source, any: false }) }
    }
}

impl<R: Read> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            // Taken and put back: an error in between leaves nothing that could be read further.
            match self.state.take().ok_or(io::ErrorKind::InvalidData)? {
                State::Between { mut source, any } => {
                    let ended =
                        if any { padding::skip(&mut source)? } else { is_empty(&mut source)? };
                    if ended {
                        self.state = Some(State::Between { source, any });
                        return Ok(0);
                    }
                    self.state = Some(State::Within(Box::new(GzDecoder::new(source))));
                }
                State::Within(mut member) => {
                    let count = member.read(buffer)?;
                    if count > 0 {
                        self.state = Some(State::Within(member));
                        return Ok(count);
                    }
                    self.state = Some(State::Between { source: member.into_inner(), any: true });
                }
            }
        }
    }
}

fn is_empty(source: &mut impl BufRead) -> io::Result<bool> {
    Ok(source.fill_buf()?.is_empty())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn member(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(data: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        GzipMembers::new(data).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn members_follow_each_other_and_zeros_after_one_are_padding() {
        let long = "candidate ".repeat(100_000);
        let data = [member("one,"), member(&long), member("")].concat();
        assert_eq!(decoded(&data).unwrap(), format!("one,{long}"));
        for padding in [1, 511, 200_000] {
            let padded = [&data[..], &vec![0; padding]].concat();
            assert_eq!(decoded(&padded).unwrap(), format!("one,{long}"));
        }
        let apart = [member("one,"), vec![0; 512], member("two")].concat();
        assert_eq!(decoded(&apart).unwrap(), "one,two", "archives are padded to blocks");
    }

    #[test]
    fn data_that_is_cut_off_damaged_or_followed_by_something_else_is_refused() {
        let data = member(&"candidate ".repeat(100));
        for cut in 1..data.len() {
            assert!(decoded(&data[..cut]).is_err(), "{cut} of {}", data.len());
        }
        assert!(decoded(&[&data[..], b"trailing"].concat()).is_err());
        assert!(decoded(&[&data[..], &[0, 0], b"trailing"].concat()).is_err());
        let mut damaged = data.clone();
        let at = damaged.len() - 6;
        damaged[at] ^= 1;
        assert!(decoded(&damaged).is_err(), "the checksum does not match");
    }
}
