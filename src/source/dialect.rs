//! How the cells of a CSV part are separated, and whether its first line is the header: found by trying
//! each separator on the first rows. Pure.

use super::{
    HeaderFault,
    columns::is_blank,
    names::Names,
    rows::{SampleRow, sample},
};

/// The separators that are tried; the first of equally good ones is used.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// How many rows are compared.
const ROWS: usize = 50;
/// Within how many rows a header is looked for.
const TITLE_ROWS: usize = 20;

/// How the cells of a part are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) separator: u8,
    /// Whether the part begins with a line `sep=`.
    pub(super) has_line: bool,
}

/// Finds the separator in the first bytes of a part. `whole`: there are no others.
pub(super) fn find(head: &[u8], whole: bool, names: &Names<'_>) -> Result<Dialect, HeaderFault> {
    if let Some(separator) = sep_line(head) {
        return Ok(Dialect { separator: separator?, has_line: true });
    }
    let tried = SEPARATORS.map(|separator| (separator, sample(head, separator, whole, ROWS)));
    let mut best: Option<(Fit, u8, &[SampleRow])> = None;
    for (separator, rows) in &tried {
        let first = rows.iter().position(|row| !row.cells.iter().all(|cell| is_blank(cell)));
        let rows = &rows[first.unwrap_or(rows.len())..];
        let fit = Fit::of(rows, names);
        if best.as_ref().is_none_or(|(other, ..)| fit > *other) {
            best = Some((fit, *separator, rows));
        }
    }
    let (fit, separator, rows) = best.ok_or(HeaderFault::Missing)?;
    if fit.known == 0 {
        check_title(rows, names)?;
    }
    Ok(Dialect { separator, has_line: false })
}

/// The separator of a line `sep=;`, which Excel writes and reads.
fn sep_line(head: &[u8]) -> Option<Result<u8, HeaderFault>> {
    let end = head.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(head.len());
    let line = head[..end].strip_prefix(b"\"").unwrap_or(&head[..end]);
    let (start, rest) = line.split_at_checked(4)?;
    if !start.eq_ignore_ascii_case(b"sep=") {
        return None;
    }
    // A spreadsheet that saved the file again has quoted the line, or filled it up with separators.
    let usable =
        |byte: &u8| (byte.is_ascii_punctuation() && *byte != b'"') || matches!(byte, b'\t' | b' ');
    let separator = rest.first().copied().filter(usable);
    let alone = rest.iter().all(|byte| Some(*byte) == separator || *byte == b'"');
    Some(separator.filter(|_| alone).ok_or(HeaderFault::SepLine))
}

/// How well a separator fits the first rows. The order of the members is that of their weight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// Known headers in the first row.
    known: usize,
    /// Known headers in a later row that looks like a header.
    known_later: usize,
    /// Rows that fit the header, times the separators in it.
    separated: usize,
    /// The same from the second row on, for a first row that is a title.
    separated_later: usize,
}

impl Fit {
    fn of(rows: &[SampleRow], names: &Names<'_>) -> Self {
        let Some((header, rest)) = rows.split_first() else { return Self::default() };
        let later = rest.iter().take(TITLE_ROWS).filter(|row| is_header(row, names));
        Self {
            known: known(header, names),
            known_later: later.map(|row| known(row, names)).max().unwrap_or_default(),
            separated: separated(rows),
            separated_later: separated(rest),
        }
    }
}

/// How many rows fit the first, times the separators in it.
fn separated(rows: &[SampleRow]) -> usize {
    let Some((header, rest)) = rows.split_first() else { return 0 };
    let columns = named(&header.cells)..=header.cells.len();
    let fits = |row: &&SampleRow| {
        let filled = named(&row.cells);
        filled == 0 || (row.cells.len() >= *columns.start() && filled <= *columns.end())
    };
    (1 + rest.iter().filter(fits).count()) * (header.cells.len() - 1)
}

/// How many cells there are up to the last that is not blank.
fn named(cells: &[String]) -> usize {
    cells.iter().rposition(|cell| !is_blank(cell)).map_or(0, |last| last + 1)
}

fn known(row: &SampleRow, names: &Names<'_>) -> usize {
    row.cells.iter().filter(|cell| names.is_known(cell)).count()
}

/// Whether a row after the first is the header rather than data.
fn is_header(row: &SampleRow, names: &Names<'_>) -> bool {
    let (filled, known) =
        (row.cells.iter().filter(|cell| !is_blank(cell)).count(), known(row, names));
    known > 0 && (known == filled || (known >= 2 && known * 2 >= filled))
}

/// Refuses a first row that is a title or comment.
fn check_title(rows: &[SampleRow], names: &Names<'_>) -> Result<(), HeaderFault> {
    let Some((first, rest)) = rows.split_first() else { return Ok(()) };
    if let Some(row) = rest.iter().take(TITLE_ROWS).find(|row| is_header(row, names)) {
        return Err(HeaderFault::Title { line: row.line });
    }
    let filled = rest.iter().filter(|row| named(&row.cells) > 0);
    let mut counts = filled.map(|row| row.cells.len());
    match counts.next() {
        Some(cells)
            if cells > 1 && first.cells.len() == 1 && counts.all(|count| count == cells) =>
        {
            Err(HeaderFault::OneCell { line: first.line, cells })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn found(text: &str) -> Result<char, HeaderFault> {
        let headers = BTreeMap::from([("Naam".to_owned(), "fullName".to_owned())]);
        find(text.as_bytes(), true, &Names::of(&headers)).map(|found| char::from(found.separator))
    }

    #[test]
    fn the_separator_is_the_one_that_gives_known_headers_and_rows_that_fit() {
        let table = [
            ("First Name,Email\nAnn,a@x.org\n", ','),
            ("First Name;Last Name;Email;\"City, State\"\nA;B;a@x.org;\"Salem, OR\"\n", ';'),
            ("\"First Name\"\t\"Email\"\n", '\t'),
            ("First Name|Email|Tags\nAnn|a@x.org|x;y,z\n", '|'),
            ("Email\na@x.org\n", ','),
            ("Email,Skills\na@x.org,Rust;Go;SQL\nb@x.org,Go;C\n", ','),
            ("Email;Skills\na@x.org;Rust,Go,SQL\nb@x.org;Go,C\n", ';'),
            ("Email;Skills\n\"a@x.org\";\"one\ntwo, three\"\n", ';'),
            ("a;b;c\n1;2;3\n", ';'),
            ("a|b\n\"1,5\"|\"2,5\"\n", '|'),
            ("naam;plaats\nx;y\n", ';'),
            ("sep=;\na,b;c\n", ';'),
            ("SEP=\t\r\na\tb\n", '\t'),
            ("\"sep=,\"\na;b,c\n", ','),
            ("sep=^^^\na^b^c\n", '^'),
            ("", ','),
        ];
        for (text, separator) in table {
            assert_eq!(found(text), Ok(separator), "{text:?}");
        }
    }

    #[test]
    fn one_bad_row_does_not_outvote_the_header() {
        let rows = "x,y,z\n".repeat(8);
        assert_eq!(found(&format!("a,b,c\n{rows}x,y\n{rows}")), Ok(','));
    }

    #[test]
    fn lines_before_the_header_are_told_apart() {
        let title = |line| Err(HeaderFault::Title { line });
        assert_eq!(found("Candidates 2026\n\nFirst Name,Email\nAnn,a@x.org\n"), title(3));
        assert_eq!(found("# exported, by Ann\nFirst Name;Email\nAnn;a@x.org\n"), title(2));
        assert_eq!(found("Report,,\n,,\nNaam,Email,City\nAnn,a@x.org,Oslo\n"), title(3));
        let one = Err(HeaderFault::OneCell { line: 1, cells: 3 });
        assert_eq!(found("My export\na;b;c\n1;2;3\n"), one);
        assert_eq!(found("a,b\nname,title\n"), title(2), "the words of a header");
        assert_eq!(found("Plaats,Optie\nOslo,name of city\n"), Ok(','));
    }

    #[test]
    fn a_sep_line_without_one_separator_is_refused() {
        for line in ["sep=", "sep=ab", "sep=\"", "sep=,;"] {
            assert_eq!(found(&format!("{line}\na,b\n")), Err(HeaderFault::SepLine), "{line}");
        }
    }
}
