//! Faults, interruptions and kills: each person arrives exactly once.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use clinch_operator::{
    clinch::Contract,
    domain::{Disposition, Fence},
    pipeline::{ClinchCrm, Duplicates as Policy, Ending, RunPorts, SeenSource, run},
    sandbox::{Action, Fault},
};

use crate::{
    scale::scale,
    setup::{Export, Store, World, careless, client, options, profiles},
};

/// Every fifth request goes wrong in one way or another.
fn mix(seed: u64) -> Vec<Fault> {
    let status = |code, retry_after| Action::Status { code, retry_after, html: false };
    let actions = [
        (0.05, status(500, None)),
        (0.04, Action::ResetBeforeCommit {}),
        (0.04, Action::ResetAfterCommit {}),
        (0.03, Action::Truncated {}),
        (0.03, Action::Html {}),
    ];
    let mut faults: Vec<_> = actions
        .into_iter()
        .enumerate()
        .map(|(n, (share, action))| {
            Fault::always("*", action).with_probability(share, seed * 100 + n as u64)
        })
        .collect();
    // Each of these slows everything down, so there are few of them.
    let limited = Fault::always("*", status(429, Some(0))).with_probability(0.05, seed * 100 + 9);
    faults.push(limited.times(5));
    faults.push(Fault::always("createCandidate", status(429, Some(1))).nth(20));
    faults
}

async fn until_completed(world: &World, export: &Export) -> u32 {
    for attempt in 1..=40 {
        let report = world.run(export).await;
        match report.ending {
            Ending::Completed if report.progress.counts.rejected() == 0 => return attempt,
            Ending::Completed
            | Ending::Interrupted { disposition: Disposition::Retry { .. }, .. } => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("never completed");
}

#[tokio::test]
async fn under_every_fault_each_person_comes_in_exactly_once() {
    for seed in 1..=scale() as u64 {
        let world = World::new(careless()).await;
        world.sandbox.set_faults(mix(seed));
        until_completed(&world, &Export::of(profiles(120)).applying()).await;
        world.assert_exactly_once(120);
        for person in world.sandbox.people(crate::setup::ACCOUNT) {
            assert_eq!(person["applications"].as_array().unwrap().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_run_that_is_asked_to_stop_finishes_what_is_in_flight_and_another_goes_on() {
    let world = World::new(careless()).await;
    let export = Export::of(profiles(100));
    let ports = world.ports();
    let (cancel, mut progress) = (ports.cancel.clone(), ports.progress.subscribe());
    let stop = async {
        progress.wait_for(|progress| progress.counts.created >= 20).await.unwrap();
        cancel.cancel();
    };
    let (report, ()) = tokio::join!(run(export.spec(), ports), stop);
    assert_eq!(report.ending, Ending::Stopped);
    let first = report.progress.counts.created;
    assert!((20..100).contains(&first), "{first}");
    assert_eq!(world.people().len() as u64, first, "nothing was cut off");
    let counts = world.counts(&export).await;
    assert_eq!((counts.unchanged, counts.created), (first, 100 - first));
    assert_eq!(world.sandbox.requests().of("createCandidate"), 100);
    world.assert_exactly_once(100);
}

/// Polls a future this many times, then drops it wherever it is.
pub(crate) async fn killed_after<F: Future>(polls: u32, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(|context| {
        if polled == polls {
            return Poll::Ready(None);
        }
        polled += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // Woken at the latest when the last allowed poll is over.
            Poll::Pending if polled == polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[tokio::test]
async fn a_run_killed_at_any_await_is_completed_by_the_next_one() {
    let points =
        kill_everywhere(1, Policy::Update).await + kill_everywhere(3, Policy::Update).await;
    assert!(points > 40, "a run has many points to be killed at: {points}");
}

#[tokio::test]
async fn under_any_policy_the_next_run_continues_with_those_whose_create_had_started() {
    for policy in [Policy::Skip, Policy::Fail] {
        kill_everywhere(1, policy).await;
    }
}

/// Kills runs with this many records in flight after one poll, after two, and so on.
async fn kill_everywhere(max_in_flight: usize, policy: Policy) -> u32 {
    let export = Export::of(profiles(6)).applying().duplicates(policy);
    let mut polls = 1;
    loop {
        let world = World::new(careless()).await;
        let ports = RunPorts { max_in_flight, ..world.ports() };
        let ended = killed_after(polls, run(export.spec(), ports)).await;
        // The next process: only Clinch and the ledger remain.
        let next = World {
            client: client(&world.sandbox, Contract::built_in(), Fence::open()),
            guard: Arc::default(),
            ..world
        };
        let counts = next.counts(&export).await;
        assert_eq!(counts.rejected() + counts.skipped, 0, "after {polls} polls");
        next.assert_exactly_once(6);
        for person in next.sandbox.people(crate::setup::ACCOUNT) {
            assert_eq!(person["applications"].as_array().unwrap().len(), 1, "after {polls} polls");
        }
        if ended.is_some() {
            return polls;
        }
        polls += 1;
    }
}

#[tokio::test]
async fn a_run_killed_again_and_again_completes() {
    let world = World::new(careless()).await;
    let export = Export::of(profiles(60));
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..25 {
        let _ = killed_after(random.u32(1..120), world.run(&export)).await;
    }
    world.counts(&export).await;
    world.assert_exactly_once(60);
}

#[tokio::test]
async fn two_exports_of_one_integration_create_each_person_once() {
    let world = World::new(careless()).await;
    world.sandbox.set_latency(Duration::from_millis(2));
    let export = Export::of(profiles(50));
    let mut other = world.ports();
    other.keys = crate::setup::keys_of("another-export");
    other.export = "another-export".to_owned();
    other.store = Store::default();
    let mut backwards = export.clone();
    backwards.profiles.reverse();
    let (one, two) = tokio::join!(world.run(&export), run(backwards.spec(), other));
    world.assert_exactly_once(50);
    assert_eq!(one.progress.counts.delivered(), 50);
    assert_eq!(two.progress.counts.delivered(), 50);
    assert_eq!(one.progress.counts.created + two.progress.counts.created, 50);
}

#[tokio::test]
async fn once_the_fence_is_closed_no_write_starts() {
    let world = World::new(options()).await;
    let (asked, passed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let fence = Fence::new({
        let (asked, passed) = (asked.clone(), passed.clone());
        move || {
            let open = asked.fetch_add(1, Ordering::SeqCst) < 40;
            passed.fetch_add(u64::from(open), Ordering::SeqCst);
            open
        }
    });
    let mut ports = world.ports();
    let fenced = client(&world.sandbox, Contract::built_in(), fence.clone());
    ports.crm = ClinchCrm::new(fenced, SeenSource::new(|| {}));
    ports.fence = fence;
    let report = run(Export::of(profiles(100)).spec(), ports).await;
    assert!(matches!(report.ending, Ending::Interrupted { .. }), "{:?}", report.ending);
    // Each create asks twice: before it is made, and again before it is sent.
    let writes = world.writes();
    assert!((1..=20).contains(&writes), "{writes} writes");
    assert!(asked.load(Ordering::SeqCst) > 40, "the fence was found closed");
    assert_eq!(passed.load(Ordering::SeqCst), 40);
    world.counts(&Export::of(profiles(100))).await;
    world.assert_exactly_once(100);
}
