//! What expressions mean, and that none exceeds its bounds.

use serde_json::{Map, Value, json};

use super::{
    Expression,
    limits::{Fuel, MAX_DEPTH, STEP_LIMIT},
};
use crate::mapping::field_value::FieldValue;

fn profile() -> Map<String, Value> {
    let profile = json!({
        "firstName": "Ada", "lastName": "Lovelace", "yearsOfExperience": 5, "score": 4.5,
        "skills": ["Rust", "SQL", "Rust"], "nothing": null, "empty": "",
        "emails": [
            {"value": "old@x.org", "outdated": true},
            {"value": "ada@x.org", "outdated": false, "kind": "work"},
        ],
        "location": {"city": "London", "country": "GB"},
    });
    profile.as_object().unwrap().clone()
}

fn eval(text: &str) -> Result<Option<Value>, String> {
    let expression = Expression::compile(text).map_err(|(_, message)| message)?;
    let profile = profile();
    let mut fuel = Fuel::new(STEP_LIMIT);
    let value = expression.value(&profile, &mut fuel).map_err(|error| error.message)?;
    let work = value.map_or(Ok(FieldValue::Missing), FieldValue::computed);
    work.and_then(FieldValue::into_json).map_err(|unfit| format!("{unfit:?}"))
}

#[test]
fn expressions_mean_what_the_reference_says() {
    let table = [
        ("candidate.firstName + ' ' + candidate.lastName", json!("Ada Lovelace")),
        ("candidate.emails.filter(e, !e.outdated)[0].value", json!("ada@x.org")),
        ("candidate.emails.map(e, e.value)", json!(["old@x.org", "ada@x.org"])),
        ("candidate.emails.map(e, !e.outdated, e.value)", json!(["ada@x.org"])),
        ("candidate.emails.exists_one(e, e.outdated)", json!(true)),
        ("candidate.emails.existsOne(e, has(e.value))", json!(false)),
        ("candidate.emails.all(e, e.value.endsWith('@x.org'))", json!(true)),
        ("has(candidate.title) ? candidate.title : 'none'", json!("none")),
        ("has(candidate.location.city)", json!(true)),
        ("has(candidate.missing.city)", json!(false)),
        ("has(candidate.nothing)", json!(true)),
        ("'Rust' in candidate.skills && !('Go' in candidate.skills)", json!(true)),
        ("'city' in candidate.location && !(1 in candidate.location)", json!(true)),
        ("candidate.yearsOfExperience >= 5 && candidate.yearsOfExperience == 5.0", json!(true)),
        ("candidate.score < candidate.yearsOfExperience", json!(true)),
        ("candidate.score + candidate.yearsOfExperience", json!(9.5)),
        ("7 / 2 + 7 % 4 - -3 * 2", json!(12)),
        ("1 + 2 == 3 && 2 * (1 + 2) > 5", json!(true)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("candidate.skills.join(', ')", json!("Rust, SQL, Rust")),
        ("candidate.skills.distinct().size() + size('é€')", json!(4)),
        ("' A b '.trim().lowerAscii().replace('b', 'c').upperAscii()", json!("A C")),
        ("'a,b,,c'.split(',').map(s, size(s) > 0, s)", json!(["a", "b", "c"])),
        ("'héllo'.substring(1, 3) + 'héllo'.charAt(4)", json!("élo")),
        ("['a-b-c'.indexOf('-'), 'a-b-c'.lastIndexOf('-'), 'x'.indexOf('q')]", json!([1, 3, -1])),
        ("[3, 1.5, 2].min() + [1, 2].sum() + [1, 4].max()", json!(8.5)),
        ("{'GB': 'United Kingdom'}[candidate.location.country]", json!("United Kingdom")),
        ("candidate.?title.orValue('none')", json!("none")),
        ("candidate.?location.city.orValue('none')", json!("London")),
        ("candidate.emails[?7].value.orValue('none')", json!("none")),
        ("candidate.?firstName", json!("Ada")),
        ("candidate.?title.hasValue()", json!(false)),
        ("candidate.emails[1].kind == 'work' || candidate.missing", json!(true)),
        ("candidate.missing || candidate.emails[1].kind == 'work'", json!(true)),
        ("candidate.missing && false", json!(false)),
        ("candidate.emails.exists(e, e.kind == 'work')", json!(true)),
        ("candidate.location.filter(k, k.startsWith('c'))", json!(["city", "country"])),
        ("string(5) + string(4.5) + string(true)", json!("54.5true")),
        ("[int('7'), int(4.9), int(-4.9)]", json!([7, 4, -4])),
        ("double('2.5') * 2.0", json!(5.0)),
        ("bool('true') != false", json!(true)),
        ("1 == 'a' || [1, 2] == [1, 2.0] && {'a': 1} == {'a': 1}", json!(true)),
        ("candidate.emails[1].value.matches('^[a-z]+@x\\\\.org$')", json!(true)),
        (r"candidate.firstName.matches(r'^\w+$')", json!(true)),
        ("candidate['firstName'] // the name", json!("Ada")),
        ("{'a': [1, null], 'b': null}", json!({"a": [1], "b": null})),
    ];
    for (text, expected) in table {
        assert_eq!(eval(text), Ok(Some(expected)), "{text}");
    }
}

#[test]
fn a_missing_result_is_missing_and_not_a_failure() {
    let table = [
        "candidate.title",
        "candidate.title.lowerAscii() + 'x'",
        "candidate.emails[7].value",
        "candidate.emails[-1].value",
        "candidate.emails.filter(e, e.kind == 'x')[0].value",
        "candidate.emails.filter(e, e.value == 'x')[0].value",
        "candidate.nothing",
        "candidate.nothing.city",
        "candidate.missing.map(x, x)",
        "candidate.nothing.map(x, x)",
        "candidate.empty",
        "'   '",
        "[]",
        "[null, '']",
        "{}",
        "candidate.?title",
        "candidate.missing == 1 && true",
        "[].min()",
        "{'a': 1}['b']",
    ];
    for text in table {
        assert_eq!(eval(text), Ok(None), "{text}");
    }
}

#[test]
fn failures_name_their_place_and_kinds_but_no_value() {
    let table = [
        ("candidate.firstName + 1", "line 1, column 21: + does not accept a string and a number"),
        ("candidate.firstName.city", "column 20: a string has no members"),
        ("candidate.firstName\n  .city", "line 2, column 3: a string has no members"),
        ("candidate.firstName < 3", "< does not accept a string and a number"),
        ("candidate.firstName && true", "expected a boolean, got a string"),
        ("candidate.firstName ? 1 : 2", "the condition of ?: must be a boolean, not a string"),
        ("1 / 0", "division by zero"),
        ("9223372036854775807 + 1", "does not fit in 64 bits"),
        ("-(-9223372036854775808)", "does not fit in 64 bits"),
        ("int(candidate.firstName)", "cannot be converted to an integer"),
        ("candidate.firstName.substring(9)", "the index is outside the string"),
        ("candidate.skills.sum()", "sum does not accept a string"),
        ("candidate.firstName.map(x, x)", "expected a list, got a string"),
        ("{'a': 1, 'a': 2}", "duplicate map key"),
        ("1.0 / 0.0", "NotJson"),
    ];
    for (text, part) in table {
        let message = eval(text).unwrap_err();
        assert!(message.contains(part), "{text}: {message}");
        assert!(!message.contains("Ada"), "{text}: {message}");
    }
}

#[test]
fn malformed_expressions_are_refused_at_their_place() {
    let table = [
        ("", "line 1, column 1: unexpected end of the expression"),
        ("candidate.", "column 11: expected a member name"),
        ("candidate.a b", "column 13: expected the end of the expression"),
        ("person.name", "unknown name 'person'"),
        ("e.filter(candidate, true)", "unknown name 'e'"),
        ("candidate.a.filter(candidate, true)", "reserved or already in use"),
        ("candidate.a.map(x, candidate.b.map(x, x))", "reserved or already in use"),
        ("candidate.a.map(x, x) + x", "unknown name 'x'"),
        ("candidate.a.filter(x)", "expected ','"),
        ("candidate.a.frob()", "unknown function 'frob'"),
        ("now()", "unknown function 'now'"),
        ("candidate.a.reverse()", "line 1, column 12: CEL's function 'reverse' is not supported"),
        ("candidate.a.sortBy(x, x.b)", "CEL's function 'sortBy' is not supported"),
        ("candidate.?a.optMap(x, x + 1)", "CEL's function 'optMap' is not supported"),
        ("'%d'.format([1])", "CEL's function 'format' is not supported"),
        ("timestamp(candidate.a)", "CEL's function 'timestamp' is not supported"),
        ("math.greatest(1, 2)", "line 1, column 1: CEL's extension 'math' is not supported"),
        ("cel.bind(x, 1, x)", "CEL's extension 'cel' is not supported"),
        ("math", "unknown name 'math'"),
        ("size()", "size takes 1 argument"),
        ("candidate.a.string()", "string is called as f(x)"),
        ("candidate.a.replace('x')", "replace takes 2 arguments"),
        ("has(candidate)", "has expects a member"),
        ("candidate.a.matches(candidate.b)", "a string literal as its pattern"),
        ("candidate.a.matches('(')", "not a valid regular expression"),
        ("candidate.a.matches('(a{1000}){1000}')", "too large once compiled"),
        ("18446744073709551615", "does not fit in 64 bits"),
        ("for + 1", "reserved word"),
        ("a.map(x, y, z, w)", "unknown name 'a'"),
        (
            "candidate.a.all(x, candidate.b.all(y, candidate.c.all(z, true)))",
            "more than 2 nested comprehensions",
        ),
    ];
    for (text, part) in table {
        let message = Expression::compile(text).unwrap_err().1;
        assert!(message.contains(part), "{text}: {message}");
    }
}

/// Steps taken and the result, over a hostile profile.
fn detonate(text: &str) -> (u64, String) {
    let many: Vec<Value> = (0..5000).map(|n| json!(format!("skill {n}"))).collect();
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let profile = json!({
        "many": many, "same": vec!["a"; 5000], "deep": deep,
        "big": "a".repeat(60_000), "huge": "a".repeat(2_000_000),
    });
    let expression = Expression::compile(text).unwrap_or_else(|(_, m)| panic!("{text}: {m}"));
    let mut fuel = Fuel::new(STEP_LIMIT);
    let outcome = expression.value(profile.as_object().unwrap(), &mut fuel);
    let outcome = match outcome {
        Ok(None) => "missing".to_owned(),
        Ok(Some(value)) => match FieldValue::computed(value) {
            Ok(_) => "value".to_owned(),
            Err(unfit) => format!("{unfit:?}"),
        },
        Err(error) => error.message,
    };
    (fuel.used(), outcome)
}

#[test]
fn bombs_run_out_of_steps_or_room_before_they_do_harm() {
    let steps = "takes too many steps";
    let room = "exceeds 65536 bytes";
    let list_doubling = format!("[[1, 1]]{}", ".map(a, a + a)".repeat(30));
    let text_doubling = format!("['aaaaaaaa']{}", ".map(a, a + a)".repeat(30));
    let replacing = format!("'aaaaaaaa'{}", ".replace('a', 'aaaaaaaa')".repeat(20));
    let pattern = "candidate.many.map(m, candidate.same.all(s, candidate.big.matches('x*y')))";
    let every_pattern = "candidate.same.all(s, candidate.big.matches('(a|aa)+$'))";
    let table = [
        ("candidate.many.map(a, candidate.many.map(b, a + b))", steps),
        ("candidate.many.filter(a, candidate.many.exists(b, b == a + 'x'))", steps),
        ("candidate.many.all(a, candidate.many.all(b, candidate.many == candidate.many))", steps),
        ("candidate.many.all(a, !('x' in candidate.many))", steps),
        ("candidate.many.distinct()", steps),
        ("candidate.many.map(a, candidate.many + candidate.many)", steps),
        ("candidate.same.map(a, candidate.big.lowerAscii())", steps),
        ("candidate.same.map(a, candidate.huge.contains('aaaaaaab'))", steps),
        ("candidate.same.map(a, 'x'.contains(candidate.huge))", steps),
        ("candidate.same.map(a, candidate.huge == candidate.huge + '')", room),
        ("candidate.same.all(a, candidate.huge == candidate.huge)", steps),
        ("candidate.same.all(a, candidate.huge <= candidate.huge)", steps),
        ("candidate.huge.split('')", steps),
        ("candidate.huge.split('a')", steps),
        ("candidate.same.map(a, candidate.big.split('').size())", steps),
        ("candidate.same.map(a, candidate.huge.trim().size())", steps),
        ("candidate.huge.lowerAscii()", room),
        ("candidate.big + candidate.big", room),
        ("candidate.big.replace('a', 'bbbbbbbb')", room),
        ("candidate.big.replace('', 'bbbbbbbb')", room),
        ("candidate.same.map(a, candidate.big).join('')", room),
        ("candidate.many.join(candidate.big)", room),
        ("candidate.huge", "TooLarge"),
        ("candidate.same.map(a, candidate.big)", "TooLarge"),
        ("candidate.same.map(a, candidate)", "NotJson"),
        ("[candidate.many, candidate.many, candidate.many]", "TooLarge"),
        ("candidate.deep == candidate.deep", "nested too deeply"),
        ("candidate.deep", "NotJson"),
        (&list_doubling, steps),
        (&text_doubling, room),
        (&replacing, room),
        (pattern, steps),
        (every_pattern, steps),
    ];
    for (text, part) in table {
        let (used, outcome) = detonate(text);
        assert!(outcome.contains(part), "{text}: {outcome}");
        assert!(used <= STEP_LIMIT, "{text}: {used}");
    }
}

#[test]
fn steps_are_proportional_to_the_bytes_and_items_touched() {
    // Without a charge for bytes, these would cost a handful of steps.
    for (text, least) in [
        ("candidate.big.lowerAscii().size()", 2 * 60_000 / 16),
        ("candidate.big.matches('^a+$')", 60_000),
        ("'b' in candidate.many", 5000),
        ("candidate.same == candidate.same", 5000),
        ("candidate.many.map(m, 1).size()", 2 * 5000),
        ("candidate.big.split('').size()", 60_000),
    ] {
        let (used, outcome) = detonate(text);
        assert!(used >= least, "{text}: {used} steps, {outcome}");
    }
    assert!(detonate("has(candidate.many) ? 1 : 2").0 < 8);
}

#[test]
fn depth_is_bounded_before_it_is_reached() {
    let n = 300;
    let table = [
        ["(".repeat(n), "1".into(), ")".repeat(n)].concat(),
        ["[".repeat(n), "]".repeat(n)].concat(),
        ["!".repeat(n), "true".into()].concat(),
        ["-".repeat(n), "candidate.a".into()].concat(),
        ["true ? 1 : ".repeat(n / 2), "2".into()].concat(),
        ["true ? (".repeat(n / 2), "1".into(), ") : 2".repeat(n / 2)].concat(),
        ["candidate".into(), ".a".repeat(n)].concat(),
        ["candidate".into(), "[0]".repeat(n)].concat(),
        ["1".into(), "+1".repeat(n)].concat(),
        ["1".into(), "<1".repeat(n)].concat(),
        ["size(".repeat(n), "'a'".into(), ")".repeat(n)].concat(),
        ["{'a':".repeat(n), "1".into(), "}".repeat(n)].concat(),
        ["candidate.a".into(), ".trim()".repeat(n / 2)].concat(),
        ["has(".repeat(n), "a".into()].concat(),
    ];
    for text in table {
        let (error, message) = Expression::compile(&text).unwrap_err();
        assert!(error.limit, "{text}: {message}");
        assert!(message.contains(&format!("more than {MAX_DEPTH} levels")), "{text}: {message}");
    }
    let (error, message) = Expression::compile(&"a".repeat(2049)).unwrap_err();
    assert!(error.limit && message.contains("2049 bytes"), "{message}");
    // Long lists of alternatives are not deep.
    let wide = vec!["candidate.a == 1"; 100].join(" || ");
    assert!(Expression::compile(&wide).is_ok());
    let most = [
        "(".repeat(usize::from(MAX_DEPTH) - 1),
        "1".into(),
        ")".repeat(usize::from(MAX_DEPTH) - 1),
    ];
    assert!(Expression::compile(&most.concat()).is_ok());
}
