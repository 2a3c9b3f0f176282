//! The chart's alerts and dashboard against the metrics that the operator has.

use std::{collections::BTreeSet, fs, path::Path};

use regex::Regex;
use serde_json::Value;

use clinch_operator::domain::Reason;

use crate::frozen_names::METRICS;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rules() -> Vec<Value> {
    let text = read("charts/clinch-operator/files/alerts.yaml");
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    let groups = file["groups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule["alert"].is_string()).collect()
}

/// The series that the rules record.
fn recorded() -> BTreeSet<String> {
    let names = rules().into_iter().filter_map(|rule| rule["record"].as_str().map(str::to_owned));
    names.collect()
}

/// The metrics and recorded series that an expression names. The parts of a histogram are named after it.
fn named(expression: &str) -> BTreeSet<String> {
    let metric =
        Regex::new(r"\b(?:(?:clinch_operator|process)_[a-z_]+|clinch_operator:[a-z0-9_:]+)")
            .unwrap();
    let found = metric.find_iter(expression).map(|found| found.as_str());
    found.map(|name| name.trim_end_matches("_bucket").to_owned()).collect()
}

fn check(place: &str, expression: &str) {
    let found = named(expression);
    assert!(!found.is_empty(), "{place} names no metric");
    let recorded = recorded();
    for name in found {
        let exists = METRICS.contains(&name.as_str()) || recorded.contains(&name);
        assert!(exists, "{place}: there is no metric {name}");
    }
}

#[test]
fn every_rule_names_metrics_that_exist_of_its_own_namespace() {
    for rule in rules() {
        let (name, expression) = (&rule["alert"], rule["expr"].as_str().unwrap());
        check(&format!("{name} {}", rule["record"]), expression);
        let selectors = expression.matches("clinch_operator").count();
        assert_eq!(
            expression.matches("namespace=\"NAMESPACE\"").count(),
            selectors,
            "{name}: {expression}"
        );
    }
}

#[test]
fn every_alert_has_a_severity_and_the_namespace() {
    for alert in alerts() {
        let name = &alert["alert"];
        assert_eq!(alert["labels"]["namespace"], "NAMESPACE", "{name}");
        let severity = &alert["labels"]["severity"];
        assert!(["critical", "warning", "info"].iter().any(|s| severity == *s), "{name}");
    }
}

#[test]
fn every_alert_has_a_runbook_section_and_a_unit_test() {
    let (page, tests) = (read("docs/ALERTS.md"), read("tests/data/alerts.yaml"));
    let names: Vec<String> =
        alerts().iter().map(|alert| alert["alert"].as_str().unwrap().to_owned()).collect();
    for (alert, name) in alerts().iter().zip(&names) {
        let anchor = name.to_lowercase();
        assert!(page.contains(&format!("\n## {name}\n")), "docs/ALERTS.md has no section {name}");
        let row =
            format!("| [{name}](#{anchor}) | {} |", alert["labels"]["severity"].as_str().unwrap());
        assert!(page.contains(&row), "docs/ALERTS.md has no row {row}");
        assert_eq!(alert["annotations"]["runbook_url"], format!("RUNBOOK#{anchor}"));
        assert!(
            tests.contains(&format!("    alertname: {name}\n    exp_alerts:\n    - ")),
            "{name} fires in no test"
        );
        assert!(
            tests.contains(&format!("alertname: {name}, exp_alerts: []")),
            "{name} is quiet in no test"
        );
    }
    let sections = page.lines().filter_map(|line| line.strip_prefix("## "));
    assert_eq!(sections.collect::<Vec<_>>(), names, "sections, in the order of the alerts");
}

#[test]
fn the_ledger_alert_has_the_default_limit_of_the_chart() {
    let values: Value =
        serde_saphyr::from_str(&read("charts/clinch-operator/values.yaml")).unwrap();
    let limit = format!("0.8 * {}", values["ledger"]["etcdMax"]);
    let template = read("charts/clinch-operator/templates/metrics.yaml");
    assert!(template.contains(&format!("replace \"{limit}\"")));
    assert!(read("charts/clinch-operator/files/alerts.yaml").contains(&limit));
}

#[test]
fn every_panel_of_the_dashboard_asks_for_metrics_that_exist() {
    let text = read("charts/clinch-operator/files/dashboard.json");
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut shown = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels have one id");
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            check(&panel["title"].to_string(), expression);
            shown.extend(named(expression));
            assert!(expression.contains("namespace=~\"$namespace\""), "{}", panel["title"]);
        }
    }
    let of_the_operator = METRICS.iter().filter(|name| name.starts_with("clinch_operator_"));
    let left: Vec<_> = of_the_operator.filter(|name| !shown.contains(**name)).collect();
    assert!(left.is_empty(), "metrics on no panel: {left:?}");
}

/// The metric is 100000 where nothing limits an account, which is no rate.
#[test]
fn the_dashboard_shows_no_rate_where_no_limit_is_known() {
    let text = read("charts/clinch-operator/files/dashboard.json");
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let metric = "clinch_operator_clinch_lowest_requests_per_second";
    let shown = targets.filter_map(|target| target["expr"].as_str());
    let shown: Vec<_> = shown.filter(|expression| expression.contains(metric)).collect();
    let known = format!("{metric}{{namespace=~\"$namespace\"}} < 100000");
    assert!(!shown.is_empty() && shown.iter().all(|one| one.contains(&known)), "{shown:?}");
    let row = format!("| `{metric}` | | ");
    let page = read("docs/OPERATIONS.md");
    let row = page.lines().find(|line| line.starts_with(&row)).unwrap();
    assert!(row.contains("; 100000 where nothing limits it"), "{row}");
}

#[test]
fn the_page_about_objectives_names_each_of_them_and_what_does_not_count() {
    let page = read("docs/SLO.md");
    let mut objectives = BTreeSet::new();
    for rule in rules() {
        objectives.extend(rule["labels"]["objective"].as_str().map(str::to_owned));
    }
    assert_eq!(objectives.len(), 3);
    for objective in objectives {
        assert!(page.contains(&format!("\n| `{objective}` | ")), "no row {objective}");
    }
    let ratio = "clinch_operator:unready_objects:ratio";
    let unready = rules().into_iter().find(|rule| rule["record"] == ratio).unwrap();
    let left_out = Regex::new("reason!~\"([A-Za-z|]+)\"").unwrap();
    for found in left_out.captures_iter(unready["expr"].as_str().unwrap()) {
        for reason in found[1].split('|') {
            assert!(page.contains(&format!("`{reason}`")), "{reason} is not explained");
            let exists = Reason::ALL.iter().any(|known| known.as_str() == reason);
            assert!(exists, "there is no reason {reason}");
        }
    }
}

#[test]
fn commands_of_the_pages_find_the_pods_of_every_shard() {
    // `clinch-operator.shardSelector` of the chart gives the pods of shards another name.
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(page) = fs::read_to_string(&path) else { continue };
        for line in page.lines().filter(|line| line.contains("name=clinch-operator")) {
            let of_deployments = line.contains("deployment -n") || line.contains("metadata.name=");
            assert!(of_deployments, "{}: {line}", path.display());
        }
    }
}
