//! Zero bytes between and after compressed members: tapes and block devices fill up with them.

use std::io::{self, BufRead};

/// Skips zero bytes; true at the end of the data.
pub(super) fn skip(source: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = source.fill_buf()?;
        if bytes.is_empty() {
            return Ok(true);
        }
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let all = zeros == bytes.len();
        source.consume(zeros);
        if !all {
            return Ok(false);
        }
    }
}
