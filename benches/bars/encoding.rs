//! What one candidate costs before the network: one core, no I/O.

use std::{collections::BTreeMap, hint::black_box, time::Instant};

use clinch_operator::{
    domain::Profile,
    jsonapi::{MEDIA_TYPE, NewResource, Request},
    ledger::Keys,
    mapping::Mapped,
    signing::{Unsigned, sign},
    source::{CsvOptions, Limits, Part, decode},
};

use crate::{
    Row, emulator,
    people::{median, ndjson, plan},
};

const PEOPLE: usize = 5_000;
const ROUNDS: usize = 9;

/// The request document of a mapped candidate, as the client encodes it.
pub(crate) fn encode(mapped: &Mapped) -> Vec<u8> {
    let resource = NewResource {
        kind: "candidate",
        id: None,
        attributes: &mapped.attributes,
        relationships: BTreeMap::new(),
    };
    serde_json::to_vec(&Request { data: resource }).expect("plain data serialises to JSON")
}

/// Profiles as the source's decoder gives them.
pub(crate) fn decoded(part: &Part) -> impl Iterator<Item = Profile> {
    decode(part, &CsvOptions::default(), &Limits::default())
        .filter_map(Result::ok)
        .filter_map(|decoded| decoded.result.ok())
}

pub(crate) fn measure() -> anyhow::Result<Vec<Row>> {
    let (plan, credentials) = (plan()?, emulator::credentials()?);
    let part = Part { name: "bench".into(), bytes: ndjson(PEOPLE), format: None };
    let profiles: Vec<Profile> = decoded(&part).collect();
    anyhow::ensure!(profiles.len() == PEOPLE, "{} profiles", profiles.len());
    let mapped: Vec<Mapped> = profiles.iter().filter_map(|p| plan.apply(p).ok()).collect();
    anyhow::ensure!(mapped.len() == PEOPLE, "{} mapped", mapped.len());
    let unsigned = Unsigned {
        method: "POST",
        path_and_query: "/v2/candidates",
        content_type: Some(MEDIA_TYPE),
    };
    let keys = Keys::derive(&[7; 32], "bench");
    let now = jiff::Timestamp::now();

    let sizes: usize = part.bytes.len() / PEOPLE;
    let body = encode(&mapped[0]).len();
    let decoding = each(|| decoded(&part).for_each(|profile| drop(black_box(profile))));
    let mapping = each(|| profiles.iter().for_each(|p| drop(black_box(plan.apply(p)))));
    let encoding = each(|| mapped.iter().for_each(|m| drop(black_box(encode(m)))));
    let signing = each(|| {
        for _ in 0..PEOPLE {
            black_box(sign(&unsigned, &credentials, now));
        }
    });
    let remembering = each(|| {
        for one in &mapped {
            black_box((keys.key_hash(&one.match_key), keys.payload_digest(&one.attributes)));
        }
    });
    let whole = each(|| {
        for profile in &profiles {
            let mapped = plan.apply(profile).ok();
            black_box(mapped.map(|mapped| encode(&mapped)));
            black_box(sign(&unsigned, &credentials, now));
        }
    });
    let row = |what, number: f64| Row::shown(what, format!("{number:.2} us"));
    Ok(vec![
        Row::shown("profile, body", format!("{sizes} B, {body} B")),
        row("decode from NDJSON", decoding),
        row("map", mapping),
        row("encode", encoding),
        row("sign", signing),
        row("hash for the ledger", remembering),
        Row::at_most("map, encode and sign one candidate", whole, 15.0, "us"),
    ])
}

/// Microseconds for each person: the median of some rounds after a warm-up.
fn each(mut round: impl FnMut()) -> f64 {
    round();
    let mut timed = || {
        let start = Instant::now();
        round();
        start.elapsed().as_secs_f64() * 1e6 / PEOPLE as f64
    };
    median((0..ROUNDS).map(|_| timed()).collect())
}
