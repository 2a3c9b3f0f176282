//! Who writes to which URL. Of several objects that write the same file, the oldest does. Pure.

use std::{borrow::Cow, sync::Arc};

use jiff::{Timestamp, tz::TimeZone};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::runs::Schedule;
use crate::{
    api::{CandidateExport, CandidateExportSpec, CandidateImport, ExportMode},
    cluster::{Cluster, Kind, ObjectKey},
    domain::{Cause, Reason},
};

/// Stands for the start of a run in a URL.
pub(super) const RUN: &str = "{run}";

/// The zone of an export's dates: that of its schedule.
pub(super) fn zone(spec: &CandidateExportSpec) -> TimeZone {
    Schedule::of(spec.interval.as_ref(), spec.schedule.as_ref())
        .map_or(TimeZone::UTC, |schedule| schedule.zone())
}

/// The URL of a run that starts at a time.
pub(super) fn rendered(template: &str, key: &ObjectKey, at: Timestamp, zone: &TimeZone) -> String {
    dated(template, key, at, zone).replace(RUN, &at.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// The URL of some run of a day.
pub(super) fn dated(template: &str, key: &ObjectKey, at: Timestamp, zone: &TimeZone) -> String {
    let date = at.to_zoned(zone.clone()).date().to_string();
    named(template, key).replace("{date}", &date)
}

/// With the names of the export.
fn named(template: &str, key: &ObjectKey) -> String {
    template.replace("{namespace}", &key.namespace).replace("{export}", &key.name)
}

/// An older object that writes to a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    kind: Kind,
    key: ObjectKey,
}

impl Claim {
    /// Why an object of this namespace does not write what this field names. `what` is written; `hint`
    /// is how its name can be made unique.
    pub(super) fn refusal(&self, namespace: &str, field: &str, what: &str, hint: &str) -> Cause {
        let kind = if self.kind == Kind::Import { "import" } else { "export" };
        // Names of other namespaces are not for everybody here.
        let named = if self.key.namespace == namespace {
            format!("the older {kind} {}", self.key)
        } else {
            format!("an older {kind} of another namespace")
        };
        let message = format!("{named} writes {what}: change {field}{hint}");
        Cause::new(Reason::DestinationConflict, message)
    }
}

/// The objects that write files or reports of their own naming.
pub(super) struct Writers {
    exports: Vec<(ObjectKey, Arc<CandidateExport>)>,
    imports: Vec<(ObjectKey, Arc<CandidateImport>)>,
}

impl Writers {
    /// Those of a cluster, as last seen.
    pub(super) fn of(cluster: &impl Cluster) -> Self {
        Self { exports: cluster.file_exports(), imports: cluster.file_imports() }
    }

    /// An object older than this one that writes to this URL at this time.
    pub(super) fn older(
        &self,
        url: &str,
        (kind, key, meta): (Kind, &ObjectKey, &ObjectMeta),
        at: Timestamp,
    ) -> Option<Claim> {
        let mine = age(kind, key, meta);
        let export = self.exports.iter().find(|(key, other)| {
            age(Kind::Export, key, &other.metadata) < mine
                && templates(&other.spec)
                    .any(|template| writes(&template, url, key, &other.spec, at))
        });
        let import = self.imports.iter().find(|(key, other)| {
            age(Kind::Import, key, &other.metadata) < mine && report_of(other) == Some(url)
        });
        export
            .map(|(key, _)| Claim { kind: Kind::Export, key: key.clone() })
            .or_else(|| import.map(|(key, _)| Claim { kind: Kind::Import, key: key.clone() }))
    }
}

/// The name of the list beside a report: `people.ndjson.gz` is `people.written.ndjson.gz`.
pub(super) fn beside(report: &str) -> String {
    let (name, gz) = report.strip_suffix(".gz").map_or((report, ""), |name| (name, ".gz"));
    let (stem, format) = name.rsplit_once('.').unwrap_or((name, "ndjson"));
    format!("{stem}.written.{format}{gz}")
}

/// The URLs that an export writes to. A dry run writes no file, and a suspended export only the list of the
/// people whom it wrote, which may be asked for at any time.
fn templates(spec: &CandidateExportSpec) -> impl Iterator<Item = Cow<'_, str>> {
    let is_active = !spec.suspend;
    let pushes = spec.mode == ExportMode::Push;
    let file = spec.destination.file.as_ref().filter(|_| pushes).map(|file| &file.to);
    let report = spec.report.as_ref().map(|report| &report.to);
    let targets =
        file.into_iter().chain(report).filter(move |_| is_active).map(|to| Cow::from(&to.url));
    targets.chain(report.map(|to| Cow::from(beside(&to.url))))
}

/// The report on the list of an import. Its parts are in a folder of its own. A suspended import writes
/// nothing.
fn report_of(import: &CandidateImport) -> Option<&str> {
    let list = import.spec.rediscovery.as_ref().filter(|_| !import.spec.suspend)?;
    Some(list.report.as_ref()?.to.url.as_str())
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

/// Sorts objects by age; those created in one second by kind and name.
fn age<'a>(
    kind: Kind,
    key: &'a ObjectKey,
    meta: &ObjectMeta,
) -> (Option<Timestamp>, Kind, &'a ObjectKey) {
    (meta.creation_timestamp.as_ref().map(|time| time.0), kind, key)
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

    const FIRST: &str = "2026-01-01T00:00:00Z";
    const SECOND: &str = "2026-01-02T00:00:00Z";
    const NOW: &str = "2026-11-26T10:00:00Z";

    fn export(name: &str, url: &str, created: &str) -> (ObjectKey, Arc<CandidateExport>) {
        let spec = json!({"integrationRef": {"name": "c"}, "source": {}, "destination": {"file":
            {"format": "CSV", "to": {"url": url}}}});
        let mut export = CandidateExport::new(name, serde_json::from_value(spec).unwrap());
        export.metadata.creation_timestamp = Some(Time(at(created)));
        (key(name), export.into())
    }

    fn import(name: &str, url: &str, created: &str) -> (ObjectKey, Arc<CandidateImport>) {
        let spec = json!({"integrationRef": {"name": "c"},
            "sink": {"objectStore": {"url": "s3://b/parts/"}},
            "match": {"source": {}, "report": {"to": {"url": url}}}});
        let mut import = CandidateImport::new(name, serde_json::from_value(spec).unwrap());
        import.metadata.creation_timestamp = Some(Time(at(created)));
        (key(name), import.into())
    }

    #[test]
    fn the_list_is_beside_the_report() {
        for (report, list) in [
            ("s3://b/x.y/people.ndjson", "s3://b/x.y/people.written.ndjson"),
            ("file:///srv/{export}-{date}.csv.gz", "file:///srv/{export}-{date}.written.csv.gz"),
        ] {
            assert_eq!(beside(report), list);
        }
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
    fn the_older_of_two_exports_of_one_url_keeps_it() {
        let all = Writers {
            exports: vec![
                export("a", "s3://b/{export}.csv", SECOND),
                export("b", "s3://b/a.csv", FIRST),
                export("c", "s3://b/{date}.csv", SECOND),
                export("d", "s3://b/{date}.csv", SECOND),
            ],
            imports: Vec::new(),
        };
        let now = at(NOW);
        let claimed: Vec<_> = all
            .exports
            .iter()
            .map(|(key, own)| {
                let to = &own.spec.destination.file.as_ref().unwrap().to.url;
                let url = rendered(to, key, now, &zone(&own.spec));
                all.older(&url, (Kind::Export, key, &own.metadata), now).map(|older| older.key.name)
            })
            .collect();
        let by = |name: &str| Some(name.to_owned());
        assert_eq!(claimed, [by("b"), None, None, by("c")], "by age, then by name");
    }

    #[test]
    fn exports_and_imports_do_not_write_to_each_others_url() {
        let url = "s3://b/x-2026-11-26.csv";
        let writers = |imports: Vec<_>, exports: Vec<_>| Writers { exports, imports };
        let (young_import, old_import) = (import("i", url, SECOND), import("i", url, FIRST));
        let template = "s3://b/{export}-{date}.csv";
        let (young_export, old_export) =
            (export("x", template, SECOND), export("x", template, FIRST));
        let of_import = |all: &Writers, own: &(ObjectKey, Arc<CandidateImport>)| {
            all.older(url, (Kind::Import, &own.0, &own.1.metadata), at(NOW))
        };
        let of_export = |all: &Writers, own: &(ObjectKey, Arc<CandidateExport>)| {
            all.older(url, (Kind::Export, &own.0, &own.1.metadata), at(NOW))
        };
        let all = writers(vec![young_import.clone()], vec![old_export.clone()]);
        let claim = of_import(&all, &young_import).unwrap();
        assert_eq!(of_export(&all, &old_export), None);
        let refusal = claim.refusal("talent", "spec.match.report.to.url", "this file", "");
        assert_eq!(refusal.reason, Reason::DestinationConflict);
        assert_eq!(
            refusal.message,
            "the older export talent/x writes this file: change spec.match.report.to.url"
        );
        let foreign = claim.refusal("other", "f", "this file", "").message;
        assert_eq!(foreign, "an older export of another namespace writes this file: change f");
        let all = writers(vec![old_import.clone()], vec![young_export.clone()]);
        assert_eq!(of_import(&all, &old_import), None);
        let claim = of_export(&all, &young_export).unwrap();
        assert!(claim.refusal("talent", "f", "it", "").message.contains("older import talent/i"));
        let twin = import("j", url, FIRST);
        let all = writers(vec![old_import.clone(), twin.clone()], Vec::new());
        assert_eq!(of_import(&all, &old_import), None, "not by itself");
        assert_eq!(of_import(&all, &twin).unwrap().key.name, "i");
        let mut asleep = Arc::unwrap_or_clone(old_import.1);
        asleep.spec.suspend = true;
        let all = writers(vec![(key("i"), asleep.into())], Vec::new());
        assert_eq!(of_export(&all, &young_export), None, "a suspended import writes nothing");
    }

    #[test]
    fn an_export_that_writes_nothing_claims_nothing() {
        let url = "s3://b/x-2026-11-26.csv";
        let own = export("own", url, SECOND);
        let claimed = |change: fn(&mut CandidateExportSpec)| {
            let (key, older) = export("x", "s3://b/{export}-{date}.csv", FIRST);
            let mut older = Arc::unwrap_or_clone(older);
            change(&mut older.spec);
            let all = Writers { exports: vec![(key, older.into())], imports: Vec::new() };
            all.older(url, (Kind::Export, &own.0, &own.1.metadata), at(NOW)).is_some()
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

    #[test]
    fn the_list_of_written_people_of_a_suspended_export_is_not_overwritten() {
        let (key, older) = export("x", "s3://b/{export}-{date}.csv", FIRST);
        let mut older = Arc::unwrap_or_clone(older);
        older.spec.report =
            Some(serde_json::from_value(json!({"to": {"url": "s3://b/r.ndjson"}})).unwrap());
        older.spec.suspend = true;
        let all = Writers { exports: vec![(key, older.into())], imports: Vec::new() };
        let own = export("own", "s3://b/own.csv", SECOND);
        let claimed =
            |url: &str| all.older(url, (Kind::Export, &own.0, &own.1.metadata), at(NOW)).is_some();
        assert!(claimed("s3://b/r.written.ndjson"));
        assert!(!claimed("s3://b/r.ndjson"), "no report of a suspended export");
    }
}
