//! Plain YAML scalars as `kubectl` reads them: the YAML 1.1 words and numbers of the parser that
//! Kubernetes uses, so that a manifest means the same with and without a cluster. Pure.

use serde_json::Number;

/// The value of a plain scalar.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plain {
    Null,
    Bool(bool),
    Number(Number),
    /// A number that JSON cannot carry: `.inf`, `.nan`.
    NotJson,
    Text,
}

/// Resolves a plain (unquoted, untagged) scalar.
pub(super) fn resolve(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => {
            return Plain::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => {
            return Plain::Bool(false);
        }
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Plain::NotJson;
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Plain::Text;
    }
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    integer(&digits)
        .or_else(|| float(&digits))
        .map_or(Plain::Text, |number| Plain::Number(stored(number)))
}

/// An integer in base 10, or with the prefix `0x`, `0o`, `0b`, or with a leading `0` in base 8.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefixed = |low: &str, high: &str| {
        digits.strip_prefix(low).or_else(|| digits.strip_prefix(high)).map(str::to_owned)
    };
    let (base, digits) = if let Some(rest) = prefixed("0x", "0X") {
        (16, rest)
    } else if let Some(rest) = prefixed("0o", "0O") {
        (8, rest)
    } else if let Some(rest) = prefixed("0b", "0B") {
        (2, rest)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, digits[1..].to_owned())
    } else {
        (10, digits.to_owned())
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(&digits, base).ok()?;
    if negative {
        0_i64.checked_sub_unsigned(magnitude).map(Number::from)
    } else {
        Some(magnitude.into())
    }
}

/// A number as the API server stores it: `kubectl` writes a whole double without its point, so that
/// `5.0` and `1e3` become integers; an integer beyond 64 signed bits becomes a double.
pub(super) fn stored(number: Number) -> Number {
    // 2^63, the first double beyond the integers.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if number.is_i64() {
        return number;
    }
    let Some(value) = number.as_f64() else { return number };
    if value.fract() == 0.0 && (-BEYOND..BEYOND).contains(&value) {
        // Exact: a whole double in range is one of these integers.
        return format!("{value:.0}").parse::<i64>().map_or(number, Number::from);
    }
    Number::from_f64(value).unwrap_or(number)
}

fn float(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() == 0 || !exponent_fits {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    Number::from_f64(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_are_those_of_kubectl() {
        for yes in ["true", "yes", "on", "Y"] {
            assert_eq!(resolve(yes), Plain::Bool(true), "{yes}");
        }
        for no in ["false", "no", "Off", "n"] {
            assert_eq!(resolve(no), Plain::Bool(false), "{no}");
        }
        for null in ["", "~", "null"] {
            assert_eq!(resolve(null), Plain::Null, "{null}");
        }
        for (text, number) in
            [("12", 12), ("+15550100", 15_550_100), ("0755", 493), ("0x1F", 31), ("1_000", 1000)]
        {
            assert_eq!(resolve(text), Plain::Number(number.into()), "{text}");
        }
        assert_eq!(resolve("-5"), Plain::Number((-5).into()));
        for (text, number) in [("5.0", 5), ("1e3", 1000), ("08", 8), ("-0.0", 0), ("-2.50e1", -25)]
        {
            assert_eq!(resolve(text), Plain::Number(number.into()), "{text}");
        }
        let most = "9223372036854775807";
        assert_eq!(resolve(most), Plain::Number(i64::MAX.into()));
        for (text, number) in [
            ("1.5", 1.5),
            (".5", 0.5),
            ("1e19", 1e19),
            ("1e300", 1e300),
            ("9223372036854775808", 9_223_372_036_854_775_808.0),
            ("18446744073709551615", 18_446_744_073_709_551_615.0),
        ] {
            assert_eq!(resolve(text), Plain::Number(Number::from_f64(number).unwrap()), "{text}");
        }
        assert_eq!(resolve(".inf"), Plain::NotJson);
        for text in ["2024-05-01", "1.2.3", "12:30", "10m", "a", "-", ".", "1e", "é"] {
            assert_eq!(resolve(text), Plain::Text, "{text}");
        }
    }
}
