//! Telephone numbers to E.164. Pure.
//!
//! Checks the form of a number (country code, length), not whether it is assigned: a full numbering
//! plan takes megabytes and becomes outdated. The table is in `docs/MAPPING.md` too.

/// How a country's national numbers become international ones.
#[derive(Debug, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166 two-letter code.
    pub iso: &'static str,
    /// Country calling code.
    pub code: &'static str,
    /// Prefix dialled before the area code within the country, dropped from abroad.
    trunk: &'static str,
    /// Prefix dialled before the country code of another country.
    exit: &'static str,
    /// Minimum and maximum number of digits after the country code.
    digits: (usize, usize),
}

const fn row(
    iso: &'static str,
    code: &'static str,
    trunk: &'static str,
    exit: &'static str,
    digits: (usize, usize),
) -> Country {
    Country { iso, code, trunk, exit, digits }
}

/// Countries accepted as `defaultCountry`, by ISO code.
pub const COUNTRIES: [Country; 61] = [
    row("AE", "971", "0", "00", (7, 9)),
    row("AR", "54", "0", "00", (8, 11)),
    row("AT", "43", "0", "00", (4, 13)),
    row("AU", "61", "0", "0011", (6, 10)),
    row("BE", "32", "0", "00", (8, 9)),
    row("BG", "359", "0", "00", (6, 9)),
    row("BR", "55", "0", "00", (8, 11)),
    row("CA", "1", "1", "011", (10, 10)),
    row("CH", "41", "0", "00", (9, 12)),
    row("CL", "56", "", "00", (8, 11)),
    row("CN", "86", "0", "00", (7, 12)),
    row("CO", "57", "", "00", (8, 11)),
    row("CY", "357", "", "00", (8, 8)),
    row("CZ", "420", "", "00", (9, 12)),
    row("DE", "49", "0", "00", (4, 13)),
    row("DK", "45", "", "00", (8, 8)),
    row("EE", "372", "", "00", (7, 10)),
    row("EG", "20", "0", "00", (8, 10)),
    row("ES", "34", "", "00", (9, 9)),
    row("FI", "358", "0", "00", (5, 12)),
    row("FR", "33", "0", "00", (9, 9)),
    row("GB", "44", "0", "00", (7, 10)),
    row("GR", "30", "", "00", (10, 12)),
    row("HK", "852", "", "001", (8, 9)),
    row("HR", "385", "0", "00", (7, 9)),
    row("HU", "36", "06", "00", (8, 9)),
    row("ID", "62", "0", "001", (7, 12)),
    row("IE", "353", "0", "00", (7, 10)),
    row("IL", "972", "0", "00", (8, 9)),
    row("IN", "91", "0", "00", (8, 11)),
    row("IS", "354", "", "00", (7, 9)),
    row("IT", "39", "", "00", (6, 11)),
    row("JP", "81", "0", "010", (9, 10)),
    row("KE", "254", "0", "000", (7, 10)),
    row("KR", "82", "0", "00", (8, 10)),
    row("LT", "370", "0", "00", (8, 8)),
    row("LU", "352", "", "00", (4, 11)),
    row("LV", "371", "", "00", (8, 8)),
    row("MT", "356", "", "00", (8, 8)),
    row("MX", "52", "", "00", (10, 11)),
    row("MY", "60", "0", "00", (8, 10)),
    row("NG", "234", "0", "009", (7, 11)),
    row("NL", "31", "0", "00", (9, 11)),
    row("NO", "47", "", "00", (5, 8)),
    row("NZ", "64", "0", "00", (8, 10)),
    row("PE", "51", "0", "00", (8, 9)),
    row("PH", "63", "0", "00", (8, 10)),
    row("PK", "92", "0", "00", (8, 11)),
    row("PL", "48", "", "00", (9, 9)),
    row("PT", "351", "", "00", (9, 9)),
    row("RO", "40", "0", "00", (9, 9)),
    row("RS", "381", "0", "00", (7, 12)),
    row("SE", "46", "0", "00", (7, 10)),
    row("SG", "65", "", "000", (8, 11)),
    row("SI", "386", "0", "00", (8, 8)),
    row("SK", "421", "0", "00", (9, 9)),
    row("TR", "90", "0", "00", (10, 10)),
    row("TW", "886", "0", "002", (8, 10)),
    row("UA", "380", "0", "00", (9, 9)),
    row("US", "1", "1", "011", (10, 10)),
    row("ZA", "27", "0", "00", (9, 9)),
];

/// The country of a two-letter code, either case.
pub fn country(iso: &str) -> Option<&'static Country> {
    COUNTRIES.iter().find(|country| country.iso.eq_ignore_ascii_case(iso))
}

/// Formats a number as `+` and digits. The error never contains the number.
pub fn to_e164(text: &str, country: Option<&Country>) -> Result<String, &'static str> {
    let number = text.trim();
    let number = without_extension(number.strip_prefix("tel:").unwrap_or(number));
    let plus = number.starts_with(['+', '\u{ff0b}']);
    // "+44 (0)20 ..." shows the trunk prefix for readers; it is not dialled from abroad.
    let number = if plus { number.replacen("(0)", "", 1) } else { number.to_owned() };
    let mut digits = String::with_capacity(16);
    for (index, c) in number.chars().enumerate() {
        match c {
            '0'..='9' => digits.push(c),
            '+' | '\u{ff0b}' if index == 0 => {}
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
    let international = if plus {
        Some(digits.as_str())
    } else {
        country
            .and_then(|country| digits.strip_prefix(country.exit))
            .or_else(|| digits.strip_prefix("00"))
    };
    match (international, country) {
        (Some(digits), _) => checked(digits),
        (None, Some(country)) => {
            let national = digits.strip_prefix(country.trunk).unwrap_or(&digits);
            checked(&[country.code, national].concat())
        }
        (None, None) => Err("the phone number has no country code; set defaultCountry"),
    }
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

/// Checks the length: by country if the table has the code, otherwise by E.164.
fn checked(digits: &str) -> Result<String, &'static str> {
    const WRONG: &str = "the phone number has too few or too many digits";
    if digits.starts_with('0') {
        return Err("the country code of the phone number starts with 0");
    }
    let known = COUNTRIES.iter().find(|country| digits.starts_with(country.code));
    // Codes are prefix-free: at most one matches.
    let (least, most) = known.map_or((7, 15), |country| {
        (country.code.len() + country.digits.0, country.code.len() + country.digits.1)
    });
    if digits.len() < least || digits.len() > most.min(15) {
        return Err(WRONG);
    }
    Ok(["+", digits].concat())
}
