//! When an export or import may work at all. Pure: the time comes in.

use std::time::Duration;

use croner::Cron;
use jiff::{Timestamp, tz::TimeZone};

use super::schedule;
use crate::{api::RunWindow, conditions::Verdict, domain::Reason};

/// The windows of an export or import; without any, it works at any time.
#[derive(Debug, Clone, Default)]
pub(in crate::controllers) struct Windows(Vec<Window>);

#[derive(Debug, Clone)]
struct Window {
    opens: Cron,
    zone: TimeZone,
    duration: Duration,
}

impl Windows {
    /// Reads `spec.windows`. The error names the field.
    pub(in crate::controllers) fn of(spec: &[RunWindow]) -> Result<Self, String> {
        let read = |(at, window): (usize, &RunWindow)| {
            let place = format!("spec.windows[{at}]");
            let zone = window.time_zone.as_deref().unwrap_or("UTC");
            let (opens, zone) = schedule::times(&window.cron, zone, &place)?;
            Ok(Window { opens, zone, duration: window.duration.get() })
        };
        spec.iter().enumerate().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The first time from `at` on at which one is open; `None` if none will be.
    pub(in crate::controllers) fn first_open(&self, at: Timestamp) -> Option<Timestamp> {
        if self.0.is_empty() || self.0.iter().any(|window| window.is_open(at)) {
            return Some(at);
        }
        self.0.iter().filter_map(|window| window.next(at)).min()
    }

    /// When what is due at `due` may start: what did not start in time waits for the next window.
    pub(in crate::controllers) fn starts(
        &self,
        due: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let opens = self.first_open(due)?;
        if opens >= now {
            return Some(opens);
        }
        self.first_open(now).map(|next| if next == now { opens } else { next })
    }

    /// Why nothing may run now, if nothing may.
    pub(in crate::controllers) fn closed(&self, now: Timestamp) -> Option<Verdict> {
        let message = match self.first_open(now) {
            Some(opens) if opens == now => return None,
            Some(opens) => format!("outside spec.windows: the next one opens at {opens:.0}"),
            None => "outside spec.windows, of which none opens any more".to_owned(),
        };
        Some(Verdict::reconciling(Reason::OutsideWindow, message))
    }

    /// How long until the next one opens, while none is open.
    pub(in crate::controllers) fn opens_in(&self, now: Timestamp) -> Option<Duration> {
        let opens = self.first_open(now).filter(|opens| *opens != now)?;
        Duration::try_from(opens.duration_since(now)).ok()
    }
}

impl Window {
    fn is_open(&self, at: Timestamp) -> bool {
        let found = self.opens.find_previous_occurrence(&at.to_zoned(self.zone.clone()), true);
        // One that begins while another of these is open lasts longer than that one.
        found.is_ok_and(|opened| {
            opened.timestamp().checked_add(self.duration).is_ok_and(|closes| at < closes)
        })
    }

    fn next(&self, at: Timestamp) -> Option<Timestamp> {
        let found = self.opens.find_next_occurrence(&at.to_zoned(self.zone.clone()), false);
        found.ok().map(|opens| opens.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(spec: &serde_json::Value) -> Windows {
        Windows::of(&serde_json::from_value::<Vec<RunWindow>>(spec.clone()).unwrap()).unwrap()
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn without_windows_every_time_is_fine() {
        let none = windows(&serde_json::json!([]));
        let now = at("2026-11-28T12:00:00Z");
        assert_eq!(none.first_open(now), Some(now));
        assert!(none.closed(now).is_none() && none.opens_in(now).is_none());
    }

    #[test]
    fn a_window_opens_at_its_times_and_closes_after_its_duration() {
        let nights = windows(&serde_json::json!([
            {"cron": "0 22 * * MON-FRI", "timeZone": "Europe/Berlin", "duration": "8h"},
        ]));
        for (time, first) in [
            // A Friday; Berlin is an hour ahead of UTC.
            ("2026-11-27T20:59:59Z", "2026-11-27T21:00:00Z"),
            ("2026-11-27T21:00:00Z", "2026-11-27T21:00:00Z"),
            ("2026-11-28T04:59:59Z", "2026-11-28T04:59:59Z"),
            ("2026-11-28T05:00:00Z", "2026-11-30T21:00:00Z"),
        ] {
            assert_eq!(nights.first_open(at(time)), Some(at(first)), "{time}");
        }
        let closed = nights.closed(at("2026-11-28T05:00:00.5Z")).unwrap();
        let said = "outside spec.windows: the next one opens at 2026-11-30T21:00:00Z";
        assert_eq!(closed, Verdict::reconciling(Reason::OutsideWindow, said));
        let wait = nights.opens_in(at("2026-11-30T20:59:00Z"));
        assert_eq!(wait, Some(Duration::from_mins(1)));
    }

    #[test]
    fn what_did_not_start_in_its_window_waits_for_the_next_one() {
        let nights = windows(&serde_json::json!([{"cron": "0 22 * * *", "duration": "8h"}]));
        let starts = |due: &str, now: &str| nights.starts(at(due), at(now)).unwrap();
        let (monday, tuesday) = ("2026-11-23T22:00:30Z", "2026-11-24T22:00:00Z");
        assert_eq!(starts(monday, "2026-11-23T12:00:00Z"), at(monday), "it is early");
        assert_eq!(starts(monday, "2026-11-24T05:59:59Z"), at(monday), "it is open still");
        assert_eq!(starts(monday, "2026-11-24T06:00:00Z"), at(tuesday), "it is too late");
        assert_eq!(starts(monday, "2026-11-24T23:00:00Z"), at(monday), "it is open again");
        assert_eq!(starts("2026-11-24T06:00:00Z", "2026-11-24T06:00:00Z"), at(tuesday));
    }

    #[test]
    fn a_night_in_which_the_clocks_change_lasts_as_long_as_any_other() {
        // Summer time ends on 25 October 2026 at 03:00, in the middle of the window.
        let night = windows(&serde_json::json!([
            {"cron": "0 22 * * *", "timeZone": "Europe/Berlin", "duration": "8h"},
        ]));
        assert!(night.closed(at("2026-10-24T20:00:00Z")).is_none());
        assert!(night.closed(at("2026-10-25T03:59:59Z")).is_none());
        assert!(night.closed(at("2026-10-25T04:00:00Z")).is_some());
    }

    #[test]
    fn of_several_windows_any_may_be_open() {
        let both = windows(&serde_json::json!([
            {"cron": "0 1 * * *", "duration": "1h"},
            {"cron": "0 5 * * SUN", "duration": "48h"},
        ]));
        for (time, open) in [
            ("2026-11-25T01:30:00Z", true),
            ("2026-11-25T02:30:00Z", false),
            ("2026-11-29T23:00:00Z", true),
            ("2026-12-01T04:59:00Z", true),
            ("2026-12-01T05:00:00Z", false),
        ] {
            assert_eq!(both.closed(at(time)).is_none(), open, "{time}");
        }
    }

    #[test]
    fn a_window_that_begins_again_before_it_ends_is_always_open() {
        let always = windows(&serde_json::json!([{"cron": "0 * * * *", "duration": "90m"}]));
        for minute in 0..120 {
            let time = at("2026-11-28T00:00:00Z") + jiff::SignedDuration::from_mins(minute);
            assert!(always.closed(time).is_none(), "{time}");
        }
    }

    #[test]
    fn an_invalid_window_is_reported_with_its_place() {
        let fault = |window: serde_json::Value| {
            let fine = serde_json::json!({"cron": "0 1 * * *", "duration": "1h"});
            let spec = serde_json::from_value::<Vec<RunWindow>>(serde_json::json!([fine, window]));
            Windows::of(&spec.unwrap()).unwrap_err()
        };
        let cron = fault(serde_json::json!({"cron": "0 25 * * *", "duration": "1h"}));
        assert_eq!(cron, "spec.windows[1].cron: the hour is 0 to 23, not 25");
        let zone =
            serde_json::json!({"cron": "0 1 * * *", "timeZone": "Mars/Base", "duration": "1h"});
        let zone = fault(zone);
        assert!(zone.starts_with("spec.windows[1].timeZone: Mars/Base is no time zone"), "{zone}");
    }
}
