//! What to write for a duration that is not one: `5min` is `5m`. Pure.

/// The most digits that are repeated in a message.
const MAX_DIGITS: usize = 6;

/// What a value must be, if this pattern is that of durations.
pub(super) fn expected(pattern: &str, text: &str) -> Option<String> {
    let units = pattern.strip_prefix("^([0-9]+(")?.strip_suffix("))+$")?;
    let units: Vec<&str> = units.split('|').collect();
    let (last, others) = units.split_last()?;
    let message = format!(
        "must be a duration such as 30s, 5m or 1m30s, with the units {} and {last}",
        others.join(", ")
    );
    let meant = meant(text, &units).map(|meant| format!("; did you mean {meant}?"));
    Some(message + &meant.unwrap_or_default())
}

/// The duration that is meant, as far as it can be recognised: a number with one unit.
fn meant(text: &str, units: &[&str]) -> Option<String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, word) = text.split_at(digits);
    let word = word.trim().to_ascii_lowercase();
    if !(1..=MAX_DIGITS).contains(&digits) || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    let (number, unit) = match word.as_str() {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => (number, "s"),
        "ms" | "msec" | "millis" | "milliseconds" => (number, "ms"),
        "m" | "min" | "mins" | "minute" | "minutes" => (number, "m"),
        "h" | "hr" | "hrs" | "hour" | "hours" => (number, "h"),
        "d" | "day" | "days" => (number * 24, "h"),
        "w" | "week" | "weeks" => (number * 24 * 7, "h"),
        _ => return None,
    };
    units.contains(&unit).then(|| format!("{number}{unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_that_is_meant_is_named() {
        let pattern = "^([0-9]+(s|m|h))+$";
        for (text, meant) in [
            ("5min", "5m"),
            ("5 Minutes", "5m"),
            ("300", "300s"),
            ("2h ", "2h"),
            ("1 day", "24h"),
            ("2 weeks", "336h"),
        ] {
            let message = expected(pattern, text).unwrap();
            assert!(message.ends_with(&format!("did you mean {meant}?")), "{text}: {message}");
        }
        let message = "must be a duration such as 30s, 5m or 1m30s, with the units s, m and h";
        for text in ["", "soon", "5x", "PT5M", "5ms", "1.5h", "-5m", "12345678", "5m;rm"] {
            assert_eq!(expected(pattern, text).unwrap(), message, "{text}");
        }
        assert_eq!(expected("^[a-z]+$", "5min"), None);
        assert!(expected("^([0-9]+(ms|s|m))+$", "5h").unwrap().ends_with("ms, s and m"));
    }
}
