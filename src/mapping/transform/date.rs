//! Converts dates from one format to another. Pure: uses neither a clock nor time zone data.

use jiff::{
    civil::{DateTime, Time},
    fmt::{strtime::BrokenDownTime, temporal::Pieces},
};

/// Directives that depend on no locale and no data.
const DIRECTIVES: &str = "YmdHMSybBejFTzfpIaA%";

/// Input formats and output format.
#[derive(Debug)]
pub struct Formats {
    from: Vec<Box<str>>,
    to: Box<str>,
}

impl Formats {
    /// Checks the formats. No `from` means RFC 3339 or a plain date, no `to` means `%Y-%m-%d`.
    pub fn compile(from: &[String], to: Option<&str>) -> Result<Self, String> {
        let to = to.unwrap_or("%Y-%m-%d");
        for format in from.iter().map(String::as_str).chain([to]) {
            check(format)?;
        }
        let sample = DateTime::constant(2000, 2, 29, 13, 14, 15, 0);
        let mut sample = BrokenDownTime::from(sample);
        sample.set_offset(Some(jiff::tz::Offset::UTC));
        sample.to_string(to).map_err(|_| "the output format is not usable".to_owned())?;
        Ok(Self { from: from.iter().map(|f| f.as_str().into()).collect(), to: to.into() })
    }

    /// Parses a date strictly and formats it. The error never contains the date.
    pub fn convert(&self, text: &str) -> Result<String, &'static str> {
        const UNREADABLE: &str = "the date is not in an accepted format";
        let read = if self.from.is_empty() {
            rfc3339(text.trim())
        } else {
            self.from.iter().find_map(|format| strict(format, text.trim()))
        };
        let read = read.ok_or(UNREADABLE)?;
        read.to_string(&*self.to).map_err(|_| "the date lacks parts that the output format needs")
    }
}

/// Whether a date that was read in the format `from` and written in the format `to` can be read and
/// written back as it was.
pub fn comes_back(from: &str, to: Option<&str>) -> bool {
    const SAMPLES: [&str; 3] =
        ["1950-12-31T23:59:58+00:00", "2000-02-29T13:14:15+00:00", "2031-07-04T00:00:00+00:00"];
    let written = to.unwrap_or("%Y-%m-%d");
    let formats = (
        Formats::compile(&[], Some(from)),
        Formats::compile(&[from.to_owned()], Some(written)),
        Formats::compile(&[written.to_owned()], Some(from)),
    );
    let (Ok(sample), Ok(there), Ok(back)) = formats else { return false };
    SAMPLES.iter().all(|date| {
        let given = sample.convert(date);
        let returned =
            given.as_ref().map(|given| there.convert(given).and_then(|sent| back.convert(&sent)));
        returned.is_ok_and(|returned| returned == given)
    })
}

fn check(format: &str) -> Result<(), String> {
    let mut any = false;
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            continue;
        }
        let mut directive = rest.next();
        if matches!(directive, Some('.' | ':')) {
            let allowed = if directive == Some('.') { 'f' } else { 'z' };
            directive = rest.next().filter(|c| *c == allowed);
        }
        match directive {
            Some('%') => {}
            Some(c) if DIRECTIVES.contains(c) => any = true,
            _ => {
                return Err(format!(
                    "a date format may contain %Y %m %d %H %M %S %y %b %B %e %j %F %T %z %:z %f %.f %p \
                     %I %a %A %%; '{}' has another directive",
                    crate::mapping::issue::shown(format)
                ));
            }
        }
    }
    if any { Ok(()) } else { Err("a date format needs a directive such as %Y".to_owned()) }
}

/// Parses with one format; refuses a day that the month does not have.
fn strict(format: &str, text: &str) -> Option<BrokenDownTime> {
    let read = BrokenDownTime::parse(format, text).ok()?;
    let whole = (read.month().is_some() && read.day().is_some()) || read.day_of_year().is_some();
    if !whole || read.year().is_none() {
        return Some(read);
    }
    // Filled in from the date, so that %j can be read and %Y-%m-%d written.
    let date = read.to_date().ok()?;
    let time = if read.hour().is_some() { read.to_time().ok()? } else { Time::MIN };
    let mut filled = BrokenDownTime::from(date.to_datetime(time));
    filled.set_offset(read.offset());
    Some(filled)
}

/// Parses `2024-01-31` or RFC 3339. The day is the one written, whatever the offset.
fn rfc3339(text: &str) -> Option<BrokenDownTime> {
    // The parser also accepts forms without separators, and signed years.
    let plain = text.len() >= 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
    if !plain || text.contains('[') {
        return None;
    }
    let pieces = Pieces::parse(text).ok()?;
    if text.len() == 10 {
        return Some(BrokenDownTime::from(pieces.date().to_datetime(Time::MIN)));
    }
    let mut read = BrokenDownTime::from(pieces.date().to_datetime(pieces.time()?));
    read.set_offset(Some(pieces.to_numeric_offset()?));
    Some(read)
}
