//! The table of countries behind `e164`, compared with the numbering plans that the `phonenumber`
//! crate carries: country code, trunk prefix, exit code and lengths of every row. The lists of
//! differences are exact, so that a row that goes stale with a later version of the crate fails.

use std::{collections::BTreeSet, fs};

use clinch_operator::{
    domain::Profile,
    mapping::{Plan, compile},
};
use phonenumber::{
    Metadata, Mode,
    metadata::{DATABASE, Descriptor},
};
use serde_json::json;

/// Countries whose trunk prefix the table leaves out although the crate has one: in Colombia it has
/// not been dialled since 2021.
const NO_TRUNK: [&str; 1] = ["CO"];

/// Lengths of fixed and mobile numbers in the crate that the table refuses: numbers that are dialled
/// within an area only, services that are listed as fixed lines, and, for Germany and Italy, the
/// longest that exist on paper.
const REFUSED: [(&str, &[u16]); 9] = [
    ("DE", &[14, 15]),
    ("IL", &[11, 12]),
    ("IT", &[12]),
    ("KR", &[5, 6]),
    ("PH", &[6]),
    ("PL", &[7]),
    ("RO", &[6]),
    ("SK", &[6, 7]),
    ("ZA", &[5, 6, 7, 8]),
];

/// Where the crate writes a mobile number within the country in a way that no rule of prefixes
/// reads: Argentina puts 15 behind the area code.
const MOBILE_WITHIN: [&str; 1] = ["AR"];

/// The countries that `docs/MAPPING.md` lists, each with its numbering plan.
fn countries() -> Vec<(String, &'static Metadata)> {
    let page = format!("{}/docs/MAPPING.md", env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(page).unwrap();
    let (_, list) = page.split_once("`defaultCountry` is one of ").unwrap();
    let (list, _) = list.split_once('.').unwrap();
    let found: Vec<_> =
        list.split_whitespace().map(|iso| (iso.to_owned(), DATABASE.by_id(iso).unwrap())).collect();
    assert_eq!(found.len(), 61);
    found
}

/// Countries and numbers of digits whose numbers are taken for others where they are written without
/// `+` and trunk prefix: lines that are shorter than usual, and the longest that exist on paper.
const TAKEN_FOR_OTHERS: [(&str, usize); 16] = [
    ("AT", 12),
    ("AT", 13),
    ("CN", 8),
    ("CN", 9),
    ("DE", 12),
    ("DE", 13),
    ("DE", 14),
    ("DE", 15),
    ("IL", 11),
    ("IL", 12),
    ("IT", 7),
    ("IT", 8),
    ("KR", 6),
    ("PL", 7),
    ("SK", 6),
    ("ZA", 7),
];

/// `e164` as a mapping applies it.
struct E164(Plan);

impl E164 {
    fn of(country: Option<&str>) -> Self {
        let mut transform = json!({"name": "e164"});
        if let Some(country) = country {
            transform["defaultCountry"] = country.into();
        }
        let spec = json!({"fields": [
            {"to": "email", "from": "email"},
            {"to": "phone", "from": "phone", "transforms": [transform]}]});
        Self(compile(&serde_json::from_value(spec).unwrap()).unwrap())
    }

    /// The number, or nothing where it is refused.
    fn read(&self, text: &str) -> Option<String> {
        let profile = Profile::try_from(json!({"email": "a@example.org", "phone": text})).unwrap();
        let mapped = self.0.apply(&profile).ok()?;
        Some(mapped.attributes["phone"].as_str().unwrap().to_owned())
    }
}

/// Example numbers without any prefix: a fixed line's, and a mobile telephone's.
fn examples(plan: &'static Metadata) -> [Option<&'static str>; 2] {
    let kinds = plan.descriptors();
    [kinds.fixed_line(), kinds.mobile()].map(|kind| kind?.example())
}

#[test]
fn example_numbers_of_every_country_are_read_with_and_without_their_prefixes() {
    for (iso, plan) in countries() {
        let here = E164::of(Some(&iso));
        for example in examples(plan).into_iter().flatten() {
            let expected = Some(format!("+{}{example}", plan.country_code()));
            let international = expected.as_deref().unwrap();
            assert_eq!(E164::of(None).read(international), expected, "{iso}");
            assert_eq!(here.read(international), expected, "{iso}");
            assert_eq!(here.read(example), expected, "{iso}: without a trunk prefix");
            if let Some(trunk) = plan.national_prefix() {
                let read = here.read(&format!("{trunk}{example}"));
                assert_eq!(read == expected, !NO_TRUNK.contains(&iso.as_str()), "{iso}: {read:?}");
            }
        }
    }
}

#[test]
fn numbers_written_as_within_their_country_are_read_as_the_other_implementation_reads_them() {
    for (iso, plan) in countries() {
        let [fixed, mobile] = examples(plan);
        let mobile = mobile.filter(|_| !MOBILE_WITHIN.contains(&iso.as_str()));
        for example in [fixed, mobile].into_iter().flatten() {
            let number = phonenumber::parse(Some(iso.parse().unwrap()), example).unwrap();
            let written = number.format().mode(Mode::National).to_string();
            let expected = number.format().mode(Mode::E164).to_string();
            assert_eq!(E164::of(Some(&iso)).read(&written), Some(expected), "{iso}: {written}");
        }
    }
}

#[test]
fn the_exit_code_of_a_country_starts_an_international_number() {
    let mut compared = 0;
    for (iso, plan) in countries() {
        // Where callers choose a carrier, the exit code is a pattern and no text.
        let only = plan.international_prefix().map(|prefix| prefix.as_str().to_owned());
        let only = only.filter(|prefix| prefix.bytes().all(|byte| byte.is_ascii_digit()));
        let preferred = plan.preferred_international_prefix().map(str::to_owned);
        // "0~0" shows that one waits for a tone.
        let Some(exit) = preferred.map(|exit| exit.replace('~', "")).or(only) else { continue };
        let read = E164::of(Some(&iso)).read(&format!("{exit} 44 20 7946 0958"));
        assert_eq!(read.as_deref(), Some("+442079460958"), "{iso}: {exit}");
        compared += 1;
    }
    assert!(compared > 50, "{compared}");
}

/// Every text that a pattern of digits, groups, alternatives and classes matches.
fn spelled_out(pattern: &str) -> Vec<String> {
    fn sequence(pattern: &[char], at: &mut usize) -> Vec<String> {
        let (mut all, mut so_far) = (Vec::new(), vec![String::new()]);
        while let Some(&c) = pattern.get(*at) {
            *at += 1;
            let choices: Vec<String> = match c {
                ')' => break,
                '|' => {
                    all.append(&mut std::mem::replace(&mut so_far, vec![String::new()]));
                    continue;
                }
                '(' => {
                    assert_eq!(pattern[*at..*at + 2], ['?', ':']);
                    *at += 2;
                    sequence(pattern, at)
                }
                '[' => {
                    let length = pattern[*at..].iter().position(|c| *c == ']').unwrap();
                    let class: String = pattern[*at..*at + length].iter().collect();
                    *at += length + 1;
                    let class = regex::Regex::new(&format!("[{class}]")).unwrap();
                    (0..10).map(|n| n.to_string()).filter(|digit| class.is_match(digit)).collect()
                }
                digit => vec![digit.to_string()],
            };
            so_far = so_far
                .iter()
                .flat_map(|start| choices.iter().map(move |end| format!("{start}{end}")))
                .collect();
        }
        all.append(&mut so_far);
        all
    }
    sequence(&pattern.chars().collect::<Vec<_>>(), &mut 0)
}

#[test]
fn every_exit_code_that_chooses_a_carrier_starts_an_international_number() {
    let mut compared = 0;
    for iso in ["BR", "CO", "ID", "KR"] {
        let plan = DATABASE.by_id(iso).unwrap();
        let here = E164::of(Some(iso));
        for exit in spelled_out(plan.international_prefix().unwrap().as_str()) {
            // Some are refused, because another reading of the same digits is a number, too.
            let numbers = ["442079460958", "14155552671", "4915123456789", "33612345678"];
            let read = numbers.map(|number| here.read(&format!("{exit} {number}")));
            for (number, read) in numbers.iter().zip(&read) {
                let right = read.as_ref().is_none_or(|read| *read == format!("+{number}"));
                assert!(right, "{iso}: {exit} {number} is read as {read:?}");
            }
            assert!(read.iter().filter(|read| read.is_some()).count() >= 2, "{iso}: {exit}");
            compared += 1;
        }
    }
    assert!(compared > 30, "{compared}");
}

#[test]
fn a_number_without_prefix_is_never_taken_for_another() {
    let mut rng = fastrand::Rng::with_seed(7);
    let (mut wrong, mut read, mut refused) = (BTreeSet::new(), 0, 0);
    for (iso, plan) in countries() {
        let here = E164::of(Some(&iso));
        let id = iso.parse().unwrap();
        let code = plan.country_code().to_string();
        let kinds = plan.descriptors();
        let lengths: BTreeSet<u16> = [kinds.fixed_line(), kinds.mobile()]
            .into_iter()
            .flatten()
            .flat_map(Descriptor::possible_length)
            .copied()
            .collect();
        for round in 0..300 {
            let length = lengths.iter().copied().nth(round % lengths.len()).unwrap();
            let mut national: String = (0..length).map(|_| rng.char('0'..='9')).collect();
            if round % 2 == 0 && usize::from(length) > code.len() {
                // Half of them start like the country code.
                national.replace_range(..code.len(), &code);
            }
            let international = format!("+{code}{national}");
            let real = phonenumber::parse(Some(id), &international);
            let is_real = |number: phonenumber::PhoneNumber| {
                number.is_valid() && number.format().mode(Mode::E164).to_string() == international
            };
            if !real.is_ok_and(is_real) {
                continue;
            }
            for spelled in [national.clone(), format!("{code}{national}")] {
                match here.read(&spelled) {
                    Some(number) if number == international => read += 1,
                    Some(_) => drop(wrong.insert((iso.clone(), usize::from(length)))),
                    None => refused += 1,
                }
            }
        }
    }
    let known: BTreeSet<_> =
        TAKEN_FOR_OTHERS.iter().map(|(iso, length)| ((*iso).to_owned(), *length)).collect();
    assert!(wrong.is_subset(&known), "{:?}", wrong.difference(&known));
    assert!(read > 5 * refused, "{read} read, {refused} refused");
}

#[test]
fn lengths_that_a_numbering_plan_has_are_taken() {
    let mut refused = Vec::new();
    for (iso, plan) in countries() {
        let kinds = plan.descriptors();
        let lengths: BTreeSet<u16> = [kinds.fixed_line(), kinds.mobile()]
            .into_iter()
            .flatten()
            .flat_map(Descriptor::possible_length)
            .copied()
            .collect();
        let read = E164::of(None);
        let taken = |length: u16| {
            read.read(&format!("+{}{}", plan.country_code(), "2".repeat(length.into()))).is_some()
        };
        let too: Vec<u16> = lengths.iter().copied().filter(|length| !taken(*length)).collect();
        if !too.is_empty() {
            refused.push((iso.clone(), too));
        }
        let longest = lengths.last().unwrap();
        assert!(!taken(16), "{iso}");
        assert!(longest + 4 > 15 || !taken(longest + 4), "{iso}: far longer than {longest}");
    }
    let known = REFUSED.map(|(iso, lengths)| (iso.to_owned(), lengths.to_vec()));
    assert_eq!(refused, known);
}
