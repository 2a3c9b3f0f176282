//! What each transform does, and which parameters it has.

use serde_json::{Value, json};

use super::compile;
use crate::mapping::{field_value::FieldValue, spec::TransformSpec};

fn spec(of: Value) -> TransformSpec {
    serde_json::from_value(of).unwrap()
}

/// Applies transforms in order; `null` is a missing value.
fn run(transforms: &Value, value: &Value) -> Result<Value, String> {
    let transforms: Vec<_> = transforms
        .as_array()
        .unwrap()
        .iter()
        .map(|one| compile(&spec(one.clone()), "t").unwrap())
        .collect();
    let mut field = FieldValue::of(value);
    for transform in &transforms {
        field = transform.apply(field).map_err(|refusal| format!("{refusal:?}"))?;
    }
    Ok(field.into_json().map_err(|unfit| format!("{unfit:?}"))?.unwrap_or_default())
}

fn table(rows: Vec<(Value, Value, Value)>) {
    for (transform, value, expected) in rows {
        let shown = format!("{transform} of {value}");
        assert_eq!(run(&json!([transform]), &value), Ok(expected), "{shown}");
    }
}

#[test]
fn letters_and_white_space() {
    let name = |name: &str| json!({ "name": name });
    table(vec![
        (name("trim"), json!("  Ada \n"), json!("Ada")),
        (name("trim"), json!("   "), json!(null)),
        (name("trim"), json!([" a", " ", "b "]), json!(["a", "b"])),
        (name("trim"), json!(5), json!("5")),
        (name("trim"), json!(null), json!(null)),
        (name("lower"), json!("ÅSE@X.org"), json!("åse@x.org")),
        (name("upper"), json!("straße"), json!("STRASSE")),
        (name("titleCase"), json!("JEAN-LUC o'neil"), json!("Jean-Luc O'Neil")),
        (name("titleCase"), json!("ronald McDonald"), json!("Ronald McDonald")),
        (name("titleCase"), json!("the dog's life"), json!("The Dog's Life")),
        (name("titleCase"), json!("éric  ÖZ"), json!("Éric  Öz")),
        (json!({"name": "truncate", "length": 3}), json!("héllo"), json!("hél")),
        (json!({"name": "truncate", "length": 3}), json!("ab cd"), json!("ab")),
        (json!({"name": "truncate", "length": 9}), json!("short"), json!("short")),
        (json!({"name": "prefix", "text": "+"}), json!("1"), json!("+1")),
        (json!({"name": "suffix", "text": "!"}), json!(["a", "b"]), json!(["a!", "b!"])),
        (json!({"name": "prefix", "text": "+"}), json!(null), json!(null)),
    ]);
}

#[test]
fn lists_and_tables() {
    table(vec![
        (json!({"name": "join", "separator": ", "}), json!(["a", null, "", 3]), json!("a, 3")),
        (json!({"name": "join", "separator": ""}), json!(["a", "b"]), json!("ab")),
        (json!({"name": "join", "separator": ","}), json!("one"), json!("one")),
        (json!({"name": "join", "separator": ","}), json!([]), json!(null)),
        (json!({"name": "split", "separator": ","}), json!("a,b,,c"), json!(["a", "b", "c"])),
        (json!({"name": "split", "separator": ","}), json!(","), json!(null)),
        (json!({"name": "first"}), json!([null, "", "b", "c"]), json!("b")),
        (json!({"name": "first"}), json!("b"), json!("b")),
        (json!({"name": "unique"}), json!(["b", "a", "b", 1, 1]), json!(["b", "a", 1])),
        (json!({"name": "default", "value": "x"}), json!(null), json!("x")),
        (json!({"name": "default", "value": "x"}), json!(" "), json!("x")),
        (json!({"name": "default", "value": "x"}), json!([]), json!("x")),
        (json!({"name": "default", "value": "x"}), json!(0), json!(0)),
        (json!({"name": "replace", "pattern": ".", "with": ""}), json!("a.b."), json!("ab")),
        (json!({"name": "replace", "pattern": "a", "with": ""}), json!("aa"), json!(null)),
        (json!({"name": "map", "values": {"a": "A"}}), json!("a"), json!("A")),
        (json!({"name": "map", "values": {"a": "A"}}), json!("b"), json!("b")),
        (json!({"name": "map", "values": {"a": ""}}), json!("a"), json!(null)),
        (json!({"name": "map", "values": {"true": "yes"}}), json!(true), json!("yes")),
        (
            json!({"name": "map", "values": {"a": "A"}, "otherwise": "Skip"}),
            json!(["a", "b"]),
            json!(["A"]),
        ),
    ]);
    let chain = json!([
        {"name": "trim"}, {"name": "lower"}, {"name": "unique"}, {"name": "join", "separator": "|"}
    ]);
    assert_eq!(run(&chain, &json!([" A", "a ", "B"])), Ok(json!("a|b")));
}

#[test]
fn phone_numbers() {
    let to = |country: &str| json!({"name": "e164", "defaultCountry": country});
    table(vec![
        (to("US"), json!("(415) 555-2671"), json!("+14155552671")),
        (to("US"), json!("1-415-555-2671 ext. 12"), json!("+14155552671")),
        (to("us"), json!("011 44 20 7946 0958"), json!("+442079460958")),
        (to("GB"), json!("020 7946 0958"), json!("+442079460958")),
        (to("GB"), json!("+44 (0)20 7946 0958 x7"), json!("+442079460958")),
        (to("DE"), json!("0151 / 2345.6789"), json!("+4915123456789")),
        (to("IT"), json!("06 6982 1234"), json!("+390669821234")),
        (to("HU"), json!("06 1 234 5678"), json!("+3612345678")),
        (to("AU"), json!("0011 1 415 555 2671"), json!("+14155552671")),
        (to("AU"), json!("0412 345 678"), json!("+61412345678")),
        (to("NO"), json!("tel:+47 22 22 22 22"), json!("+4722222222")),
        (json!({"name": "e164"}), json!("0047 22222222"), json!("+4722222222")),
        (json!({"name": "e164"}), json!(["+1 415 555 2671"]), json!(["+14155552671"])),
        (to("US"), json!(4_155_552_671_i64), json!("+14155552671")),
        (to("DE"), json!("\u{202a}+49 151 23456789\u{202c}"), json!("+4915123456789")),
        (to("DE"), json!("+49\u{200b}15123456789"), json!("+4915123456789")),
        (to("DE"), json!("0151 / 2345678"), json!("+491512345678")),
        (json!({"name": "e164"}), json!("TEL:+47 22 22 22 22"), json!("+4722222222")),
    ]);
    for (country, bad) in [
        (json!({"name": "e164"}), "22222222"),
        (to("US"), "555-2671"),
        (to("US"), "+1 415 555 26711"),
        (to("US"), "call me"),
        (to("DE"), "+49"),
        (to("DE"), "+0123456789"),
        (to("DE"), "++49 151 23456789"),
        (to("DE"), "٠١٥١٢٣٤٥"),
        (to("DE"), "030 1234567 / 0151 23456789"),
        (to("DE"), "+49 151 234567 or +49 30 1234"),
        (to("DE"), "0151-23456789; 030-123456"),
    ] {
        let refused = run(&json!([country]), &json!(bad)).unwrap_err();
        assert!(refused.contains("phone number"), "{bad}: {refused}");
        assert!(!refused.contains(bad), "{refused}");
    }
}

#[test]
fn numbers_that_were_stored_as_floats_are_exact_or_refused() {
    let to = |country: &str| json!({"name": "e164", "defaultCountry": country});
    table(vec![
        (to("DE"), json!("15123456789.0"), json!("+4915123456789")),
        (to("DE"), json!("15123456789,00"), json!("+4915123456789")),
        (to("DE"), json!(15_123_456_789.0), json!("+4915123456789")),
        (to("DE"), json!("1.5123456789E+10"), json!("+4915123456789")),
        (to("DE"), json!("4.915123456789e12"), json!("+4915123456789")),
        (to("US"), json!("4155552671.0"), json!("+14155552671")),
        (to("US"), json!("1.4155552671E+10"), json!("+14155552671")),
        (to("US"), json!("+14155552671.0"), json!("+14155552671")),
        (to("US"), json!("415.5552671"), json!("+14155552671")),
        (json!({"name": "e164"}), json!("+4.915123456789E+12"), json!("+4915123456789")),
    ]);
    for country in super::phone::COUNTRIES.iter().map(|row| to(row.iso)) {
        for lost in [json!("4.47E+11"), json!("4,47E+11"), json!(4.47e11), json!("1.51235E+10")] {
            let refused = run(&json!([country]), &lost).unwrap_err();
            assert!(refused.contains("phone number"), "{lost}: {refused}");
        }
    }
}

#[test]
fn a_country_code_without_plus_is_understood_where_only_one_reading_fits() {
    let to = |country: &str| json!({"name": "e164", "defaultCountry": country});
    table(vec![
        (to("DE"), json!("4915123456789"), json!("+4915123456789")),
        (to("DE"), json!("49 151 23456789"), json!("+4915123456789")),
        (to("DE"), json!(4_915_123_456_789_i64), json!("+4915123456789")),
        (to("DE"), json!("151 23456789"), json!("+4915123456789")),
        (to("NO"), json!("47222222"), json!("+4747222222")),
        (to("NO"), json!("4722222222"), json!("+4722222222")),
        (to("IT"), json!("393 4012345"), json!("+393934012345")),
        (to("IT"), json!("39 06 6982 1234"), json!("+390669821234")),
        (to("IN"), json!("9198123456"), json!("+919198123456")),
        (to("IN"), json!("919812345678"), json!("+919812345678")),
        (to("CL"), json!("56912345678"), json!("+56912345678")),
        (to("US"), json!("14155552671"), json!("+14155552671")),
    ]);
    for (country, unclear) in [("DE", "49211234567"), ("KR", "8212345678")] {
        let refused = run(&json!([to(country)]), &json!(unclear)).unwrap_err();
        assert!(refused.contains("country's code"), "{country}: {refused}");
    }
}

#[test]
fn exit_codes_that_choose_a_carrier_are_no_part_of_the_number() {
    let to = |country: &str| json!({"name": "e164", "defaultCountry": country});
    table(vec![
        (to("BR"), json!("0014 1 415 555 2671"), json!("+14155552671")),
        (to("BR"), json!("00 1 415 555 2671"), json!("+14155552671")),
        (to("BR"), json!("00 41 44 668 1800"), json!("+41446681800")),
        (to("CO"), json!("009 44 20 7946 0958"), json!("+442079460958")),
        (to("ID"), json!("008 44 20 7946 0958"), json!("+442079460958")),
        (to("KR"), json!("00700 44 20 7946 0958"), json!("+442079460958")),
        (to("KR"), json!("002 44 20 7946 0958"), json!("+442079460958")),
    ]);
    let refused = run(&json!([to("CO")]), &json!("009 1 415 555 2671")).unwrap_err();
    assert!(refused.contains("two ways"), "009 is a carrier, and 00 91 is India: {refused}");
}

#[test]
fn otherwise_skips_what_a_transform_cannot_handle() {
    let skip = |name: &str| json!({"name": name, "otherwise": "Skip"});
    table(vec![
        (skip("e164"), json!("ask agent"), json!(null)),
        (skip("e164"), json!(["N/A", "+1 415 555 2671"]), json!(["+14155552671"])),
        (skip("date"), json!("soon"), json!(null)),
        (skip("trim"), json!({"a": 1}), json!(null)),
        (json!({"name": "join", "separator": ",", "otherwise": "Skip"}), json!([{}]), json!(null)),
    ]);
    let fail = json!([{"name": "e164", "otherwise": "Fail"}]);
    assert!(run(&fail, &json!("ask agent")).unwrap_err().contains("phone number"));
    let grown = json!([{"name": "prefix", "text": "aa", "otherwise": "Skip"}]);
    let large = json!("b".repeat(65_535));
    assert_eq!(run(&grown, &large), Err("TooLarge".to_owned()), "too large is not unusable");
}

#[test]
fn dates() {
    let with = |from: &[&str], to: &str| json!({"name": "date", "from": from, "to": to});
    table(vec![
        (json!({"name": "date"}), json!("2024-02-29"), json!("2024-02-29")),
        (json!({"name": "date"}), json!("2024-01-01T00:30:00+02:00"), json!("2024-01-01")),
        (json!({"name": "date"}), json!("2024-01-01T00:30:00Z"), json!("2024-01-01")),
        (json!({"name": "date", "to": "%d %b %Y"}), json!("2024-03-05"), json!("05 Mar 2024")),
        (with(&["%m/%d/%Y", "%d.%m.%Y"], "%F"), json!("31.12.2023"), json!("2023-12-31")),
        (with(&["%Y-%m"], "%Y"), json!("2023-05"), json!("2023")),
        (with(&["%Y-%j"], "%F"), json!("2024-060"), json!("2024-02-29")),
        (with(&["%F %T"], "%H:%M"), json!("2024-01-01 23:59:00"), json!("23:59")),
        (json!({"name": "date"}), json!(null), json!(null)),
    ]);
    for (transform, bad) in [
        (json!({"name": "date"}), "2023-02-29"),
        (json!({"name": "date"}), "2024-01-01T00:30:00"),
        (json!({"name": "date"}), "20240101"),
        (json!({"name": "date"}), "yesterday"),
        (json!({"name": "date"}), "2024-01-01[Europe/Oslo]"),
        (with(&["%d.%m.%Y"], "%F"), "31.02.2024"),
        (with(&["%Y"], "%F"), "2024"),
        (with(&["%Y"], "%Y"), "2024 or so"),
    ] {
        let refused = run(&json!([transform]), &json!(bad)).unwrap_err();
        assert!(refused.contains("the date"), "{bad}: {refused}");
        assert!(!refused.contains(bad), "{refused}");
    }
}

#[test]
fn values_of_a_wrong_kind_are_refused_by_kind() {
    for (transform, value, part) in [
        (json!({"name": "trim"}), json!({"a": "Zyzzyva"}), "trim expects a string, not an object"),
        (json!({"name": "lower"}), json!([["Zyzzyva"]]), "lower expects a string, not a list"),
        (json!({"name": "split", "separator": ","}), json!(["Zyzzyva"]), "not a list"),
        (json!({"name": "join", "separator": ","}), json!([{"a": "Zyzzyva"}]), "not an object"),
        (
            json!({"name": "map", "values": {"a": "b"}, "otherwise": "Fail"}),
            json!("Zyzzyva"),
            "not listed",
        ),
    ] {
        let refused = run(&json!([transform]), &value).unwrap_err();
        assert!(refused.contains(part), "{refused}");
        assert!(!refused.contains("Zyzzyva"), "{refused}");
    }
    let grown = json!([{"name": "replace", "pattern": "a", "with": "bbbbbbbb"}]);
    assert_eq!(run(&grown, &json!("a".repeat(9000))), Err("TooLarge".to_owned()));
    let objects: Vec<Value> = (0..300).map(|n| json!({ "n": n })).collect();
    assert!(run(&json!([{"name": "unique"}]), &json!(objects)).unwrap_err().contains("256"));
}

#[test]
fn exactly_the_right_parameters_are_accepted() {
    let faults = |of: Value| -> Vec<String> {
        let issues = compile(&spec(of), "t").unwrap_err();
        issues.iter().map(|issue| issue.path.clone()).collect()
    };
    assert_eq!(faults(json!({"name": "trim", "length": 3, "text": "x"})), ["t.length", "t.text"]);
    assert_eq!(faults(json!({"name": "truncate"})), ["t.length"]);
    assert_eq!(faults(json!({"name": "truncate", "length": 0})), ["t.length"]);
    assert_eq!(faults(json!({"name": "join"})), ["t.separator"]);
    assert_eq!(faults(json!({"name": "split", "separator": ""})), ["t.separator"]);
    assert_eq!(faults(json!({"name": "replace", "with": "x"})), ["t.pattern"]);
    assert_eq!(faults(json!({"name": "replace", "pattern": "x"})), ["t.with"]);
    assert_eq!(faults(json!({"name": "map"})), ["t.values"]);
    assert_eq!(faults(json!({"name": "default", "value": " "})), ["t.value"]);
    assert_eq!(faults(json!({"name": "first", "otherwise": "Skip"})), ["t.otherwise"]);
    assert_eq!(faults(json!({"name": "e164", "otherwise": "Keep"})), ["t.otherwise"]);
    assert_eq!(faults(json!({"name": "prefix"})), ["t.text"]);
    assert_eq!(faults(json!({"name": "e164", "defaultCountry": "XX"})), ["t.defaultCountry"]);
    assert_eq!(faults(json!({"name": "date", "to": "%s"})), ["t"]);
    assert_eq!(faults(json!({"name": "date", "from": ["%Q"]})), ["t"]);
    assert_eq!(faults(json!({"name": "date", "from": ["%"]})), ["t"]);
    assert_eq!(faults(json!({"name": "date", "from": ["no directive"]})), ["t"]);
    assert_eq!(faults(json!({"name": "suffix", "text": "x".repeat(1025)})), ["t.text"]);
}

#[test]
fn the_country_table_is_sorted_and_prefix_free() {
    let rows = &super::phone::COUNTRIES;
    assert!(rows.is_sorted_by_key(|row| row.iso));
    for a in rows {
        for b in rows {
            assert!(a.code == b.code || !a.code.starts_with(b.code), "{} {}", a.iso, b.iso);
        }
    }
}
