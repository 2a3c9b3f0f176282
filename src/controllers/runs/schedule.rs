//! When an export or import runs again by itself. Pure: the time of the last run comes in.

use std::{str::FromStr, time::Duration};

use croner::Cron;
use jiff::{Timestamp, tz::TimeZone};

use super::cron_fields;
use crate::{
    api::{Duration as Interval, ExportSchedule},
    domain::digest_parts,
};

/// The longest delay that is added, so that exports with one schedule do not all start at once.
const MAX_SPREAD: Duration = Duration::from_secs(60);

/// When an export or import runs again by itself, as its spec says.
#[derive(Debug, Clone)]
pub(in crate::controllers) enum Schedule {
    /// Never.
    Never,
    /// This long after the last run.
    Every(Duration),
    /// At certain times.
    At(Box<(Cron, TimeZone)>),
}

impl Schedule {
    /// Reads `spec.interval` and `spec.schedule`. The error names the field.
    pub(in crate::controllers) fn of(
        interval: Option<&Interval>,
        schedule: Option<&ExportSchedule>,
    ) -> Result<Self, String> {
        if let Some(interval) = interval {
            return Ok(Self::Every(interval.get()));
        }
        let Some(schedule) = schedule else { return Ok(Self::Never) };
        let found = times(&schedule.cron, &schedule.time_zone, "spec.schedule")?;
        Ok(Self::At(Box::new(found)))
    }

    /// The time zone of its times; UTC where it has none.
    pub(in crate::controllers) fn zone(&self) -> TimeZone {
        match self {
            Self::Never | Self::Every(_) => TimeZone::UTC,
            Self::At(times) => times.1.clone(),
        }
    }

    /// When the run after one that ended at `last` is due. `uid`: of the export, which decides by
    /// how much its runs are spread.
    pub(in crate::controllers) fn after(&self, last: Timestamp, uid: &str) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::Every(interval) => last.checked_add(*interval + spread(uid, *interval)).ok(),
            Self::At(times) => {
                let (cron, zone) = &**times;
                let next = |from: Timestamp| {
                    let found = cron.find_next_occurrence(&from.to_zoned(zone.clone()), false);
                    Some(found.ok()?.timestamp())
                };
                let first = next(last)?;
                let gap = Duration::try_from(next(first)?.duration_since(first)).ok()?;
                first.checked_add(spread(uid, gap)).ok()
            }
        }
    }
}

/// Reads times and their zone. The error names the field within `place`.
pub(super) fn times(cron: &str, zone: &str, place: &str) -> Result<(Cron, TimeZone), String> {
    let field = |fault: String| format!("{place}.cron: {fault}");
    cron_fields::check(cron).map_err(field)?;
    let times = Cron::from_str(cron).map_err(|error| field(format!("{cron}: {error}")))?;
    let zone = TimeZone::get(zone)
        .map_err(|_| format!("{place}.timeZone: {zone} is no time zone such as Europe/Dublin"))?;
    Ok((times, zone))
}

/// Up to a twentieth of the time between two runs.
fn spread(uid: &str, gap: Duration) -> Duration {
    let most = (gap / 20).min(MAX_SPREAD).as_millis().max(1);
    let digest = digest_parts([uid.as_bytes()]);
    let own =
        digest.as_bytes().iter().take(8).fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
    Duration::from_millis(u64::try_from(own % most).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(json: &serde_json::Value) -> Result<Schedule, String> {
        let interval: Option<Interval> = serde_json::from_value(json["interval"].clone()).unwrap();
        let times: Option<ExportSchedule> =
            serde_json::from_value(json["schedule"].clone()).unwrap();
        Schedule::of(interval.as_ref(), times.as_ref())
    }

    fn after(found: &Schedule, last: &str) -> Timestamp {
        found.after(last.parse().unwrap(), "uid").unwrap()
    }

    fn within(due: Timestamp, expected: &str, spread: i64) {
        let late = due.as_second() - expected.parse::<Timestamp>().unwrap().as_second();
        assert!((0..=spread).contains(&late), "{due} is not soon after {expected}");
    }

    #[test]
    fn an_interval_counts_from_the_last_run_and_a_schedule_follows_the_clock_of_its_zone() {
        let hourly = schedule(&serde_json::json!({"interval": "1h"})).unwrap();
        within(after(&hourly, "2026-11-23T10:00:00Z"), "2026-11-23T11:00:00Z", 60);
        let cron = |cron: &str, zone: &str| {
            let spec = serde_json::json!({"schedule": {"cron": cron, "timeZone": zone}});
            schedule(&spec).unwrap()
        };
        let weekdays = cron("30 6 * * MON-FRI", "Europe/Berlin");
        within(after(&weekdays, "2026-11-20T12:00:00Z"), "2026-11-23T05:30:00Z", 60);
        // Summer time ends on 25 October 2026: the same clock time is an hour later.
        let daily = cron("30 6 * * *", "Europe/Berlin");
        within(after(&daily, "2026-10-24T05:00:00Z"), "2026-10-25T05:30:00Z", 60);
        within(after(&daily, "2026-10-23T05:00:00Z"), "2026-10-24T04:30:00Z", 60);
        assert!(
            schedule(&serde_json::json!({})).unwrap().after(Timestamp::UNIX_EPOCH, "").is_none()
        );
    }

    #[test]
    fn exports_of_one_schedule_do_not_all_start_at_once_and_each_keeps_its_time() {
        let hourly = schedule(&serde_json::json!({"interval": "1h"})).unwrap();
        let due = |name: &str| hourly.after(Timestamp::UNIX_EPOCH, name).unwrap();
        assert_eq!(due("a"), due("a"));
        let distinct: std::collections::BTreeSet<Timestamp> =
            (0..100).map(|n| due(&format!("export-{n}"))).collect();
        assert!(distinct.len() > 90, "{}", distinct.len());
    }

    #[test]
    fn an_invalid_time_is_reported_with_its_field() {
        for (times, field) in [
            (
                serde_json::json!({"cron": "61 * * * *"}),
                "spec.schedule.cron: the minute is 0 to 59, not 61",
            ),
            (
                serde_json::json!({"cron": "0 6 * * *", "timeZone": "Mars/Base"}),
                "spec.schedule.timeZone: Mars/Base",
            ),
        ] {
            let fault = schedule(&serde_json::json!({"schedule": times})).unwrap_err();
            assert!(fault.starts_with(field), "{fault}");
        }
    }
}
