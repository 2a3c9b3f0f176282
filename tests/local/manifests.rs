//! Manifests are read, refused and kept as the API server would, with file and line.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use clinch_operator::{
    api::{
        self, AbsenceProof, CandidateExport, CandidateExportStatus, ClinchIntegration,
        CommonStatus, Environment, FieldMapping,
    },
    cluster::{Cluster, ClusterError, Kind, Notice, NoticeType, ObjectKey},
    domain::{Clock, Profile, Reason},
    local::{
        Change, LoadOptions, Loader, LocalCluster, Manifests, OpenError, Problem, Rule, Severity,
        TableOptions, load, table,
    },
    mapping::compile,
};
use proptest::prelude::*;
use serde_json::Value;

fn data(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(part)
}

fn files(part: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(data(part)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn load_text(text: &str) -> Result<Manifests, Vec<Problem>> {
    let mut loader = Loader::new(LoadOptions::default());
    loader.add_text("x.yaml", text);
    loader.finish()
}

fn load_good() -> Manifests {
    load(&[data("tests/data/manifests/good")], &LoadOptions::default())
        .unwrap_or_else(|problems| panic!("{}", shown(&problems)))
}

fn shown(problems: &[Problem]) -> String {
    problems.iter().fold(String::new(), |all, problem| all + &problem.to_string() + "\n")
}

fn clock() -> Clock {
    Clock::fixed("2025-05-01T12:00:00Z".parse().unwrap())
}

#[test]
fn every_bad_manifest_is_refused_with_exactly_its_expected_problems() {
    let files = files("tests/data/manifests/bad");
    assert!(files.len() >= 60, "{} bad manifests", files.len());
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut expected: Vec<(usize, &str, &str)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# expect: "))
            .map(|line| {
                let mut parts = line.splitn(3, ": ");
                let line = parts.next().unwrap().parse().unwrap();
                (line, parts.next().unwrap(), parts.next().unwrap())
            })
            .collect();
        let name = path.display();
        assert!(!expected.is_empty(), "{name} expects nothing");
        let problems = load(std::slice::from_ref(&path), &LoadOptions::default()).expect_err("");
        for problem in &problems {
            assert_eq!(problem.severity, Severity::Error, "{problem}");
            assert_eq!(*problem.file, *name.to_string());
            let found = expected.iter().position(|(line, path, part)| {
                (*line, *path) == (problem.line, problem.path.as_str())
                    && problem.message.contains(part)
            });
            match found {
                Some(index) => drop(expected.remove(index)),
                None => panic!("not expected:\n{problem}\nall:\n{}", shown(&problems)),
            }
        }
        assert!(expected.is_empty(), "{name}: not found: {expected:?}\n{}", shown(&problems));
    }
}

#[test]
fn good_manifests_load_with_defaults_as_the_api_server_fills_them_in() {
    let manifests = load_good();
    let key = |name: &str| ObjectKey::new("crm", name);
    let spec = &manifests.get::<ClinchIntegration>(&key("region")).unwrap().spec;
    assert_eq!(spec.interval.to_string(), "10m");
    assert_eq!(spec.limits.max_in_flight, 8);
    assert_eq!(spec.limits.absence, AbsenceProof::List);
    assert_eq!(spec.credentials.secret_ref.access_key_field, "accessKey");
    assert_eq!(spec.environment, Environment::Production);
    let mapping = &manifests.get::<FieldMapping>(&key("full")).unwrap().spec;
    assert_eq!(
        (mapping.tags.from.as_str(), &mapping.match_keys[..]),
        ("tags", &["email".to_owned()][..])
    );
    let export = &manifests.get::<CandidateExport>(&key("config-map")).unwrap().spec;
    assert_eq!(export.limit, Some(10));
    let export = &manifests.get::<CandidateExport>(&key("inline")).unwrap().spec;
    let profile = &export.source.inline.as_ref().unwrap()[0];
    assert_eq!(
        profile["anything"]["deep"],
        serde_json::json!([1, null]),
        "profiles are kept whole"
    );
    let json = &manifests.get::<CandidateExport>(&key("from-json")).unwrap().spec;
    assert_eq!(json.destination.job.as_ref().unwrap().stage, "Sourced \u{1f680}");
    let secret = manifests.secret(&key("clinch")).unwrap();
    assert_eq!(secret.data["key"], "AKID", "stringData wins over data");
    assert_eq!(secret.secret_type, "Opaque");
    let config_map = manifests.config_map(&key("people")).unwrap();
    assert_eq!(config_map.data["b.gz"].as_ref(), [0x1f, 0x8b, 0x08]);
    assert_eq!(shown(manifests.warnings()).lines().count(), 1);
    assert!(manifests.warnings()[0].message.contains("kind ServiceAccount (v1) is not used here"));
}

/// A rule: where it stands (list items as `[]`), which field it refuses, and what it says.
struct Refuses {
    path: String,
    field: String,
    message: String,
}

fn rules(path: &str, schema: &Value, found: &mut Vec<Refuses>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let field = path.replace("/[]", "[]").replace('/', ".");
        let field = field + rule["fieldPath"].as_str().unwrap_or_default();
        let field = field.trim_start_matches('.').to_owned();
        let message = rule["message"].as_str().unwrap().to_owned();
        found.push(Refuses { path: path.to_owned(), field, message });
    }
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        rules(&format!("{path}/{name}"), child, found);
    }
    if schema["items"].is_object() {
        rules(&format!("{path}/[]"), &schema["items"], found);
    }
}

fn has(value: &Value, path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return true };
    let (step, after) = rest.find('/').map_or((rest, ""), |end| rest.split_at(end));
    match step {
        "[]" => value.as_array().is_some_and(|items| items.iter().any(|item| has(item, after))),
        name => value.get(name).is_some_and(|child| has(child, after)),
    }
}

#[test]
fn every_rule_is_seen_to_refuse_and_to_accept() {
    let mut refusals = BTreeSet::new();
    let index = regex::Regex::new(r"\[\d+\]").unwrap();
    for path in files("tests/data/manifests/bad") {
        let problems = load(&[path], &LoadOptions::default()).unwrap_err();
        refusals.extend(
            problems
                .into_iter()
                .map(|p| (index.replace_all(&p.path, "[]").into_owned(), p.message)),
        );
    }
    let cluster = LocalCluster::open(load_good(), None, [7; 32], clock()).unwrap();
    let mut seen = 0;
    for crd in api::crds() {
        let crd = serde_json::to_value(crd).unwrap();
        let Some(kind) = Kind::ALL.into_iter().find(|k| crd["spec"]["names"]["kind"] == k.as_str())
        else {
            continue;
        };
        let mut found = Vec::new();
        let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        rules("/spec", &root["properties"]["spec"], &mut found);
        for Refuses { path, field, message } in found {
            let objects = cluster.objects_as_json(kind);
            assert!(objects.iter().any(|o| has(o, &path)), "{kind}{path}: in no good manifest");
            // Rules on changes are seen to refuse in a test of their own.
            let on_change =
                message.contains("is immutable") && message.contains("; create another ");
            let refused = refusals.contains(&(field.clone(), message.clone()));
            assert!(on_change || refused, "never refuses: {field}: {message}");
            seen += 1;
        }
    }
    assert!(seen >= 14, "{seen} rules");
}

#[test]
fn the_quickstart_loads_and_holds_what_it_promises() {
    let manifests = load(&[data("examples/quickstart")], &LoadOptions::default())
        .unwrap_or_else(|problems| panic!("{}", shown(&problems)));
    assert!(manifests.warnings().is_empty(), "{}", shown(manifests.warnings()));
    for kind in [Kind::Integration, Kind::Mapping, Kind::Export] {
        assert!(!manifests.keys(kind).is_empty(), "{kind}");
    }
    let profiles = manifests.config_map(&ObjectKey::new("talent", "sourced-engineers")).unwrap();
    let text = std::str::from_utf8(&profiles.data["candidates.ndjson"]).unwrap();
    assert!(text.len() < 1024 * 1024);
    let people: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(people.len(), 200);
    let address =
        |person: &Value| Some(person["emails"][0]["value"].as_str()?.trim().to_lowercase());
    let addresses: BTreeSet<String> = people.iter().filter_map(address).collect();
    assert_eq!(addresses.len(), 199, "one person, and only one, has no address; no two share one");
    assert!(addresses.iter().all(|a| a.ends_with("@example.com") || a.ends_with("@example.org")));

    let mapping = manifests.get::<FieldMapping>(&ObjectKey::new("talent", "default")).unwrap();
    let mut spec = serde_json::to_value(&mapping.spec).unwrap();
    // It decides how the rest is compiled.
    assert_eq!(spec.as_object_mut().unwrap().remove("direction"), Some("Export".into()));
    let spec = serde_json::from_value(spec).unwrap();
    let plan = compile(&spec).unwrap_or_else(|issues| panic!("{issues:?}"));
    let inline =
        manifests.get::<CandidateExport>(&ObjectKey::new("talent", "eng-101-shortlist")).unwrap();
    let inline = inline.spec.source.inline.clone().unwrap();
    let mut rejected = Vec::new();
    for person in people.into_iter().chain(inline) {
        if let Err(issues) = plan.apply(&Profile::try_from(person).unwrap()) {
            rejected.push(issues);
        }
    }
    assert_eq!(rejected.len(), 1, "{rejected:?}");
}

#[test]
fn folders_are_read_by_name_without_hidden_files_and_deeper_ones_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, object: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {object}}}\n");
        std::fs::write(path, text).unwrap();
    };
    write("b.yml", "same");
    write("a.yaml", "same");
    write(".hidden.yaml", "same");
    write("deeper/c.yaml", "same");
    write("notes.txt", "same");
    let paths = [folder.path().to_owned()];
    let problems = load(&paths, &LoadOptions::default()).unwrap_err();
    assert_eq!(problems.len(), 1, "{}", shown(&problems));
    assert!(problems[0].file.ends_with("b.yml"), "{}", problems[0]);
    assert!(problems[0].message.contains("a.yaml:3"), "{}", problems[0]);
    let options =
        LoadOptions { recursive: true, namespace: "team".to_owned(), ..LoadOptions::default() };
    let problems = load(&paths, &options).unwrap_err();
    assert_eq!(problems.len(), 2, "{}", shown(&problems));
    assert!(problems[1].message.contains("Secret team/same"), "{}", problems[1]);

    let empty = tempfile::tempdir().unwrap();
    let problems = load(&[empty.path().to_owned(), empty.path().join("no")], &options).unwrap_err();
    assert!(shown(&problems).contains("no *.yaml"), "{}", shown(&problems));
    assert!(shown(&problems).contains("does not exist"), "{}", shown(&problems));
}

#[test]
fn a_problem_found_later_is_placed_at_its_field() {
    let manifests = load_text(
        "apiVersion: clinch.hireez.dev/v1alpha1\nkind: FieldMapping\nmetadata: {name: m}\nspec:\n  \
         fields:\n  - to: a\n    from: a\n  - to: b\n    expression: candidate.x +\n",
    )
    .unwrap();
    let place = |path: &str| {
        let key = ObjectKey::new("default", "m");
        manifests
            .problem(Kind::Mapping, &key, path, "bad", Severity::Error, Rule::CEL)
            .unwrap()
            .line
    };
    assert_eq!(place("spec.fields[1].expression"), 9);
    assert_eq!(place("spec.fields[1].transforms[0].name"), 8, "the nearest parent");
    assert_eq!(place("spec.matchKeys"), 4);
}

#[test]
fn messages_never_repeat_the_data_of_secrets_or_profiles() {
    let problems = load_text(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {key: hunter2hunter2!}\n\
         stringData: {other: [hunter2hunter2]}\n---\n\
         apiVersion: clinch.hireez.dev/v1alpha1\nkind: CandidateExport\nmetadata: {name: e}\nspec:\n  \
         source: {inline: [hunter2hunter2, {email: hunter2hunter2}]}\n",
    )
    .unwrap_err();
    assert!(problems.len() >= 4, "{}", shown(&problems));
    assert!(!shown(&problems).contains("hunter2"), "{}", shown(&problems));
}

#[test]
fn bombs_of_aliases_and_nesting_are_refused_quickly() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let previous = level - 1;
        let copies = vec![format!("*a{previous}"); 9].join(", ");
        bomb +=
            &["a", &level.to_string(), ": &a", &level.to_string(), " [", &copies, "]\n"].concat();
    }
    let problems = load_text(&bomb).unwrap_err();
    assert!(shown(&problems).contains("aliases copy more than"), "{}", shown(&problems));
    for deep in
        ["[".repeat(100_000), "a: ".repeat(100_000), "{a: ".repeat(200), "- ".repeat(100_000)]
    {
        assert!(load_text(&deep).is_err());
    }
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("apiVersion: clinch.hireez.dev/v1alpha1\n"),
        Just("kind: CandidateExport\n"),
        Just("kind: Secret\n"),
        Just("metadata: {name: x}\n"),
        Just("spec:\n"),
        Just("data:\n"),
        Just("  source: {inline: [{a: *a}]}\n"),
        Just("  fields:\n  - &a\n    to: "),
        Just("<<: *a\n"),
        Just("---\n"),
        Just("\"\\"),
        Just("|\n"),
        Just("!!int "),
        Just("? "),
        Just("\t"),
        Just("%TAG ! !\n"),
        Just("'\n"),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_taken_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut loader = Loader::new(LoadOptions::default());
        loader.add_bytes("x.yaml", &bytes);
        let _ = loader.finish();
    }

    #[test]
    fn anything_like_a_manifest_is_taken_without_a_panic(text in text(), noise in "\\PC{0,40}") {
        let _ = load_text(&text);
        let _ = load_text(&format!("{text}{noise}\n{text}"));
    }
}

fn export_ref(cluster: &LocalCluster) -> clinch_operator::cluster::ObjectRef {
    cluster.object_ref(Kind::Export, &ObjectKey::new("crm", "inline")).unwrap()
}

#[tokio::test]
async fn status_generation_and_key_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let key = ObjectKey::new("crm", "inline");
    let open = |manifests, fresh| LocalCluster::open(manifests, Some(&state), fresh, clock());

    let first = open(load_good(), [1; 32]).unwrap();
    let fresh = first.read::<CandidateExport>(&key).await.unwrap().unwrap();
    assert_eq!(fresh.metadata.generation, Some(1));
    assert_eq!(fresh.status.as_ref().unwrap().observed_generation(), -1);
    let object = export_ref(&first);
    assert_eq!(fresh.metadata.uid.as_deref(), Some(object.uid.as_str()));
    let mut changes = first.changes();
    let status = CandidateExportStatus {
        observed_generation: Some(1),
        delivered: Some("1/1".to_owned()),
        ..CandidateExportStatus::default()
    };
    first.write_status::<CandidateExport>(&object, status.clone()).await.unwrap();
    assert_eq!(changes.recv().await.unwrap(), Change::Status(object.clone()));
    assert_eq!(first.ledger_root_key().await.unwrap(), [1; 32]);
    let segments = first.segments_dir(&object).unwrap();
    assert!(segments.starts_with(&state) && segments.ends_with(&object.uid));
    drop(first);

    let again = open(load_good(), [2; 32]).unwrap();
    let export = again.read::<CandidateExport>(&key).await.unwrap().unwrap();
    assert_eq!((export.metadata.generation, &export.status), (Some(1), &Some(status.clone())));
    assert_eq!(again.ledger_root_key().await.unwrap(), [1; 32], "the key is made once");
    assert_eq!(again.status::<CandidateExport>(&key), Some(status.clone()));
    drop(again);

    let mut loader = Loader::new(LoadOptions::default());
    let text = std::fs::read_to_string(data("tests/data/manifests/good/full.yaml")).unwrap();
    loader.add_text("full.yaml", &text.replace("failureBudget: \"2%\"", "failureBudget: \"3%\""));
    let third = open(loader.finish().unwrap(), [3; 32]).unwrap();
    let export = third.read::<CandidateExport>(&key).await.unwrap().unwrap();
    assert_eq!(export.metadata.generation, Some(2), "the spec changed");
    assert_eq!(export.metadata.uid.as_deref(), Some(object.uid.as_str()));
    assert_eq!(export.status, Some(status), "status waits for the next run");
    let other =
        third.read::<CandidateExport>(&ObjectKey::new("crm", "config-map")).await.unwrap().unwrap();
    assert_eq!(other.metadata.generation, Some(1), "the others did not");
}

#[test]
fn a_state_folder_serves_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let open = || LocalCluster::open(load_good(), Some(folder.path()), [1; 32], clock());
    let held = open().unwrap();
    let Err(refused) = open() else { panic!("opened twice") };
    assert!(matches!(&refused, OpenError::Locked { dir } if dir == folder.path()), "{refused:?}");
    assert!(refused.to_string().contains(&folder.path().display().to_string()), "{refused}");
    drop(held);
    open().unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn the_key_and_records_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let cluster = LocalCluster::open(load_good(), Some(&state), [1; 32], clock()).unwrap();
    cluster.ledger_root_key().await.unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&state.join("ledger.key")), 0o600);
    for record in std::fs::read_dir(state.join("objects")).unwrap() {
        let record = record.unwrap().path();
        assert_eq!(mode(&record), 0o600);
        let text = std::fs::read_to_string(&record).unwrap();
        assert!(!text.contains("Ada"), "no profile is kept in state");
    }
}

#[tokio::test]
async fn damaged_state_is_set_aside_and_never_fatal() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path();
    let open = |fresh| LocalCluster::open(load_good(), Some(state), fresh, clock()).unwrap();
    let cluster = open([1; 32]);
    cluster.ledger_root_key().await.unwrap();
    let record = state.join("objects").join(format!("{}.json", export_ref(&cluster).uid));
    drop(cluster);
    // Cut off, as after a full disk.
    for damage in [
        "{\"generation\": 3",
        "{\"object\":\"x\",\"generation\":3,\"specDigest\":\"\",\"createdAt\":\"2025-01-01T00:00:00Z\",\"status\":7}",
        "",
    ] {
        std::fs::write(&record, damage).unwrap();
        std::fs::write(state.join("ledger.key"), "not a key").unwrap();
        let cluster = open([2; 32]);
        let key = ObjectKey::new("crm", "inline");
        let export = cluster.read::<CandidateExport>(&key).await.unwrap().unwrap();
        assert_eq!(export.status.as_ref().unwrap().observed_generation(), -1, "{damage}");
        assert_eq!(cluster.ledger_root_key().await.unwrap(), [2; 32]);
        assert_eq!(std::fs::read_to_string(state.join("ledger.key.corrupt")).unwrap(), "not a key");
        let aside =
            state.join("objects").join(format!("{}.json.corrupt", export_ref(&cluster).uid));
        assert_eq!(std::fs::read_to_string(aside).unwrap(), damage);
    }
}

#[test]
fn what_is_immutable_stays_so_across_runs() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = |environment: &str| {
        load_text(&format!(
            "apiVersion: clinch.hireez.dev/v1alpha1\nkind: ClinchIntegration\nmetadata: {{name: i}}\n\
             spec:\n  region: EU\n  environment: {environment}\n  \
             credentials: {{secretRef: {{name: s}}}}\n"
        ))
        .unwrap()
    };
    let open = |m| LocalCluster::open(m, Some(folder.path()), [1; 32], clock());
    drop(open(manifest("Sandbox")).unwrap());
    drop(open(manifest("Sandbox")).unwrap());
    let Err(OpenError::RefuseChange(problems)) = open(manifest("Production")) else {
        panic!("the environment was changed");
    };
    assert_eq!(
        shown(&problems),
        "x.yaml:6: spec.environment: is immutable; create another integration instead\n"
    );
    drop(open(manifest("Sandbox")).unwrap());
    let import = |url: &str| {
        load_text(&format!(
            "apiVersion: clinch.hireez.dev/v1alpha1\nkind: CandidateImport\nmetadata: {{name: i}}\n\
             spec:\n  integrationRef: {{name: i}}\n  sink:\n    objectStore: {{url: \"{url}\"}}\n"
        ))
        .unwrap()
    };
    drop(open(import("s3://people/a/")).unwrap());
    let to_endpoint = load_text(
        "apiVersion: clinch.hireez.dev/v1alpha1\nkind: CandidateImport\nmetadata: {name: i}\nspec:\n  \
         integrationRef: {name: i}\n  sink:\n    http: {url: \"https://h/\", signingSecretRef: {name: k}}\n",
    );
    let Err(OpenError::RefuseChange(problems)) = open(to_endpoint.unwrap()) else {
        panic!("the kind of sink was changed");
    };
    let expected =
        "x.yaml:6: spec.sink: the kind of sink is immutable; create another import instead\n";
    assert_eq!(shown(&problems), expected);
    let Err(OpenError::RefuseChange(problems)) = open(import("s3://people/b/")) else {
        panic!("the folder was changed");
    };
    let expected =
        "x.yaml:7: spec.sink.objectStore.url: is immutable; create another import instead\n";
    assert_eq!(shown(&problems), expected);
    let mapping = |direction: &str| {
        load_text(&format!(
            "apiVersion: clinch.hireez.dev/v1alpha1\nkind: FieldMapping\nmetadata: {{name: i}}\n\
             spec:\n{direction}  fields: [{{to: email, from: email}}]\n"
        ))
        .unwrap()
    };
    // Left out, it is Export.
    drop(open(mapping("")).unwrap());
    drop(open(mapping("  direction: Export\n")).unwrap());
    let Err(OpenError::RefuseChange(problems)) = open(mapping("  direction: Import\n")) else {
        panic!("the direction was changed");
    };
    let expected = "x.yaml:5: spec.direction: is immutable; create another mapping instead\n";
    assert_eq!(shown(&problems), expected);
}

#[tokio::test]
async fn the_port_answers_as_a_cluster_does() {
    let cluster = LocalCluster::open(load_good(), None, [9; 32], clock()).unwrap();
    let key = |name: &str| ObjectKey::new("crm", name);
    assert_eq!(cluster.keys(Kind::Integration), [key("full"), key("region")]);
    assert_eq!(
        cluster.exports_of(&key("full")).await.unwrap(),
        [
            "bucket",
            "config-map",
            "file",
            "from-json",
            "inline",
            "nulls",
            "pdf",
            "pdf-per-candidate",
            "server"
        ]
        .map(key)
    );
    assert!(cluster.exports_of(&ObjectKey::new("other", "full")).await.unwrap().is_empty());
    assert!(cluster.integration(&key("full")).is_some());
    assert!(cluster.mapping(&key("missing")).await.unwrap().is_none());
    assert!(cluster.secret(&key("clinch")).await.unwrap().is_some());
    assert!(cluster.config_map(&ObjectKey::new("default", "people")).await.unwrap().is_none());
    assert_eq!(cluster.ledger_root_key().await.unwrap(), [9; 32]);

    let object = export_ref(&cluster);
    assert_eq!(cluster.segments_dir(&object), None, "nothing is kept");
    let notice = Notice {
        kind: NoticeType::Normal,
        reason: Reason::Synced,
        action: "Push",
        message: "1 record is in Clinch".to_owned(),
    };
    cluster.publish(&object, notice.clone()).await;
    assert_eq!(cluster.events()[0].notice, notice);
    assert_eq!(cluster.events()[0].object, object);

    let broken = CandidateExportStatus { progress: Some(101), ..CandidateExportStatus::default() };
    let refused = cluster.write_status::<CandidateExport>(&object, broken).await;
    assert!(matches!(refused, Err(ClusterError::Refused { .. })), "{refused:?}");
    let before: Arc<_> = cluster.read::<CandidateExport>(&key("inline")).await.unwrap().unwrap();
    assert_eq!(before.status.as_ref().unwrap().progress, None);
}

#[test]
fn tables_show_what_kubectl_would() {
    let cluster = LocalCluster::open(load_good(), None, [9; 32], clock()).unwrap();
    let now = "2025-05-01T12:03:20Z".parse().unwrap();
    let rows = cluster.objects_as_json(Kind::Integration);
    let options = TableOptions { namespaces: true, ..TableOptions::default() };
    let expected = [
        "NAMESPACE   NAME     READY   REASON   SUSPENDED   ENVIRONMENT   CONTRACT   EXPORTS   REQUESTS   AGE",
        "crm         full                                  Sandbox                                       3m20s",
        "crm         region                                Production                                    3m20s",
    ];
    let shown = table(Kind::Integration, &rows, options, now);
    assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
    assert_eq!(table(Kind::Export, &[], options, now), "");
}
