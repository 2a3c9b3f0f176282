//! A Clinch with a limit of requests per second, which answers 429 beyond it: how much of the limit
//! is used, and how often it is exceeded once it is known.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clinch_operator::{ledger::MemoryStore, pipeline::run};
use tokio::time::sleep;

use crate::{
    Row,
    emulator::{self, Emulator},
    harness::{ports, spec},
    people::part,
};

const LIMIT: u64 = 50;
const LEARNING: Duration = Duration::from_secs(10);
/// Measured one after the other: the first minutes still show what was found out in ten seconds.
const MINUTES: usize = 5;
const MINUTE: Duration = Duration::from_mins(1);

pub(crate) async fn measure() -> anyhow::Result<Vec<Row>> {
    let contract = tempfile::NamedTempFile::new()?;
    let limit = format!("rateLimit: {{requestsPerSecond: {LIMIT}, burst: 10}}\n");
    std::fs::write(contract.path(), limit)?;
    let path = contract.path().to_str().context("a path that is no text")?;
    let emulator = Emulator::start(&["--contract", path, "--latency-ms", "20"]).await?;
    let client = emulator::client(&emulator.origin)?;
    let ports = ports(client, MemoryStore::default());
    let cancel = ports.cancel.clone();
    let people = usize::try_from(LIMIT * (LEARNING + MINUTE).as_secs())? * (MINUTES + 1);
    let running = tokio::spawn(run(spec(part(people))?, ports));
    sleep(LEARNING).await;
    let (start, first) = (Instant::now(), answers(&emulator).await?);
    let (mut rows, mut before) = (Vec::new(), first);
    for minute in 1..=MINUTES {
        let from = Instant::now();
        sleep(MINUTE).await;
        let now = answers(&emulator).await?;
        let share = (now.0 - before.0) as f64 / (LIMIT as f64 * from.elapsed().as_secs_f64());
        let refused = now.1 - before.1;
        rows.push(Row::shown(
            &format!("  minute {minute}: share used, requests answered 429"),
            format!("{share:.3}, {refused}"),
        ));
        before = now;
    }
    let took = start.elapsed().as_secs_f64();
    ensure!(!running.is_finished(), "it was done before its time");
    cancel.cancel();
    running.await?;
    let (taken, refused) = (before.0 - first.0, before.1 - first.1);
    let used = taken as f64 / (LIMIT as f64 * took);
    let overstepped = refused as f64 / (taken + refused) as f64;
    rows.insert(0, Row::at_least("share of the limit that is used", used, 0.97));
    rows.insert(1, Row::at_most("share of requests answered 429", overstepped, 0.01, ""));
    Ok(rows)
}

/// Requests taken, and answered 429. All of them count, also the reads of the total between creates: the limit
/// is one of requests.
async fn answers(emulator: &Emulator) -> anyhow::Result<(u64, u64)> {
    let counts = emulator.requests().await?;
    let operations = counts["byOperation"].as_object().context("no counts")?;
    let (mut taken, mut refused) = (0, 0);
    for (operation, count) in operations {
        let count = count.as_u64().context("a count that is no number")?;
        if operation.ends_with(" 429") {
            refused += count;
        } else {
            taken += count;
        }
    }
    Ok((taken, refused))
}
