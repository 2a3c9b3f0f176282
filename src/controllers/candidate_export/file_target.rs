//! Where an export writes its file: the URL of a run, and whether an older export writes there, too.
//! Pure.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use jiff::{Timestamp, tz::TimeZone};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{
    api::{
        CandidateExport, CandidateExportSpec, ExportMode, FileDestination, FileTarget,
        ReportInclude,
    },
    cluster::ObjectKey,
    controllers::runs::Schedule,
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
    /// The older export that writes there, too.
    pub(super) claimed_by: Option<ObjectKey>,
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

/// The zone of an export's dates: that of its schedule.
pub(super) fn zone(spec: &CandidateExportSpec) -> TimeZone {
    Schedule::of(spec.interval.as_ref(), spec.schedule.as_ref())
        .map_or(TimeZone::UTC, |schedule| schedule.zone())
}

/// The URL of a run that starts at a time.
pub(super) fn rendered(template: &str, key: &ObjectKey, at: Timestamp, zone: &TimeZone) -> String {
    dated(template, key, at, zone).replace(RUN, &at.strftime("%Y%m%dT%H%M%SZ").to_string())
}

const RUN: &str = "{run}";

/// The URL of some run of a day.
fn dated(template: &str, key: &ObjectKey, at: Timestamp, zone: &TimeZone) -> String {
    let date = at.to_zoned(zone.clone()).date().to_string();
    named(template, key).replace("{date}", &date)
}

/// With the names of the export.
fn named(template: &str, key: &ObjectKey) -> String {
    template.replace("{namespace}", &key.namespace).replace("{export}", &key.name)
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

/// The older export that writes to this URL at this time.
pub(super) fn claimed_by(
    url: &str,
    own: (&ObjectKey, &ObjectMeta),
    others: &[(ObjectKey, Arc<CandidateExport>)],
    at: Timestamp,
) -> Option<ObjectKey> {
    let mine = age(own.0, own.1);
    let claims = |key: &ObjectKey, other: &CandidateExport| {
        age(key, &other.metadata) < mine
            && templates(&other.spec).any(|template| writes(template, url, key, &other.spec, at))
    };
    others.iter().find(|(key, other)| claims(key, other)).map(|(key, _)| key.clone())
}

/// The URLs that an export writes to. A dry run writes its report only, and a suspended export nothing.
fn templates(spec: &CandidateExportSpec) -> impl Iterator<Item = &str> {
    let pushes = spec.mode == ExportMode::Push;
    let file = spec.destination.file.as_ref().filter(|_| pushes).map(|file| &file.to);
    let report = spec.report.as_ref().map(|report| &report.to);
    let targets = file.into_iter().chain(report).filter(|_| !spec.suspend);
    targets.map(|to| to.url.as_str())
}

/// Whether a template stands for a URL. There may be a thousand exports for each of a thousand: the zone,
/// which is costly, is looked up for those whose names fit.
fn writes(
    template: &str,
    url: &str,
    key: &ObjectKey,
    spec: &CandidateExportSpec,
    at: Timestamp,
) -> bool {
    let is_near = |front: &str| url.starts_with(front);
    if !template.split('{').next().is_some_and(is_near) {
        return false;
    }
    // Day and start have a fixed length.
    let masked =
        named(template, key).replace("{date}", &"?".repeat(10)).replace(RUN, &"?".repeat(16));
    let mut pairs = masked.bytes().zip(url.bytes());
    masked.len() == url.len()
        && pairs.all(|(masked, letter)| masked == letter || masked == b'?')
        && rendered(template, key, at, &zone(spec)) == url
}

/// Sorts exports by age; those created in one second by name.
fn age<'a>(key: &'a ObjectKey, meta: &ObjectMeta) -> (Option<Timestamp>, &'a ObjectKey) {
    (meta.creation_timestamp.as_ref().map(|time| time.0), key)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("talent", name)
    }

    #[test]
    fn placeholders_stand_for_names_day_and_start() {
        let template = "s3://b/{namespace}/{export}-{date}-{run}.csv";
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let late = at("2026-11-26T23:30:05Z");
        assert_eq!(
            rendered(template, &key("people"), late, &berlin),
            "s3://b/talent/people-2026-11-27-20261126T233005Z.csv"
        );
        let utc = rendered(template, &key("people"), late, &TimeZone::UTC);
        assert_eq!(utc, "s3://b/talent/people-2026-11-26-20261126T233005Z.csv");
        assert_eq!(rendered("file:///x.csv", &key("p"), late, &berlin), "file:///x.csv");
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

    fn export(name: &str, url: &str, created: &str) -> (ObjectKey, Arc<CandidateExport>) {
        let spec = json!({"integrationRef": {"name": "c"}, "source": {}, "destination": {"file":
            {"format": "CSV", "to": {"url": url}}}});
        let mut export = CandidateExport::new(name, serde_json::from_value(spec).unwrap());
        export.metadata.creation_timestamp = Some(Time(at(created)));
        (key(name), export.into())
    }

    #[test]
    fn the_older_of_two_exports_of_one_url_keeps_it() {
        let (first, second) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        let all = [
            export("a", "s3://b/{export}.csv", second),
            export("b", "s3://b/a.csv", first),
            export("c", "s3://b/{date}.csv", second),
            export("d", "s3://b/{date}.csv", second),
        ];
        let now = at("2026-11-26T10:00:00Z");
        let claimed = all.each_ref().map(|(key, own)| {
            let url = rendered(
                &own.spec.destination.file.as_ref().unwrap().to.url,
                key,
                now,
                &zone(&own.spec),
            );
            claimed_by(&url, (key, &own.metadata), &all, now).map(|older| older.name)
        });
        let by = |name: &str| Some(name.to_owned());
        assert_eq!(claimed, [by("b"), None, None, by("c")], "by age, then by name");
    }

    #[test]
    fn an_export_that_writes_nothing_claims_nothing() {
        let url = "s3://b/x-2026-11-26.csv";
        let (own, now) = (export("own", url, "2026-01-02T00:00:00Z"), at("2026-11-26T10:00:00Z"));
        let claimed = |change: fn(&mut CandidateExportSpec)| {
            let (key, older) = export("x", "s3://b/{export}-{date}.csv", "2026-01-01T00:00:00Z");
            let mut older = Arc::unwrap_or_clone(older);
            change(&mut older.spec);
            claimed_by(url, (&own.0, &own.1.metadata), &[(key, older.into())], now).is_some()
        };
        let report = |spec: &mut CandidateExportSpec| {
            spec.mode = ExportMode::DryRun;
            spec.report = Some(
                serde_json::from_value(json!({"to": {"url": "s3://b/x-{date}.csv"}})).unwrap(),
            );
        };
        assert!(claimed(|_| {}));
        assert!(!claimed(|spec| spec.mode = ExportMode::DryRun));
        assert!(!claimed(|spec| spec.suspend = true));
        assert!(claimed(report), "a dry run writes its report");
    }
}
