//! Telephone numbers to E.164. Pure.
//!
//! Checks the form of a number (country code, length), not whether it is assigned: a full numbering
//! plan takes megabytes and becomes outdated. The rules are in `docs/MAPPING.md` too. A number that can
//! be read in two ways is refused: a wrong number is worse than none.

mod countries;
mod spelling;

use std::{borrow::Cow, ops::RangeInclusive};

#[cfg(test)]
pub use countries::COUNTRIES;
use countries::called_by;
pub use countries::{Country, country};
use spelling::Spelled;

use crate::domain::is_invisible;

/// The exit code that the ITU recommends, understood in every country.
const COMMON_EXIT: &str = "00";

/// How many digits a number has that may be national: five of a small local network at least, an exit
/// code before an E.164 number at most.
const WRITTEN: RangeInclusive<usize> = 5..=20;

const LENGTH: &str = "the phone number has too few or too many digits";

/// Formats a number as `+` and digits. The error never contains the number.
pub fn to_e164(text: &str, country: Option<&Country>) -> Result<String, &'static str> {
    let Spelled { digits, plus, .. } = spelling::read(text, country)?;
    if plus {
        return checked(&digits).map(|number| number.text);
    }
    let own = country.map_or(&[][..], |country| country.exits);
    let abroad: Vec<&str> =
        own.iter().chain([&COMMON_EXIT]).filter_map(|exit| digits.strip_prefix(exit)).collect();
    if !abroad.is_empty() {
        return only(abroad.into_iter().map(checked));
    }
    let Some(country) = country else {
        return Err("the phone number has no country code; set defaultCountry");
    };
    let trunk = Some(country.trunk).filter(|trunk| !trunk.is_empty());
    if let Some(national) = trunk.and_then(|trunk| digits.strip_prefix(trunk)) {
        return within(country, national);
    }
    match digits.strip_prefix(country.code) {
        Some(rest) => with_or_without_code(country, &digits, rest),
        None => within(country, &digits),
    }
}

/// A number as it is written, without invisible characters, if it is one: international or of a country
/// that is not known. One that was stored as a floating-point number is written with its digits. The
/// error never contains it.
pub fn as_written(text: Cow<'_, str>) -> Result<Cow<'_, str>, &'static str> {
    let Spelled { digits, plus, of_a_float } = spelling::read(&text, None)?;
    if !WRITTEN.contains(&digits.len()) {
        return Err(LENGTH);
    }
    if digits.bytes().all(|digit| digits.as_bytes().first() == Some(&digit)) {
        return Err("the phone number is one digit repeated");
    }
    match (of_a_float, plus) {
        (false, _) if text.contains(is_invisible) => Ok(text.replace(is_invisible, "").into()),
        (false, _) => Ok(text),
        (true, true) => Ok(["+", &digits].concat().into()),
        (true, false) => Ok(digits.into()),
    }
}

/// A number that starts with its country's own code, without `+`: the code may be meant, as where a
/// spreadsheet dropped the `+`, or these may be the first digits of a national number.
fn with_or_without_code(
    country: &Country,
    national: &str,
    rest: &str,
) -> Result<String, &'static str> {
    const TWO_WAYS: &str = "the phone number starts with its country's code, but may be a national \
                            number; it needs + or the national prefix";
    let fits = [Country::has_usually, Country::has]
        .map(|has| (has(country, national.len()), has(country, rest.len())));
    match fits.into_iter().find(|(whole, part)| *whole || *part) {
        Some((true, true)) => Err(TWO_WAYS),
        Some((false, true)) => Ok(["+", national].concat()),
        Some((_, false)) | None => within(country, national),
    }
}

/// A number of the country, without any prefix.
fn within(country: &Country, national: &str) -> Result<String, &'static str> {
    checked(&[country.code, national].concat()).map(|number| number.text)
}

/// The only reading that is a number, of those that stand best.
fn only(
    readings: impl Iterator<Item = Result<Number, &'static str>>,
) -> Result<String, &'static str> {
    let mut refused = LENGTH;
    let mut numbers: Vec<Number> = Vec::new();
    for reading in readings {
        match reading {
            Ok(number) => numbers.push(number),
            Err(why) => refused = why,
        }
    }
    let best = numbers.iter().map(|number| number.standing).max();
    numbers.retain(|number| Some(number.standing) == best);
    numbers.dedup();
    match (numbers.pop(), numbers.is_empty()) {
        (Some(number), true) => Ok(number.text),
        (Some(_), false) => {
            Err("the exit code of the phone number can be read in two ways; write + instead")
        }
        (None, _) => Err(refused),
    }
}

/// An international number.
#[derive(PartialEq, Eq)]
struct Number {
    text: String,
    standing: Standing,
}

/// What is known of the number's length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// The country is not in the table.
    Unknown,
    /// Some numbers of the country are as long.
    Possible,
    /// The lines of people are as long.
    Usual,
}

/// Checks the length: by country if the table has the code, otherwise by E.164.
fn checked(digits: &str) -> Result<Number, &'static str> {
    if digits.starts_with('0') {
        return Err("the country code of the phone number starts with 0");
    }
    let known = called_by(digits);
    let (least, most) = known.map_or((7, 15), |country| {
        (country.code.len() + country.digits.0, country.code.len() + country.digits.1)
    });
    if digits.len() < least || digits.len() > most.min(15) {
        return Err(LENGTH);
    }
    let standing = match known {
        Some(country) if country.has_usually(digits.len() - country.code.len()) => Standing::Usual,
        Some(_) => Standing::Possible,
        None => Standing::Unknown,
    };
    Ok(Number { text: ["+", digits].concat(), standing })
}
