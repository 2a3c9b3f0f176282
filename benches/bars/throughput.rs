//! The whole run against a bare loop that sends the same requests: what the operator's care costs.
//! Both sides have a fresh emulator, a process beside this one, for each of their turns.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::ensure;
use bytes::Bytes;
use clinch_operator::{
    clinch::Limits,
    jsonapi::MEDIA_TYPE,
    ledger::MemoryStore,
    pipeline::{Ending, run},
    signing::{Signature, Unsigned, sign},
    source::Part,
};

use crate::{
    Row,
    emulator::{self, Emulator},
    encoding::{decoded, encode},
    harness::{ports, spec},
    people::{median, part, plan},
};

const TURNS: usize = 3;

pub(crate) async fn measure() -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    // At once: both sides and the emulator share the processor, and every microsecond shows.
    // After two milliseconds: faster than any real Clinch is likely to be.
    for (how, latency, people) in [("answers at once", "0", 20_000), ("after 2 ms", "2", 8_000)] {
        let (part, settings) = (part(people), ["--latency-ms", latency]);
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            bare.push(bare_loop(&part, people, &settings).await?);
            ours.push(whole_run(&part, people, &settings).await?);
        }
        let (ours, bare) = (median(ours), median(bare));
        rows.push(Row::shown(&format!("{how}: bare loop"), format!("{bare:.0}/s")));
        rows.push(Row::shown(&format!("{how}: whole run"), format!("{ours:.0}/s")));
        rows.push(Row::at_least(&format!("{how}: whole run : bare loop"), ours / bare, 0.90));
    }
    Ok(rows)
}

/// People per second of a run: decode, map, look who is there, push, and write the ledger.
async fn whole_run(part: &Part, people: usize, settings: &[&str]) -> anyhow::Result<f64> {
    let emulator = Emulator::start(settings).await?;
    let client = emulator::client(&emulator.origin)?;
    let (spec, ports) = (spec(part.clone())?, ports(client, MemoryStore::default()));
    let start = Instant::now();
    let report = tokio::spawn(run(spec, ports)).await?;
    let took = start.elapsed().as_secs_f64();
    ensure!(report.ending == Ending::Completed, "{report:?}");
    emulator.check_created(people).await?;
    Ok(people as f64 / took)
}

/// People per second of as many tasks as the run has requests in flight, with everything mapped,
/// encoded and signed before the clock starts.
async fn bare_loop(part: &Part, people: usize, settings: &[&str]) -> anyhow::Result<f64> {
    let emulator = Emulator::start(settings).await?;
    let (plan, credentials) = (plan()?, emulator::credentials()?);
    let unsigned = Unsigned {
        method: "POST",
        path_and_query: "/v2/candidates",
        content_type: Some(MEDIA_TYPE),
    };
    let requests: Vec<(Bytes, Signature)> = decoded(part)
        .filter_map(|profile| plan.apply(&profile).ok())
        .map(|mapped| {
            (encode(&mapped).into(), sign(&unsigned, &credentials, jiff::Timestamp::now()))
        })
        .collect();
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let http = emulator::http()?;
    let url = format!("{}/v2/candidates", emulator.origin);
    let start = Instant::now();
    let senders: Vec<_> = (0..Limits::default().max_in_flight)
        .map(|_| {
            let (requests, next) = (requests.clone(), next.clone());
            let (http, url) = (http.clone(), url.clone());
            tokio::spawn(async move {
                while let Some((body, signature)) =
                    requests.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let answer = http
                        .post(&url)
                        .header("accept", MEDIA_TYPE)
                        .header("content-type", MEDIA_TYPE)
                        .header("date", signature.date.clone())
                        .header("authorization", signature.authorization.clone())
                        .body(body.clone())
                        .send()
                        .await?;
                    ensure!(answer.status() == 201, "{}", answer.status());
                    answer.bytes().await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for sender in senders {
        sender.await??;
    }
    let took = start.elapsed().as_secs_f64();
    emulator.check_created(people).await?;
    Ok(people as f64 / took)
}
