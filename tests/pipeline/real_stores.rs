//! Object stores of other authors, as `make verify-stores` starts and fills them (hack/stores.py).

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use clinch_operator::{
    domain::Reason,
    ledger::{MemoryStore, ObjectLedgers, StoreError},
    network::OutboundProxy,
    pipeline::{
        Counts, Ending, FilePorts, LineFormat, ObjectSink, PartFormat, ReportSpec, RunSpec, Source,
        run, run_file, with_report,
    },
    source::{CsvOptions, is_told_by_name},
    storage::{AllowedPlaces, Destination, Listing, Location, Place, ReadFault, StoragePolicy},
};
use serde_json::{Value, json};
use url::Url;

use crate::{
    files,
    import::Import,
    setup::{ACCOUNT, Export, World, careless, contract, email, in_clinch, seeded},
};

/// Where everybody is.
const SOURCE: &str = "people/in/[ab]*";

/// Everybody in the source of each store, and created.
fn everybody() -> Counts {
    Counts { read: 100, total: 100, created: 100, ..Counts::default() }
}

/// The fields of a Secret.
fn fields(secret: &BTreeMap<String, String>) -> BTreeMap<String, Bytes> {
    secret.iter().map(|(name, value)| (name.clone(), Bytes::from(value.clone()))).collect()
}

/// A file of records: its size, and how many people are in it.
fn csv(people: usize, bytes: usize) -> String {
    let note = "x".repeat(bytes / people);
    let rows = (0..people).map(|n| format!("Cy{n},cy{n}@example.com,{note}\n"));
    std::iter::once("First Name,Email,Notes\n".to_owned()).chain(rows).collect()
}

/// A store, as the script describes it.
struct Store(Value);

impl Store {
    fn name(&self) -> &str {
        self.0["name"].as_str().unwrap()
    }

    fn map(&self, member: &str) -> BTreeMap<String, String> {
        serde_json::from_value(self.0[member].clone()).unwrap()
    }

    fn place(&self, path: &str, secret: Option<&BTreeMap<String, String>>) -> Place {
        let policy = self.policy(|allowed| AllowedPlaces::listed(allowed).unwrap());
        let location = Location::objects(&self.url(path)).unwrap();
        Place::open(location, secret.map(fields).as_ref(), &policy).unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("{}://{path}", self.0["scheme"].as_str().unwrap())
    }

    fn policy(&self, allowed: impl FnOnce(Vec<&str>) -> AllowedPlaces) -> Arc<StoragePolicy> {
        let places = self.0["allowed"].as_array().unwrap().iter();
        Arc::new(StoragePolicy {
            allowed: allowed(places.map(|place| place.as_str().unwrap()).collect()),
            environment: self.map("environment").into_iter().collect(),
            ..StoragePolicy::default()
        })
    }

    async fn listed(&self, path: &str) -> Result<Listing, ReadFault> {
        self.place(path, Some(&self.map("secret"))).list(is_told_by_name).await
    }

    /// What a pattern selects, skips, and cannot select.
    async fn lists_what_can_be_read(&self) {
        let name = self.name();
        let odd: Vec<&str> =
            self.0["odd"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
        let listing = self.listed("people/in/[ab_m]*").await;
        let listing = listing.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let found: Vec<&str> = listing.openings.iter().map(|opening| &*opening.name).collect();
        assert_eq!(found, ["in/a.csv", "in/b.ndjson"], "{name}");
        let skipped = listing.skipped;
        let below = odd.iter().filter(|key| key.starts_with("in/")).count();
        assert_eq!((skipped.empty, skipped.odd_names), (1, below), "{name}");
        assert_eq!(skipped.folders as u64, self.0["folders"].as_u64().unwrap(), "{name}");
        let control = self.listed("people/odd/*").await;
        if odd.iter().any(|key| key.starts_with("odd/")) {
            // In XML 1.0 a store cannot write the character itself.
            let shown = ["\\u{1}", "\u{fffd}"].map(|c| format!("odd/e{c}.csv").into());
            let faults = shown.map(ReadFault::OddName);
            assert!(faults.contains(&control.unwrap_err()), "{name}");
        } else {
            assert_eq!(control.unwrap_err(), ReadFault::NoMatch { skipped: false }, "{name}");
        }
    }

    async fn names_what_is_wrong(&self) {
        let name = self.name();
        for path in ["no-such-people/in/*.csv", "no-such-people/in/a.csv"] {
            let fault = self.listed(path).await.unwrap_err();
            let named = fault.to_string().contains("no such bucket");
            assert_eq!(named, self.0["namesMissingBuckets"] == true, "{name} {path}: {fault}");
        }
        if self.0["namesMissingBuckets"] == true {
            let policy = self.policy(|allowed| AllowedPlaces::destinations(allowed).unwrap());
            let url = self.url("no-such-people/a.csv");
            let secret = fields(&self.map("secret"));
            let to = Destination::open(&url, Some(&secret), &policy).unwrap();
            for bytes in [3, 20 << 20] {
                let written = async {
                    let mut file = to.create("uid").await?;
                    file.write(Bytes::from(csv(3, bytes))).await?;
                    file.finish().await
                };
                let fault = written.await.unwrap_err();
                assert_eq!(
                    fault.disposition().reason(),
                    Reason::DestinationMissing,
                    "{name}: {fault}"
                );
            }
        }
        let missing = self.listed("people/in/z.csv").await.unwrap_err();
        assert_eq!(missing, ReadFault::Missing, "{name}");
        if self.0["checks"] == true {
            let mut wrong = self.map("secret");
            let field = wrong.get_mut(self.0["secretField"].as_str().unwrap()).unwrap();
            "d3Jvbmc=".clone_into(field);
            for path in ["people/in/*.csv", "people/in/a.csv"] {
                let refused = self.place(path, Some(&wrong)).list(is_told_by_name).await;
                let fault = refused.unwrap_err();
                let reason = fault.disposition().reason();
                assert_eq!(reason, Reason::SourceDenied, "{name} {path}: {fault}");
                assert!(fault.to_string().contains('('), "with a code: {name} {path}: {fault}");
            }
        }
    }

    /// With the operator's own identity, whose environment names another bucket.
    async fn delivers_everybody_once(&self) {
        let world = World::new(careless()).await;
        let report = run(self.spec(SOURCE), world.ports()).await;
        assert_eq!(report.ending, Ending::Completed, "{}", self.name());
        assert_eq!(report.progress.counts, everybody(), "{}", self.name());
    }

    fn spec(&self, path: &str) -> RunSpec {
        let source = Source::Remote {
            remote: self.place(path, None),
            format: None,
            csv: CsvOptions::default(),
            applied_version: None,
        };
        RunSpec { source, ..Export::of(Vec::new()).spec() }
    }

    /// Small files and files in parts appear as a whole, replace what was there, and are given up without
    /// a trace.
    async fn writes_files(&self) {
        let name = self.name();
        let policy = self.policy(|allowed| AllowedPlaces::destinations(allowed).unwrap());
        let secret = fields(&self.map("secret"));
        let url = self.url("people/out/people.csv");
        let destination = Destination::open(&url, Some(&secret), &policy).unwrap();
        assert_eq!(destination.seen().await, Ok(None), "{name}");
        let mut versions = Vec::new();
        for (people, bytes) in [(3, 3), (4, 20 << 20), (5, 5)] {
            let file = csv(people, bytes);
            let mut writer = destination.create("uid").await.unwrap();
            for piece in file.as_bytes().chunks(1 << 20) {
                writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
            }
            let written = writer.finish().await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
            let seen = destination.seen().await.unwrap().unwrap();
            let size = file.len() as u64;
            assert_eq!((seen.bytes, written.bytes), (size, size), "{name}");
            assert_eq!(seen.version, written.version, "{name}");
            versions.push(seen.version);
            let world = World::new(careless()).await;
            let report = run(self.spec("people/out/people.csv"), world.ports()).await;
            assert_eq!(report.ending, Ending::Completed, "{name}");
            assert_eq!(report.progress.counts.created, people as u64, "{name}");
        }
        versions.dedup();
        assert_eq!(versions.len(), 3, "{name}: each file has another version");
        let mut given_up = destination.create("uid").await.unwrap();
        given_up.write(Bytes::from(csv(9, 20 << 20))).await.unwrap();
        given_up.abort().await;
        let seen = destination.seen().await.unwrap().unwrap();
        assert_eq!(versions.last(), Some(&seen.version), "{name}: the file before is still there");
    }

    /// A report of a file elsewhere, which is replaced by the next one.
    async fn takes_reports(&self) {
        let name = self.name();
        let policy = self.policy(|allowed| AllowedPlaces::destinations(allowed).unwrap());
        let url = self.url("people/out/report.csv.gz");
        let secret = fields(&self.map("secret"));
        for people in [3, 20_000] {
            let destination = Destination::open(&url, Some(&secret), &policy).unwrap();
            let spec = ReportSpec {
                destination: destination.clone(),
                format: LineFormat::of_name("report.csv.gz"),
                rejected_only: false,
                dry_run: false,
                reveals: None,
                owner: "uid/report".to_owned(),
            };
            let elsewhere = tempfile::tempdir().unwrap();
            let file = files::local(elsewhere.path(), "people.ndjson");
            let report = with_report(spec, None, |report| {
                let ports = FilePorts { report: Some(report), ..files::ports(file) };
                run_file(files::spec(files::people(people)), ports)
            });
            let report = report.await;
            assert_eq!(report.ending, Ending::Completed, "{name}");
            let written = report.progress.report.unwrap();
            assert_eq!(written.rows, people as u64, "{name}");
            let seen = destination.seen().await.unwrap().unwrap();
            assert_eq!(seen.bytes, written.bytes, "{name}");
        }
    }

    /// What an import writes can be read as a source, each version of a person once.
    async fn takes_imports(&self) {
        let name = self.name();
        let world = World::new(seeded(contract(json!({})), (0..150).map(in_clinch))).await;
        let unused = tempfile::tempdir().unwrap();
        let import = Import { world: &world, folder: unused.path(), state: MemoryStore::default() };
        let policy = self.policy(|allowed| AllowedPlaces::destinations(allowed).unwrap());
        let (url, secret) = (self.url("people/back/"), fields(&self.map("secret")));
        let parts = (PartFormat::Ndjson, 100);
        let sink = || ObjectSink::open(&url, Some(&secret), &policy, "uid-import", parts).unwrap();
        for emitted in [150, 0, 1] {
            if emitted == 1 {
                let edit = json!({"current_job_title": "Director"});
                world.sandbox.edit(ACCOUNT, &email(1), &edit).unwrap();
            }
            let report = import.run(sink()).await;
            assert_eq!(report.ending, Ending::Completed, "{name}");
            assert_eq!(report.progress.counts.emitted, emitted, "{name}");
        }
        let reader = World::new(careless()).await;
        let parts = self.spec("people/back/uid-import/parts/*.ndjson");
        let report = run(parts, reader.ports()).await;
        assert_eq!(report.ending, Ending::Completed, "{name}");
        let counts = report.progress.counts;
        let expected = (151, 150, 1);
        let found = (counts.total, counts.created, counts.invalid);
        assert_eq!(found, expected, "{name}: one person is there in two versions");
    }

    /// Whether ledgers can be kept, as the check at start says. If so, a second run knows everybody from
    /// its ledger.
    async fn keeps_ledgers(&self) -> Result<(), StoreError> {
        let Some(url) = self.0["ledgers"].as_str() else { return Err(StoreError::NoFence) };
        let url = Url::parse(url).unwrap();
        let environment = self.map("environment");
        let ledgers = ObjectLedgers::at(&url, environment, &OutboundProxy::default()).unwrap();
        ledgers.check("verify").await?;
        let world = World::new(careless()).await;
        let first = run(self.spec(SOURCE), world.ports_on(ledgers.of("export-uid"))).await;
        assert_eq!((&first.ending, first.progress.counts), (&Ending::Completed, everybody()));
        let requests = world.requests();
        let again = run(self.spec(SOURCE), world.ports_on(ledgers.of("export-uid"))).await;
        let known = Counts { created: 0, unchanged: 100, ..everybody() };
        assert_eq!((&again.ending, again.progress.counts), (&Ending::Completed, known));
        assert_eq!(world.requests(), requests, "{}: the ledger knows everybody", self.name());
        ledgers.of("export-uid").delete_all().await
    }
}

#[tokio::test]
#[ignore = "needs stores: make verify-stores"]
async fn stores_of_other_authors_are_used_as_documented() {
    let file = std::env::var("CLINCH_STORES").expect("hack/stores.py sets CLINCH_STORES");
    let stores: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut kept = 0;
    for store in stores.into_iter().map(Store) {
        store.lists_what_can_be_read().await;
        store.names_what_is_wrong().await;
        store.delivers_everybody_once().await;
        let mut used = vec!["sources"];
        if store.0["writesFiles"] == true {
            store.writes_files().await;
            used.push("files");
            store.takes_reports().await;
            used.push("reports");
        }
        match store.keeps_ledgers().await {
            Ok(()) => {
                used.push("ledgers");
                // Both need conditional writes.
                store.takes_imports().await;
                used.push("import sinks");
                kept += 1;
            }
            // The check at start refuses it.
            Err(StoreError::NoFence) => {}
            Err(error) => panic!("{}: {error}", store.name()),
        }
        println!("{}: {}", store.name(), used.join(", "));
    }
    assert!(kept >= 2, "two stores, at least, keep ledgers");
}
