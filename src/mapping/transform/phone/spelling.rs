//! How a telephone number is written: punctuation, extensions, what a spreadsheet made of it. Pure.

use super::countries::Country;
use crate::domain::is_invisible;

/// The digits of a number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spelled {
    pub(super) digits: String,
    /// Whether it starts with `+`.
    pub(super) plus: bool,
    /// Whether it was stored as a floating-point number.
    pub(super) of_a_float: bool,
}

/// More zeros at the end of a number that was stored as a floating-point number stand for digits that
/// were lost: the shortest notation that spreadsheets use for eleven digits keeps six.
const ZEROS_OF_A_FLOAT: usize = 4;

/// Reads one number. The error never contains it.
pub(super) fn read(text: &str, country: Option<&Country>) -> Result<Spelled, &'static str> {
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    let number = visible.trim();
    let scheme = number.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("tel:"));
    let number = without_extension(&number[scheme.map_or(0, str::len)..]);
    let plus = number.starts_with(['+', '\u{ff0b}']);
    if let Some(digits) = of_a_float(number)? {
        return Ok(Spelled { digits, plus, of_a_float: true });
    }
    // "+44 (0)20 ..." shows the trunk prefix for readers; it is not dialled from abroad.
    let number = if plus { number.replacen("(0)", "", 1) } else { number.to_owned() };
    let mut digits = String::with_capacity(16);
    for (index, c) in number.chars().enumerate() {
        match c {
            '0'..='9' => digits.push(c),
            '+' | '\u{ff0b}' if index == 0 => {}
            '/' if digits.len() >= 6 && starts_another(&number, index, country) => {
                return Err("there is more than one phone number");
            }
            ' '
            | '\u{a0}'
            | '\u{202f}'
            | '\t'
            | '-'
            | '\u{2010}'..='\u{2013}'
            | '('
            | ')'
            | '.'
            | '/' => {}
            _ => return Err("the phone number contains an invalid character"),
        }
    }
    Ok(Spelled { digits, plus, of_a_float: false })
}

/// Whether what follows the slash at a character is a number of its own, with a trunk prefix: slashes
/// also stand between area code and number.
fn starts_another(number: &str, slash: usize, country: Option<&Country>) -> bool {
    let trunk = country.map_or("0", |country| country.trunk);
    let rest: String = number.chars().skip(slash + 1).filter(char::is_ascii_digit).collect();
    !trunk.is_empty() && rest.len() >= 6 && rest.starts_with(trunk)
}

/// The digits of a number that was stored as a floating-point number: `15123456789.0` and
/// `1.5123456789E+10` have all of them, `1.5E+10` does not. `None`: it was not.
fn of_a_float(number: &str) -> Result<Option<String>, &'static str> {
    const LOST: &str =
        "the phone number was stored as a floating-point number, and digits were lost";
    let unsigned = number.strip_prefix('+').unwrap_or(number);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let are_zeros = |text: &str| text.bytes().all(|byte| byte == b'0');
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return Ok(None);
    }
    let digits = match exponent {
        Some(exponent) => {
            let Ok(exponent) = exponent.parse::<usize>() else { return Ok(None) };
            match fraction.split_at_checked(exponent) {
                Some((digits, beyond)) if are_zeros(beyond) => [whole, digits].concat(),
                _ => return Err(LOST),
            }
        }
        None if (1..=2).contains(&fraction.len()) && are_zeros(fraction) => whole.to_owned(),
        // Other punctuation: "415.5552671" and "030.000".
        None => return Ok(None),
    };
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    if zeros > ZEROS_OF_A_FLOAT { Err(LOST) } else { Ok(Some(digits)) }
}

/// Cuts off `ext. 12`, `;ext=12`, `x12` and `#12`: E.164 has no extensions.
fn without_extension(text: &str) -> &str {
    let starts = |at: usize, mark: &str| {
        text.get(at..at + mark.len()).is_some_and(|part| part.eq_ignore_ascii_case(mark))
    };
    let mark = text
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| ["ext", ";ext", "x", "#"].iter().any(|mark| starts(*at, mark)));
    text[..mark.unwrap_or(text.len())].trim_end()
}
