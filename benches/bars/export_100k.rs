//! A large export, and the same again: how many requests, how fast, how much memory.

use std::time::Instant;

use anyhow::ensure;
use clinch_operator::{
    ledger::MemoryStore,
    pipeline::{Ending, run},
};

use crate::{
    Row,
    emulator::{self, Emulator},
    harness::{ports, spec},
    people::part,
};

const PEOPLE: usize = 100_000;

pub(crate) async fn measure() -> anyhow::Result<Vec<Row>> {
    let (part, store) = (part(PEOPLE), MemoryStore::default());
    let emulator = Emulator::start(&[]).await?;
    let mut rows = Vec::new();
    for round in ["first run", "again, unchanged"] {
        let client = emulator::client(&emulator.origin)?;
        let before = total(&emulator).await?;
        let start = Instant::now();
        let report = tokio::spawn(run(spec(part.clone())?, ports(client, store.clone()))).await?;
        let took = start.elapsed().as_secs_f64();
        ensure!(report.ending == Ending::Completed, "{report:?}");
        let requests = (total(&emulator).await? - before) as f64;
        let rate = PEOPLE as f64 / took;
        rows.push(Row::shown(&format!("{round}: people a second"), format!("{rate:.0}/s")));
        rows.push(if round == "first run" {
            emulator.check_created(PEOPLE).await?;
            Row::at_most("first run: requests a person", requests / PEOPLE as f64, 1.04, "")
        } else {
            Row::at_most("again, unchanged: requests", requests, 0.0, "")
        });
    }
    Ok(rows)
}

async fn total(emulator: &Emulator) -> anyhow::Result<u64> {
    let counts = emulator.requests().await?;
    counts["total"].as_u64().ok_or_else(|| anyhow::anyhow!("no total: {counts}"))
}
