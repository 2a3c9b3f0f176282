//! The fields of a cron expression, checked one by one, so that a fault names the field and what it
//! takes. Pure. What they mean together is the cron parser's.

/// A field of a cron expression.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    /// Names of the numbers from `least` on.
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// In the order of an expression.
const FIELDS: [Field; 5] = [
    Field { name: "the minute", least: 0, most: 59, names: &[] },
    Field { name: "the hour", least: 0, most: 23, names: &[] },
    Field { name: "the day of the month", least: 1, most: 31, names: &[] },
    Field { name: "the month", least: 1, most: 12, names: &MONTHS },
    Field { name: "the day of the week", least: 0, most: 7, names: &DAYS },
];
/// Days of each month, in a leap year.
const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Checks every number and name of an expression of five fields, and that its days exist. The error
/// names the field.
pub(super) fn check(cron: &str) -> Result<(), String> {
    let parts: Vec<&str> = cron.split_whitespace().collect();
    let [_, _, days, months, weekdays] = parts[..] else {
        return Err("must be minute, hour, day of the month, month and day of the week".to_owned());
    };
    for (field, part) in FIELDS.iter().zip(&parts) {
        part.split(',').try_for_each(|item| field.check(item))?;
    }
    // With a day of the week, other days count, too.
    let day = numbers(days).min();
    let longest =
        numbers(&numbered(months, &MONTHS)).map(|month| LENGTHS[month as usize - 1]).max();
    match (day, longest) {
        (Some(day), Some(longest)) if weekdays == "*" && day > longest => {
            Err(format!("no month of {months} has a day {day}, so that no run would ever start"))
        }
        _ => Ok(()),
    }
}

/// The first number of each item of a list; none unless every item begins with one.
fn numbers(part: &str) -> impl Iterator<Item = u32> {
    let first = |item: &str| -> Option<u32> { item.split(['-', '/']).next()?.parse().ok() };
    // A range of months may hold a longer one than the first: then the day exists.
    let plain = part.split(',').all(|item| first(item).is_some());
    let found: Vec<u32> = part.split(',').filter_map(first).collect();
    found.into_iter().filter(move |_| plain)
}

/// A list of months as numbers; unchanged where it has a range.
fn numbered(part: &str, names: &[&str]) -> String {
    if part.contains(['-', '/', '*']) {
        return String::new();
    }
    let number = |item: &str| {
        let place = names.iter().position(|name| name.eq_ignore_ascii_case(item));
        place.map_or_else(|| item.to_owned(), |place| (place + 1).to_string())
    };
    part.split(',').map(number).collect::<Vec<_>>().join(",")
}

impl Field {
    /// Checks one item of a list: `*`, a value, or a range, each with an optional step.
    fn check(&self, item: &str) -> Result<(), String> {
        let (values, step) = match item.split_once('/') {
            Some((values, step)) => (values, Some(step)),
            None => (item, None),
        };
        if let Some(step) = step
            && !step.parse().is_ok_and(|step| (1..=self.most).contains(&step))
        {
            let Self { name, most, .. } = self;
            return Err(format!("the step of {name} is 1 to {most}, not {step}"));
        }
        if matches!(values, "*" | "?") || self.is_special(values) {
            return Ok(());
        }
        values.split('-').try_for_each(|value| self.value(value))
    }

    /// `L`, `15W`, `5#2`: days that depend on the month.
    fn is_special(&self, values: &str) -> bool {
        let special = |c: char| matches!(c, 'L' | 'W' | '#');
        self.name.contains("day of")
            && values.contains(special)
            && !values.contains('-')
            && !self.names.iter().any(|name| name.eq_ignore_ascii_case(values))
    }

    fn value(&self, value: &str) -> Result<(), String> {
        let Self { name, least, most, names } = self;
        if names.iter().any(|name| name.eq_ignore_ascii_case(value))
            || value.parse().is_ok_and(|number| (*least..=*most).contains(&number))
        {
            return Ok(());
        }
        let or_names = match names {
            [first, .., last] => format!(" or {first} to {last}"),
            _ => String::new(),
        };
        Err(format!("{name} is {least} to {most}{or_names}, not {value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_the_field_and_what_it_takes() {
        for (cron, expected) in [
            ("61 * * * *", "the minute is 0 to 59, not 61"),
            ("0 24 * * *", "the hour is 0 to 23, not 24"),
            ("0 6 0 * *", "the day of the month is 1 to 31, not 0"),
            ("0 6 1,32 * *", "the day of the month is 1 to 31, not 32"),
            ("0 6 * 13 *", "the month is 1 to 12 or JAN to DEC, not 13"),
            ("0 6 * JANUARY *", "the month is 1 to 12 or JAN to DEC, not JANUARY"),
            ("0 6 * * MON-FRY", "the day of the week is 0 to 7 or SUN to SAT, not FRY"),
            ("0 6 * * 8", "the day of the week is 0 to 7 or SUN to SAT, not 8"),
            ("*/0 * * * *", "the step of the minute is 1 to 59, not 0"),
            ("*/90 * * * *", "the step of the minute is 1 to 59, not 90"),
            ("0 -6 * * *", "the hour is 0 to 23, not "),
            ("0 0 31 2 *", "no month of 2 has a day 31, so that no run would ever start"),
            ("0 0 30,31 FEB *", "no month of FEB has a day 30, so that no run would ever start"),
            (
                "0 0 31 4,6,9,11 *",
                "no month of 4,6,9,11 has a day 31, so that no run would ever start",
            ),
            ("@daily", "must be minute, hour, day of the month, month and day of the week"),
        ] {
            assert_eq!(check(cron).unwrap_err(), expected, "{cron}");
        }
    }

    #[test]
    fn every_expression_that_has_a_next_time_is_accepted() {
        for cron in [
            "30 6 * * MON-FRI",
            "*/15 8-18 * * *",
            "0 0 29 2 *",
            "0 0 31 1-3 *",
            "0 0 31 2 MON",
            "5,35 6 1-7 JAN,jul *",
            "0 0 L * *",
            "0 0 15W * *",
            "0 0 * * 5#2",
            "0 0 ? * 7",
            "0 22 1/5 * sun",
        ] {
            assert_eq!(check(cron), Ok(()), "{cron}");
        }
    }
}
