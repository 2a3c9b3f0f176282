//! The countries that `e164` knows. Constants only.
//!
//! Taken from the numbering plans; `tests/offline/telephone_numbers.rs` compares every row with those
//! of another implementation.

/// How a country's national numbers become international ones.
#[derive(Debug, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166 two-letter code.
    pub iso: &'static str,
    /// Country calling code.
    pub code: &'static str,
    /// Prefix dialled before the area code within the country, dropped from abroad.
    pub trunk: &'static str,
    /// Prefixes dialled before the country code of another country; several where callers choose a
    /// carrier with it.
    pub exits: &'static [&'static str],
    /// Minimum and maximum number of digits after the country code.
    pub digits: (usize, usize),
    /// The same for the lines of people: without service numbers, and without the shortest and longest
    /// lines that some plans have.
    pub usual: (usize, usize),
}

impl Country {
    /// Whether this many digits after the country code can be a number.
    pub fn has(&self, digits: usize) -> bool {
        (self.digits.0..=self.digits.1).contains(&digits)
    }

    /// Whether this many digits after the country code are usual.
    pub fn has_usually(&self, digits: usize) -> bool {
        (self.usual.0..=self.usual.1).contains(&digits)
    }
}

const fn row(
    iso: &'static str,
    code: &'static str,
    trunk: &'static str,
    exits: &'static [&'static str],
    digits: (usize, usize),
    usual: (usize, usize),
) -> Country {
    Country { iso, code, trunk, exits, digits, usual }
}

const AUSTRALIA: &[&str] = &["0011", "0014", "0015", "0016", "0018", "0019"];
const BRAZIL: &[&str] = &[
    "0012", "0014", "0015", "0021", "0022", "0023", "0025", "0031", "0041", "0043", "0055", "0065",
    "0099",
];
const COLOMBIA: &[&str] = &["00414", "00444", "00456", "005", "007", "009"];
const HONG_KONG: &[&str] = &["001", "002", "006", "007", "008", "009", "0030", "0050", "0059"];
const INDONESIA: &[&str] = &["001", "007", "008", "009", "01016", "01017"];
const ISRAEL: &[&str] = &["00", "012", "013", "014", "015", "016", "017", "018", "019"];
const KOREA: &[&str] = &[
    "001", "002", "005", "006", "008", "009", "00345", "00365", "00391", "00700", "00727", "0073",
    "00755", "00761", "00762", "00766",
];
const SINGAPORE: &[&str] = &["000", "001", "002", "008", "012", "013", "018", "019", "020", "021"];
const TAIWAN: &[&str] = &["002", "005", "006", "007", "008", "009", "019"];

/// Countries accepted as `defaultCountry`, by ISO code.
pub const COUNTRIES: [Country; 61] = [
    row("AE", "971", "0", &["00"], (7, 9), (8, 9)),
    row("AR", "54", "0", &["00"], (8, 11), (10, 11)),
    row("AT", "43", "0", &["00"], (4, 13), (5, 11)),
    row("AU", "61", "0", AUSTRALIA, (6, 10), (9, 9)),
    row("BE", "32", "0", &["00"], (8, 9), (8, 9)),
    row("BG", "359", "0", &["00"], (6, 9), (7, 9)),
    row("BR", "55", "0", BRAZIL, (8, 11), (10, 11)),
    row("CA", "1", "1", &["011"], (10, 10), (10, 10)),
    row("CH", "41", "0", &["00"], (9, 12), (9, 9)),
    row("CL", "56", "", &["00"], (8, 11), (9, 9)),
    row("CN", "86", "0", &["00"], (7, 12), (10, 11)),
    row("CO", "57", "", COLOMBIA, (8, 11), (10, 10)),
    row("CY", "357", "", &["00"], (8, 8), (8, 8)),
    row("CZ", "420", "", &["00"], (9, 12), (9, 9)),
    row("DE", "49", "0", &["00"], (4, 13), (5, 11)),
    row("DK", "45", "", &["00"], (8, 8), (8, 8)),
    row("EE", "372", "", &["00"], (7, 10), (7, 8)),
    row("EG", "20", "0", &["00"], (8, 10), (8, 10)),
    row("ES", "34", "", &["00"], (9, 9), (9, 9)),
    row("FI", "358", "0", &["00"], (5, 12), (5, 10)),
    row("FR", "33", "0", &["00"], (9, 9), (9, 9)),
    row("GB", "44", "0", &["00"], (7, 10), (9, 10)),
    row("GR", "30", "", &["00"], (10, 12), (10, 10)),
    row("HK", "852", "", HONG_KONG, (8, 9), (8, 8)),
    row("HR", "385", "0", &["00"], (7, 9), (8, 9)),
    row("HU", "36", "06", &["00"], (8, 9), (8, 9)),
    row("ID", "62", "0", INDONESIA, (7, 12), (8, 11)),
    row("IE", "353", "0", &["00"], (7, 10), (7, 9)),
    row("IL", "972", "0", ISRAEL, (8, 9), (8, 9)),
    row("IN", "91", "0", &["00"], (8, 11), (10, 10)),
    row("IS", "354", "", &["00"], (7, 9), (7, 7)),
    row("IT", "39", "", &["00"], (6, 11), (9, 10)),
    row("JP", "81", "0", &["010"], (9, 10), (9, 10)),
    row("KE", "254", "0", &["000"], (7, 10), (7, 9)),
    row("KR", "82", "0", KOREA, (8, 10), (8, 10)),
    row("LT", "370", "0", &["00"], (8, 8), (8, 8)),
    row("LU", "352", "", &["00"], (4, 11), (5, 9)),
    row("LV", "371", "", &["00"], (8, 8), (8, 8)),
    row("MT", "356", "", &["00"], (8, 8), (8, 8)),
    row("MX", "52", "", &["00"], (10, 11), (10, 10)),
    row("MY", "60", "0", &["00"], (8, 10), (8, 10)),
    row("NG", "234", "0", &["009"], (7, 11), (10, 10)),
    row("NL", "31", "0", &["00"], (9, 11), (9, 9)),
    row("NO", "47", "", &["00"], (5, 8), (8, 8)),
    row("NZ", "64", "0", &["00"], (8, 10), (8, 10)),
    row("PE", "51", "0", &["00"], (8, 9), (8, 9)),
    row("PH", "63", "0", &["00"], (8, 10), (8, 10)),
    row("PK", "92", "0", &["00"], (8, 11), (9, 10)),
    row("PL", "48", "", &["00"], (9, 9), (9, 9)),
    row("PT", "351", "", &["00"], (9, 9), (9, 9)),
    row("RO", "40", "0", &["00"], (9, 9), (9, 9)),
    row("RS", "381", "0", &["00"], (7, 12), (7, 10)),
    row("SE", "46", "0", &["00"], (7, 10), (7, 9)),
    row("SG", "65", "", SINGAPORE, (8, 11), (8, 8)),
    row("SI", "386", "0", &["00"], (8, 8), (8, 8)),
    row("SK", "421", "0", &["00"], (9, 9), (9, 9)),
    row("TR", "90", "0", &["00"], (10, 10), (10, 10)),
    row("TW", "886", "0", TAIWAN, (8, 10), (8, 9)),
    row("UA", "380", "0", &["00"], (9, 9), (9, 9)),
    row("US", "1", "1", &["011"], (10, 10), (10, 10)),
    row("ZA", "27", "0", &["00"], (9, 9), (9, 9)),
];

/// The country of a two-letter code, either case.
pub fn country(iso: &str) -> Option<&'static Country> {
    COUNTRIES.iter().find(|country| country.iso.eq_ignore_ascii_case(iso))
}

/// The country whose calling code starts an international number, without `+`. Codes are prefix-free:
/// at most one matches.
pub fn called_by(digits: &str) -> Option<&'static Country> {
    COUNTRIES.iter().find(|country| digits.starts_with(country.code))
}
