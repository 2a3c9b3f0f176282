//! What a report says of people in Clinch, and only where the integration permits that they are read; and
//! where the integration permits that people are written to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::files::{World, export, reported};

fn person(first: &str, title: &str, email: &str) -> Value {
    json!({"firstName": first, "lastName": "Ng", "title": title, "emails": [{"value": email}]})
}

/// Of somebody who is in Clinch as they are, somebody with other values, somebody new, and nobody's address.
fn list() -> Value {
    json!({"inline": [
        person("Ann", "Engineer", "ann@x.org"),
        person("Ben", "Manager", "ben@x.org"),
        person("Cy", "Engineer", "cy@x.org"),
        {"firstName": "Di"},
    ]})
}

async fn world(report: &str) -> World {
    let world = World::new(vec![reported(report, list())]).await;
    for (first, title, email) in
        [("Ann", "Engineer", "ann@x.org"), ("Benjamin", "Engineer", "ben@x.org")]
    {
        let attributes = json!({"email": email, "first_name": first, "last_name": "Ng",
            "current_job_title": title});
        world.sandbox.add_person("hireEZ", &attributes).unwrap();
    }
    world
}

/// The lines by position.
fn lines(world: &World) -> BTreeMap<String, Value> {
    let text = world.read("report.ndjson");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| (line["position"].as_str().unwrap().to_owned(), line)).collect()
}

fn ids(world: &World) -> Vec<Value> {
    world.sandbox.people("hireEZ").into_iter().map(|person| person["id"].clone()).collect()
}

/// When each person was changed last in Clinch.
fn changed_at(world: &World) -> Vec<String> {
    let people = world.sandbox.people("hireEZ");
    let at = |person: &Value| person["attributes"]["updated_at"].as_str().unwrap().to_owned();
    people.iter().map(at).collect()
}

/// Class, id, how they were found, and what differs.
fn found(line: &Value) -> [&Value; 4] {
    ["class", "clinchId", "matchedBy", "changed"].map(|member| &line[member])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_report_says_who_people_are_in_clinch_where_the_admin_permits_reading_them() {
    let mut world = world("report.ndjson").await;
    world.exports[0]["spec"]["mode"] = json!("DryRun");
    world.expect(0, "DryRunComplete").await;
    let people = ids(&world);
    for (_, line) in lines(&world) {
        assert_eq!(line.as_object().unwrap().len(), 7, "Denied is the default: {line}");
    }
    let text = world.read("report.ndjson");
    for id in &people {
        assert!(!text.contains(id.as_str().unwrap()), "{text}");
    }
    world.read_permission = json!({"candidates": "Allowed", "attributes": ["*"]});
    world.reconcile();
    world.expect(0, "DryRunComplete").await;
    let all = lines(&world);
    let null = Value::Null;
    let (email, none) = (json!("Email"), json!([]));
    assert_eq!(found(&all["inline[0]"]), [&json!("Known"), &people[0], &email, &none]);
    let differs = json!(["current_job_title", "first_name"]);
    assert_eq!(found(&all["inline[1]"]), [&json!("Changed"), &people[1], &email, &differs]);
    assert_eq!(found(&all["inline[2]"]), [&json!("New"), &null, &null, &null]);
    assert_eq!(found(&all["inline[3]"]), [&json!("Unmatchable"), &null, &null, &null]);
    // Names of other attributes do not leave.
    world.read_permission = json!({"candidates": "Allowed", "attributes": ["first_name"]});
    world.reconcile();
    world.expect(0, "DryRunComplete").await;
    assert_eq!(lines(&world)["inline[1]"]["changed"], json!(["first_name"]));
    let text = world.read("report.ndjson");
    for value in ["Benjamin", "x.org", "Manager"] {
        assert!(!text.contains(value), "{text}");
    }
    // Also of people whom a policy leaves alone.
    world.exports[0]["spec"]["duplicatePolicy"] = json!("Fail");
    world.exports[0]["spec"]["failureBudget"] = json!("100%");
    world.expect(0, "DryRunComplete").await;
    let known = json!("Known");
    assert_eq!(found(&lines(&world)["inline[1]"]), [&known, &people[1], &email, &null]);
    world.read_permission = json!({"candidates": "Denied", "attributes": ["*"]});
    world.reconcile();
    world.expect(0, "DryRunComplete").await;
    assert!(!world.read("report.ndjson").contains("clinchId"), "withdrawn");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_a_push_says_who_was_created_changed_or_known_from_before() {
    let mut world = world("report.ndjson").await;
    world.read_permission = json!({"candidates": "Allowed", "attributes": ["*"]});
    world.expect(0, "SyncedWithRejections").await;
    let (people, all) = (ids(&world), lines(&world));
    let (email, null) = (json!("Email"), Value::Null);
    let differs = json!(["current_job_title", "first_name"]);
    assert_eq!(found(&all["inline[1]"]), [&json!("Changed"), &people[1], &email, &differs]);
    assert_eq!(found(&all["inline[2]"]), [&json!("New"), &people[2], &null, &null]);
    world.exports[0]["spec"]["source"]["inline"][2]["title"] = json!("Director");
    world.expect(0, "SyncedWithRejections").await;
    let all = lines(&world);
    let (ledger, none) = (json!("Ledger"), json!([]));
    for n in 0..2 {
        let line = &all[&format!("inline[{n}]")];
        assert_eq!(found(line), [&json!("Known"), &people[n], &ledger, &none]);
    }
    let differs = json!(["current_job_title"]);
    assert_eq!(found(&all["inline[2]"]), [&json!("Changed"), &people[2], &ledger, &differs]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_says_when_people_were_changed_and_which_profile_it_was_where_that_may_be_read() {
    let mut world = world("report.ndjson").await;
    let source = &mut world.exports[0]["spec"]["source"];
    for (n, id) in
        [json!("hz-000123"), json!(4711), json!("ann@x.org"), json!("hz-7")].into_iter().enumerate()
    {
        source["inline"][n]["id"] = id;
    }
    world.exports[0]["spec"]["mode"] = json!("DryRun");
    world.read_permission = json!({"candidates": "Allowed", "attributes": ["updated_at"]});
    world.expect(0, "DryRunComplete").await;
    let all = lines(&world);
    let of = |member: &str| -> Vec<Value> {
        (0..4).map(|n| all[&format!("inline[{n}]")][member].clone()).collect()
    };
    // An address is no id, and is not in a report.
    assert_eq!(of("hireezId"), [json!("hz-000123"), json!("4711"), Value::Null, json!("hz-7")]);
    let expected: Vec<Option<jiff::Timestamp>> =
        changed_at(&world).iter().map(|at| at.parse().ok()).collect();
    let stated: Vec<Option<jiff::Timestamp>> =
        of("clinchUpdatedAt").iter().map(|at| at.as_str()?.parse().ok()).collect();
    assert_eq!(stated, [expected[0], expected[1], None, None]);
    assert!(stated[0].is_some(), "{all:?}");
    assert_eq!(of("changed")[1], json!([]), "names of other attributes do not leave");
    world.read_permission = json!({"candidates": "Allowed", "attributes": ["email"]});
    world.reconcile();
    world.expect(0, "DryRunComplete").await;
    let all = lines(&world);
    assert_eq!(all["inline[0]"]["clinchUpdatedAt"], Value::Null, "another attribute");
    assert_eq!(all["inline[0]"]["hireezId"], "hz-000123");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_report_has_the_columns_of_what_is_permitted() {
    let mut world = world("report.csv").await;
    world.exports[0]["spec"]["mode"] = json!("DryRun");
    world.read_permission = json!({"candidates": "Allowed", "attributes": ["*"]});
    world.expect(0, "DryRunComplete").await;
    let text = world.read("report.csv");
    let header = "position,record,outcome,reason,place,message,class,clinchId,matchedBy,changed,\
                  clinchUpdatedAt,hireezId\r\n";
    assert!(text.starts_with(header), "{text}");
    let changed = format!(
        "Changed,{},Email,current_job_title;first_name,{},\r\n",
        ids(&world)[1].as_str().unwrap(),
        changed_at(&world)[1].parse::<jiff::Timestamp>().unwrap()
    );
    assert!(text.contains(&changed), "{text}");
    world.read_permission = json!({});
    world.reconcile();
    world.expect(0, "DryRunComplete").await;
    let text = world.read("report.csv");
    assert!(text.starts_with("position,record,outcome,reason,place,message,class\r\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_integration_narrows_where_files_and_reports_are_written() {
    let mut world = world("team/report.ndjson").await;
    world.read_permission = json!({"destinations": ["OUT/teams"]});
    let refused = world.expect(1, "NotPermitted").await;
    assert!(refused.to_string().contains("spec.readPermission.destinations"), "{refused}");
    assert_eq!(world.sandbox.people("hireEZ").len(), 2, "nothing is pushed without its report");
    world.read_permission = json!({"destinations": ["OUT/teams", "OUT/team"]});
    world.expect(0, "SyncedWithRejections").await;
    world.exports = vec![export("people", "other/people.csv", list())];
    world.expect(1, "NotPermitted").await;
    world.exports = vec![export("people", "team/people.csv", list())];
    world.expect(0, "FileWritten").await;
    if cfg!(feature = "pdf") {
        let each = |url: &str| {
            let mut export = export("people", url, list());
            export["spec"]["destination"]["file"]["pdf"] = json!({"layout": "PerCandidate"});
            vec![export]
        };
        world.exports = each("other/{record}.pdf");
        world.expect(1, "NotPermitted").await;
        world.exports = each("team/{record}.pdf");
        world.expect(0, "FileWritten").await;
    }
    assert_eq!(world.names(), ["team"]);
}
