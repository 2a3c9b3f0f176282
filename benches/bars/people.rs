//! Invented people of about 1 KB each, and how they are mapped.

use std::fmt::Write as _;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use clinch_operator::{
    mapping::{MappingSpec, Plan, compile},
    source::Part,
};
use serde_json::Value;

/// The mapping of the quickstart, which has expressions, a phone number and a table.
const MAPPING: &str = include_str!("../../examples/quickstart/30-mapping.yaml");

/// The quickstart's mapping as a manifest, without its tags: one request for each person.
pub(crate) fn mapping_manifest() -> &'static str {
    MAPPING.split_once("  # hireEZ tags").map_or(MAPPING, |(fields, _)| fields)
}

/// The same, compiled.
pub(crate) fn plan() -> anyhow::Result<Plan> {
    let manifest: Value =
        serde_saphyr::from_str(mapping_manifest()).context("the quickstart's mapping")?;
    let spec: MappingSpec = serde_json::from_value(manifest["spec"].clone())?;
    compile(&spec).map_err(|issues| anyhow!("the quickstart's mapping: {issues:?}"))
}

/// A profile as a line of NDJSON.
pub(crate) fn profile(n: usize) -> String {
    format!(
        r#"{{"id":"hz-{n:06}","firstName":"Elif{n}","lastName":"Kaur","fullName":"Elif{n} Kaur","title":"Lead Engineering Manager","currentCompany":"Juniperfold","yearsOfExperience":4,"location":{{"raw":"New York, New York","city":"New York","state":"New York","country":"US"}},"emails":[{{"value":"elif.kaur.{n}@example.org","kind":"personal"}},{{"value":"elif.{n}@mosswick.example.com","kind":"work","outdated":true}}],"phones":[{{"value":"+1 212 555 0198"}}],"contactRevealed":true,"socialLinks":[{{"kind":"linkedin","url":"https://social.example.com/in/elif.kaur.{n}"}}],"positions":[{{"title":"Lead Engineering Manager","company":"Juniperfold","start":"2023-11","current":true}},{{"title":"Engineering Manager","company":"Mosswick","start":"2019-09","end":"2023-01"}}],"education":[{{"school":"Technische Hochschule Auental","degree":"BSc","field":"Mathematics","end":"2020"}}],"skills":["Agile","Delivery","Go","Budgeting","Roadmaps","Hiring"],"tags":["remote-only","referral"],"lastRefreshedAt":"2025-04-05T08:00:00Z"}}"#
    )
}

/// This many profiles as NDJSON.
pub(crate) fn ndjson(count: usize) -> Bytes {
    let mut text = String::new();
    for n in 0..count {
        let _infallible = writeln!(text, "{}", profile(n));
    }
    text.into()
}

/// This many profiles as a source's part.
pub(crate) fn part(count: usize) -> Part {
    Part { name: "bench".into(), bytes: ndjson(count), format: None }
}

/// The middle of the measurements.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
