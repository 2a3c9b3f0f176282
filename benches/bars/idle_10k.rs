//! Ten thousand delivered exports: what it costs to keep them, and to start with them.

use std::time::{Duration, Instant};

use anyhow::ensure;
use clinch_operator::{
    api::CandidateExport,
    control_plane::{ControlPlane, Options},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{Api, api::ListParams};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    Row,
    cluster::{Operator, TEAM, World, ready},
    emulator::http,
    people::profile,
};

const EXPORTS: usize = 10_000;
const LATEST: Duration = Duration::from_mins(15);
const IDLE: Duration = Duration::from_mins(10);

pub(crate) async fn measure() -> anyhow::Result<Vec<Row>> {
    let plane = ControlPlane::start(Options::default()).await?;
    let rows = on(&plane).await;
    plane.stop().await;
    rows
}

async fn on(plane: &ControlPlane) -> anyhow::Result<Vec<Row>> {
    let world = World::on(plane).await?;
    let origin = world.sandbox.base_url();
    let operator = Operator::start(plane, &origin)?;
    world.integration_ready().await?;
    let started = Instant::now();
    stream::iter(0..EXPORTS)
        .map(async |n| {
            let person: Value = serde_json::from_str(&profile(n))?;
            world.apply_export(&format!("export-{n}"), &json!({"inline": [person]})).await
        })
        .buffer_unordered(16)
        .try_collect::<()>()
        .await?;
    all_ready(&world, started).await?;
    let took = started.elapsed().as_secs_f64();
    ensure!(world.sandbox.requests().with("createCandidate", 201) == EXPORTS as u64);
    let mut rows = vec![Row::shown("10,000 exports, from apply to Ready", format!("{took:.0} s"))];
    operator.stop()?;

    // As a new process finds them.
    let admin = free_address()?;
    let start = Instant::now();
    let operator = Operator::start_at(plane, &origin, &admin)?;
    let (http, url) = (http()?, format!("http://{admin}/readyz"));
    while !http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
        ensure!(start.elapsed() < LATEST, "it does not become ready");
        sleep(Duration::from_millis(10)).await;
    }
    let took = start.elapsed().as_secs_f64();
    rows.push(Row::at_most("start with 10,000 exports, to ready", took, 5.0, "s"));
    let mut ticks = operator.ticks()?;
    loop {
        // Quiet once a second passes with hardly any work.
        sleep(Duration::from_secs(1)).await;
        let now = operator.ticks()?;
        if now - ticks < 3.0 {
            break;
        }
        ticks = now;
    }
    let took = start.elapsed().as_secs_f64();
    rows.push(Row::shown("  to quiet", format!("{took:.0} s")));

    let (moment, ticks) = (world.moment().await?, operator.ticks()?);
    sleep(IDLE).await;
    let since = world.since(&moment).await?;
    let share = (operator.ticks()? - ticks) / 100.0 / since.seconds;
    let writes = since.writes().values().sum::<usize>();
    rows.extend([
        Row::at_most("ten idle minutes: writes by the operator", writes as f64, 0.0, ""),
        Row::shown("  requests to Clinch: one look at the account", since.requests.to_string()),
        Row::at_most("  share of one core", share * 100.0, 1.0, "%"),
        Row::at_most("  memory", operator.resident_mib()?, 150.0, "MiB"),
        Row::shown("  most memory since the start", format!("{:.0} MiB", operator.peak_mib()?)),
    ]);
    Ok(rows)
}

async fn all_ready(world: &World, started: Instant) -> anyhow::Result<()> {
    let api: Api<CandidateExport> = Api::namespaced(world.client.clone(), TEAM);
    loop {
        let exports = api.list(&ListParams::default()).await?.items;
        let left = EXPORTS - exports.iter().filter(|export| ready(*export)).count();
        if left == 0 {
            return Ok(());
        }
        ensure!(started.elapsed() < LATEST, "{left} exports are not Ready");
        sleep(Duration::from_secs(2)).await;
    }
}

/// An address nobody listens on.
fn free_address() -> anyhow::Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
