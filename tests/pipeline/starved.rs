//! How long a run takes if every fifth request fails, on paused time. The bar: three times as long as
//! without faults, plus the waits that Clinch asked for.

use std::{fmt::Write as _, ops::RangeInclusive, sync::Arc, thread, time::Duration};

use clinch_operator::{
    domain::{Disposition, backoff},
    pipeline::{Ending, PeopleGuard, RunPorts, run},
    sandbox::{Action, Fault},
};
use tokio::{
    runtime::Builder,
    time::{Instant, sleep},
};

use crate::{
    in_memory::Unplugged,
    setup::{ACCOUNT, Export, World, careless, profiles},
};

const PEOPLE: usize = 1885;
const SEEDS: RangeInclusive<u64> = 1..=12;
/// How many seeds of each kind may miss the bar, and how many times the bar the slowest may take: while strays are
/// taken for a limit, the rate is too low.
const MISSES: usize = 3;
const WORST: f64 = 2.0;

fn status(code: u16, retry_after: Option<u64>) -> Action {
    Action::Status { code, retry_after, html: code == 502 }
}

/// Of every hundred requests so many fail in each way, 20 in total.
fn mix(seed: u64) -> Vec<Fault> {
    let actions = [
        (0.02, status(429, Some(0))),
        (0.01, status(429, Some(1))),
        (0.01, status(429, None)),
        (0.02, status(500, None)),
        (0.02, status(502, None)),
        (0.02, status(503, Some(0))),
        (0.01, status(503, Some(1))),
        (0.02, Action::Stall { ms: 300 }),
        (0.02, Action::ResetBeforeCommit {}),
        (0.02, Action::ResetAfterCommit {}),
        (0.01, Action::Truncated {}),
        (0.01, Action::NotJson {}),
        (0.01, Action::Html {}),
    ];
    faults(seed, &actions)
}

/// Only 429s, most of which ask for no wait.
fn strays(seed: u64) -> Vec<Fault> {
    faults(seed, &[(0.04, status(429, Some(0))), (0.005, status(429, Some(1)))])
}

fn faults(seed: u64, actions: &[(f64, Action)]) -> Vec<Fault> {
    (0..)
        .zip(actions)
        .map(|(n, (share, action))| {
            Fault::always("*", action.clone()).with_probability(*share, seed * 100 + n)
        })
        .collect()
}

/// What a run made of its faults.
struct Course {
    seconds: f64,
    requests: u32,
    /// When which request was sent.
    sent: Vec<(Duration, String)>,
}

/// Runs until everybody is delivered, with the operator's waits between attempts.
async fn until_delivered(faults: Vec<Fault>) -> Course {
    let mut options = careless();
    options.latency = Duration::from_millis(30);
    options.faults = faults;
    let Unplugged { world, sent } = Unplugged::new(options, Box::new(|_| None)).await;
    // The same people in the same order each time, and the same samples.
    fastrand::seed(1);
    let world = World { guard: Arc::new(PeopleGuard::with_seed(1)), ..world };
    let export = Export::of(profiles(PEOPLE));
    let (start, mut failures) = (Instant::now(), 0);
    loop {
        let report = run(export.spec(), RunPorts { ..world.ports() }).await;
        let counts = report.progress.counts;
        match report.ending {
            Ending::Completed if counts.rejected() == 0 => break,
            Ending::Completed => {}
            Ending::Interrupted { disposition: Disposition::Retry { after, .. }, .. } => {
                failures = if counts.created > 0 { 0 } else { failures + 1 };
                sleep(backoff(failures).max(after)).await;
            }
            other => panic!("{other:?}"),
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    world.assert_exactly_once(PEOPLE);
    assert_eq!(world.sandbox.doubled(ACCOUNT), 0);
    let requests = u32::try_from(world.sandbox.requests().total).unwrap();
    let sent = sent.lock().unwrap();
    let sent = sent.iter().map(|(at, line)| (*at - start, line.clone())).collect();
    Course { seconds, requests, sent }
}

/// The same on a clock of its own, which stands still from the beginning: otherwise the part of a
/// millisecond at which it stops decides how waits are rounded.
fn course(faults: Vec<Fault>) -> Course {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(until_delivered(faults))
}

/// Runs with each seed, one thread each. Returns how long they took, which missed the bar, and by how much at
/// most.
fn judge(
    name: &str,
    plain: f64,
    waits: f64,
    mix: fn(u64) -> Vec<Fault>,
) -> (String, Vec<u64>, f64) {
    let courses: Vec<_> =
        SEEDS.map(|seed| (seed, thread::spawn(move || course(mix(seed))))).collect();
    let (mut table, mut missed, mut worst) = (String::new(), Vec::new(), 0.0_f64);
    for (seed, course) in courses {
        let Course { seconds, requests, .. } = course.join().unwrap();
        let bar = 3.0 * plain + waits * f64::from(requests);
        missed.extend((seconds > bar).then_some(seed));
        worst = worst.max(seconds / bar);
        writeln!(table, "{name} {seed}: {seconds:.1} s, {requests} requests, bar {bar:.1} s")
            .unwrap();
    }
    (table, missed, worst)
}

#[test]
fn the_same_faults_give_the_same_course() {
    let [one, other] = [(), ()].map(|()| course(mix(3)).sent);
    let differs = one.iter().zip(&other).find(|(one, other)| one != other);
    assert_eq!(differs, None);
    assert_eq!(one.len(), other.len());
}

#[test]
fn faults_and_stray_429s_cost_a_run_little_more_than_the_waits_they_ask_for() {
    let plain = course(Vec::new()).seconds;
    // A second after a 429 without `Retry-After` counts as one that was asked for.
    let mixed = judge("mixed", plain, 0.03, mix);
    let strays = judge("429", plain, 0.005, strays);
    let table = format!("without faults: {plain:.1} s\n{}{}", mixed.0, strays.0);
    println!("{table}");
    for (_, missed, worst) in [mixed, strays] {
        assert!(missed.len() <= MISSES && worst < WORST, "{missed:?} missed it: {table}");
    }
}
