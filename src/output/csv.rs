//! CSV: RFC 4180 with CRLF, quotes where they are needed, UTF-8. Pure.

use csv_core::{Terminator, WriteResult, Writer, WriterBuilder};
use serde_json::Value;

use super::{
    Record, RowEncoder,
    cell::{Cell, text},
    layout::{COLUMNS, Column, IMPORT_COLUMNS},
};

/// What the first line consists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Header {
    /// Names for people, which `source` knows.
    #[default]
    Names,
    /// Profile paths.
    Paths,
    /// There is none.
    None,
}

/// What is done about cells that a spreadsheet would compute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Formulas {
    /// They get one `'` in front, as do cells that begin with one: a reader removes exactly one.
    #[default]
    Escape,
    /// Nothing.
    Keep,
}

/// How a CSV file is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CsvStyle {
    /// The first line.
    pub header: Header,
    /// Cells that a spreadsheet would compute.
    pub formulas: Formulas,
    /// Whether the file begins with a byte order mark, by which Excel recognises UTF-8.
    pub bom: bool,
}

/// A column of mapped attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The attribute, and the name of the column.
    pub attribute: String,
    /// The profile path that it is mapped from, if it is one.
    pub path: Option<String>,
}

enum Columns {
    Fixed(Vec<Column>),
    Mapped(Vec<Field>),
}

/// Writes profiles in the fixed layout of hireEZ exports, or mapped attributes in the order of their
/// mapping.
pub struct CsvEncoder {
    columns: Columns,
    style: CsvStyle,
    writer: Writer,
    /// Reused.
    cell: Cell,
}

impl CsvEncoder {
    /// For profiles.
    pub fn of_profiles(style: CsvStyle) -> Self {
        Self::of(Columns::Fixed(COLUMNS.to_vec()), style)
    }

    /// For the records of an import: profiles, and what the member `clinch` says about each.
    pub fn of_imported(style: CsvStyle) -> Self {
        let columns = IMPORT_COLUMNS.iter().chain(&COLUMNS).copied().collect();
        Self::of(Columns::Fixed(columns), style)
    }

    /// For mapped attributes.
    pub fn of_attributes(fields: Vec<Field>, style: CsvStyle) -> Self {
        Self::of(Columns::Mapped(fields), style)
    }

    fn of(columns: Columns, style: CsvStyle) -> Self {
        let writer = WriterBuilder::new().terminator(Terminator::CRLF).build();
        Self { columns, style, writer, cell: Cell::default() }
    }

    /// Writes the cell as the next of its row.
    fn finish_cell(&mut self, first: bool, out: &mut Vec<u8>) {
        if self.style.formulas == Formulas::Escape {
            self.cell.escape();
        }
        if !first {
            append(out, 1, |buffer| self.writer.delimiter(buffer));
        }
        let mut input = self.cell.as_bytes();
        while !input.is_empty() {
            // Room for quotes around it, and for each of its own to be doubled.
            append(out, 2 * input.len() + 2, |buffer| {
                let (result, read, written) = self.writer.field(input, buffer);
                input = &input[read..];
                (result, written)
            });
        }
    }

    fn finish_row(&mut self, out: &mut Vec<u8>) {
        // A quote that is still open, then the line break.
        append(out, 4, |buffer| self.writer.terminator(buffer));
    }
}

/// Appends what `write` writes into a buffer of this size, which is large enough.
fn append(out: &mut Vec<u8>, size: usize, write: impl FnOnce(&mut [u8]) -> (WriteResult, usize)) {
    let start = out.len();
    out.resize(start + size + 2, 0);
    let (_, written) = write(&mut out[start..]);
    out.truncate(start + written);
}

impl RowEncoder for CsvEncoder {
    fn header(&mut self, out: &mut Vec<u8>) {
        if self.style.bom {
            out.extend_from_slice("\u{feff}".as_bytes());
        }
        let names: Vec<String> = match (&self.columns, self.style.header) {
            (_, Header::None) => return,
            (Columns::Fixed(columns), Header::Names) => {
                columns.iter().map(|column| column.name.to_owned()).collect()
            }
            (Columns::Fixed(columns), Header::Paths) => {
                columns.iter().map(|column| column.path.to_owned()).collect()
            }
            (Columns::Mapped(fields), Header::Names) => {
                fields.iter().map(|field| field.attribute.clone()).collect()
            }
            (Columns::Mapped(fields), Header::Paths) => {
                let path = |field: &Field| field.path.as_ref().unwrap_or(&field.attribute).clone();
                fields.iter().map(path).collect()
            }
        };
        for (at, name) in names.into_iter().enumerate() {
            self.cell.clear();
            self.cell.put(&Value::String(name));
            self.finish_cell(at == 0, out);
        }
        self.finish_row(out);
    }

    fn row(&mut self, record: Record<'_>, out: &mut Vec<u8>) {
        let count = match &self.columns {
            Columns::Fixed(columns) => columns.len(),
            Columns::Mapped(fields) => fields.len(),
        };
        for at in 0..count {
            self.cell.clear();
            match &self.columns {
                Columns::Fixed(columns) => columns[at].fill(record.members, &mut self.cell),
                Columns::Mapped(fields) => match record.members.get(&fields[at].attribute) {
                    Some(Value::Array(items)) if items.iter().all(is_plain) => {
                        items.iter().for_each(|item| self.cell.push(&text(item), ","));
                    }
                    Some(value) => self.cell.put(value),
                    None => {}
                },
            }
            self.finish_cell(at == 0, out);
        }
        self.finish_row(out);
    }

    fn altered(&self) -> u64 {
        self.cell.altered()
    }
}

/// Whether an item of a list can be written without brackets.
fn is_plain(item: &Value) -> bool {
    !matches!(item, Value::Array(_) | Value::Object(_))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(mut encoder: CsvEncoder, records: &[Value]) -> String {
        let mut out = Vec::new();
        encoder.header(&mut out);
        for record in records {
            encoder.row(record.as_object().unwrap().into(), &mut out);
        }
        encoder.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cells_are_quoted_where_needed_and_lines_end_with_crlf() {
        let fields = ["a", "b", "c"].map(|name| Field {
            attribute: name.to_owned(),
            path: (name == "b").then(|| "emails[0].value".to_owned()),
        });
        let style = CsvStyle { header: Header::Paths, ..CsvStyle::default() };
        let records = [
            json!({"a": "x \"y\"", "b": "1,2", "c": "l\r\nm"}),
            json!({"a": null, "b": ["p;q", 2, "r"], "c": {"z": [1]}}),
            json!({"b": "=1+1"}),
        ];
        assert_eq!(
            written(CsvEncoder::of_attributes(fields.to_vec(), style), &records),
            "a,emails[0].value,c\r\n\"x \"\"y\"\"\",\"1,2\",\"l\r\nm\"\r\n,\"p,q;2;r\",\"{\"\"z\"\":[1]}\"\r\n,'=1+1,\r\n"
        );
    }

    #[test]
    fn a_row_of_one_empty_cell_is_no_empty_line() {
        let one = vec![Field { attribute: "a".to_owned(), path: None }];
        let style = CsvStyle { header: Header::None, bom: true, ..CsvStyle::default() };
        let text = written(CsvEncoder::of_attributes(one, style), &[json!({}), json!({"a": "x"})]);
        assert_eq!(text, "\u{feff}\"\"\r\nx\r\n");
    }

    #[test]
    fn a_file_of_an_import_says_whose_each_record_is() {
        let records = [
            json!({"clinch": {"op": "upsert", "id": "c1", "revision": "9c1e", "import": "a/b",
                "updatedAt": "2026-11-25T22:07:51Z"}, "firstName": "Jane"}),
            json!({"clinch": {"op": "tombstone", "id": "c2", "reason": "Deleted", "import": "a/b"}}),
        ];
        let text = written(CsvEncoder::of_imported(CsvStyle::default()), &records);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert!(lines[0].starts_with("Clinch Id,Clinch Op,Clinch Revision,Clinch Updated At,Id,"));
        assert!(lines[1].starts_with("c1,upsert,9c1e,2026-11-25T22:07:51Z,,Jane,"), "{text}");
        assert_eq!(lines[2], format!("c2,tombstone{}", ",".repeat(27)));
    }

    #[test]
    fn the_layout_of_people_has_a_fixed_header() {
        let names = written(CsvEncoder::of_profiles(CsvStyle::default()), &[]);
        assert!(names.starts_with("Id,First Name,Last Name,Full Name,Title,Current Company,"));
        assert!(names.ends_with(",Summary,Last Refreshed At\r\n"), "{names}");
        let style = CsvStyle { header: Header::Paths, ..CsvStyle::default() };
        let paths = written(CsvEncoder::of_profiles(style), &[]);
        assert!(paths.contains("location.raw,location.city") && paths.contains("emails[].value"));
    }
}
