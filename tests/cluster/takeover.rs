//! How long it takes until another process works, measured with real processes: `hack/verify.sh takeover`.

use std::{
    env,
    time::{Duration, Instant},
};

use crate::support::{
    manifests::{INTEGRATION, PROSPECT, assert_each_once, emails, export},
    process::Process,
    world::World,
};

/// The Lease's duration of the chart, in seconds.
const LEASE: u64 = 15;
/// How long a takeover may take.
const WITHIN: Duration = Duration::from_mins(2);

fn holder(world: &World) -> String {
    let path = "-o=jsonpath={.spec.holderIdentity}";
    let lease = ["get", "lease", "clinch-operator", "--ignore-not-found", path, "-n"];
    world.kubectl(&[&lease[..], &[&world.namespace]].concat())
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < WITHIN, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How long after the signal another process held the Lease, and created somebody.
async fn takeover(processes: usize, signal: &str) -> (Duration, Duration) {
    const PEOPLE: usize = 1200;
    let world = World::prepare().await.expect("a control plane");
    let names: Vec<String> = (0..processes).map(|number| format!("process-{number}")).collect();
    let start = |name: &String| world.spawn_operator(name, "127.0.0.1:0", LEASE);
    let mut running: Vec<Process> = names.iter().map(start).collect();
    world.apply(INTEGRATION);
    world.ready_within("ClinchIntegration", "acme", "True", "Verified", WITHIN).await;
    world.sandbox.set_latency(Duration::from_millis(200));
    world.apply(&export("taken", PEOPLE, PROSPECT));
    until("the run starts", || emails(&world).len() >= 20).await;
    let first = holder(&world);
    let leader = names.iter().position(|name| *name == first).expect("one of them leads");
    let signalled = Instant::now();
    running[leader].signal(signal);
    until("another process holds the Lease", || ![first.as_str(), ""].contains(&&*holder(&world)))
        .await;
    let held = signalled.elapsed();
    // Requests that were in flight are over: from now on only the next process creates people.
    let before = emails(&world).len();
    until("the next process creates people", || emails(&world).len() > before).await;
    let worked = signalled.elapsed();
    if signal == "STOP" {
        running[leader].signal("CONT");
    }
    world.sandbox.set_latency(Duration::ZERO);
    world.ready_within("CandidateExport", "taken", "True", "Synced", WITHIN).await;
    assert_each_once(&world, PEOPLE);
    if signal != "KILL" {
        let expected = if signal == "STOP" { 4 } else { 0 };
        assert_eq!(running[leader].code().await, Some(expected), "SIG{signal}");
    }
    (held, worked)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes several minutes: hack/verify.sh takeover"]
async fn another_process_takes_over() {
    let rounds = env::var("CLINCH_ROUNDS").map_or(3, |rounds| rounds.parse().expect("a number"));
    for processes in [2, 3] {
        for signal in ["KILL", "TERM", "STOP"] {
            let mut times = Vec::new();
            for _ in 0..rounds {
                times.push(takeover(processes, signal).await);
            }
            let slowest = |of: fn(&(Duration, Duration)) -> Duration| {
                times.iter().map(of).max().unwrap_or_default().as_secs_f64()
            };
            println!(
                "{processes} processes, SIG{signal}: Lease after {:.1} s, next person after {:.1} s at most",
                slowest(|times| times.0),
                slowest(|times| times.1),
            );
        }
    }
}
