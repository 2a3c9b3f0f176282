//! Where an export writes its file and its report, and everything that this depends on. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::{Timestamp, tz::TimeZone};

use crate::{
    api::{FileDestination, FileTarget, ReportInclude},
    cluster::ObjectKey,
    controllers::claims::{Claim, RUN, dated},
    domain::Cause,
    ledger::Suppressions,
    pipeline::RECORD,
};

/// Where something is written, and what this depends on.
pub(super) struct TargetFound {
    /// The field of the spec that names it.
    pub(super) field: &'static str,
    /// As the spec names it.
    pub(super) to: FileTarget,
    /// Its URL, for a run that starts now.
    pub(super) url: String,
    /// The fields of the Secret for it, or why it cannot be used.
    pub(super) secret: Result<Option<BTreeMap<String, Bytes>>, Cause>,
    /// An older object that writes there, too.
    pub(super) claimed_by: Option<Claim>,
}

impl TargetFound {
    /// Whether it stands for a file of each person.
    pub(super) fn is_set(&self) -> bool {
        self.url.contains(RECORD)
    }

    /// The URL of a file: of a set, of one that nobody has.
    pub(super) fn sample_url(&self) -> String {
        sample(&self.url)
    }
}

/// The URL of a file of a set, which nobody has.
pub(super) fn sample(url: &str) -> String {
    url.replace(RECORD, "0000000000000000")
}

/// A report that an export writes.
pub(super) struct ReportFound {
    /// Which records have a line.
    pub(super) include: ReportInclude,
    /// Where it is written.
    pub(super) target: TargetFound,
}

/// A file that an export writes, and everything that this depends on.
pub(super) struct FileFound {
    /// As the spec names it.
    pub(super) spec: FileDestination,
    /// Where it is written.
    pub(super) target: TargetFound,
    /// Who must not leave, or why that is not known; absent before the integration was looked at.
    pub(super) lists: Option<Result<Suppressions, Cause>>,
}

/// Whether a run of the same day wrote this URL: then a file that has not changed stays.
pub(super) fn is_of_the_day(
    url: &str,
    template: &str,
    key: &ObjectKey,
    at: Timestamp,
    zone: &TimeZone,
) -> bool {
    let dated = dated(template, key, at, zone);
    let mut parts = dated.split(RUN);
    let Some(mut rest) = parts.next().and_then(|first| url.strip_prefix(first)) else {
        return false;
    };
    for part in parts {
        // What `{run}` stands for.
        let Some(after) = rest.get("20261126T093000Z".len()..) else { return false };
        let Some(behind) = after.strip_prefix(part) else { return false };
        rest = behind;
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::claims::rendered;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("talent", name)
    }

    #[test]
    fn a_file_stays_until_the_day_of_its_name_is_over() {
        let template = "s3://b/{date}/{run}/{run}.csv";
        let (key, utc) = (key("p"), TimeZone::UTC);
        let url = rendered(template, &key, at("2026-11-26T10:00:00Z"), &utc);
        let on = |time: &str| is_of_the_day(&url, template, &key, at(time), &utc);
        assert!(on("2026-11-26T23:59:59Z") && !on("2026-11-27T00:00:00Z"));
        let plain =
            |url: &str| is_of_the_day(url, "s3://b/x.csv", &key, at("2026-11-26T10:00:00Z"), &utc);
        assert!(plain("s3://b/x.csv") && !plain("s3://b/x.csv.gz") && !plain("s3://b/y.csv"));
    }
}
