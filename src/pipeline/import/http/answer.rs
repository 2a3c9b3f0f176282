//! What the answer of an endpoint means. Pure.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// The longest `Retry-After` that is believed.
const LONGEST: Duration = Duration::from_hours(24);

/// What follows an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The batch is delivered.
    Taken,
    /// Something in the batch is not taken.
    Refused,
    /// Not now.
    Later,
    /// Only a person can help, and what to do.
    Denied(&'static str),
}

/// The verdict on a status.
pub fn verdict(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Taken,
        400 | 413 | 422 => Verdict::Refused,
        408 | 409 | 425 | 429 | 500..=599 => Verdict::Later,
        300..=399 => Verdict::Denied("redirects are not followed: name the final URL"),
        401 | 403 => Verdict::Denied("check the headers, and that it knows the signing key"),
        404 | 410 => Verdict::Denied("nothing takes requests at this URL: check its path"),
        _ => Verdict::Denied("it does not take these requests: check the URL"),
    }
}

/// The least time to wait, from `Retry-After`: seconds, or a date.
pub fn asked_to_wait(header: Option<&str>, now: Timestamp) -> Duration {
    let Some(text) = header.map(str::trim) else { return Duration::ZERO };
    let asked = text.parse().ok().map(Duration::from_secs).or_else(|| {
        let at = httpdate::parse_http_date(text).ok()?;
        Some(at.duration_since(SystemTime::from(now)).unwrap_or_default())
    });
    asked.unwrap_or_default().min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_meaning() {
        for (statuses, expected) in [
            (&[200, 201, 202, 204][..], "taken"),
            (&[400, 413, 422], "refused"),
            (&[408, 409, 425, 429, 500, 501, 502, 503, 504, 599], "later"),
            (&[301, 302, 303, 307, 308, 401, 403, 404, 410, 402, 405, 406, 415, 451], "denied"),
        ] {
            for status in statuses {
                let found = match verdict(*status) {
                    Verdict::Taken => "taken",
                    Verdict::Refused => "refused",
                    Verdict::Later => "later",
                    Verdict::Denied(_) => "denied",
                };
                assert_eq!(found, expected, "{status}");
            }
        }
    }

    #[test]
    fn a_wait_is_asked_for_in_seconds_or_by_a_date() {
        let now: Timestamp = "2026-11-25T22:00:00Z".parse().unwrap();
        let of = |text| asked_to_wait(Some(text), now).as_secs();
        assert_eq!(of("7"), 7);
        assert_eq!(of("Wed, 25 Nov 2026 22:01:00 GMT"), 60);
        assert_eq!(of("Wed, 25 Nov 2026 21:00:00 GMT"), 0);
        assert_eq!((of("soon"), of("-1"), of("999999999")), (0, 0, 24 * 3600));
        assert_eq!(asked_to_wait(None, now), Duration::ZERO);
    }
}
