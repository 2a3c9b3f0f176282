//! Two processes, one Lease.

use std::time::{Duration, Instant};

use crate::support::{
    manifests::{INTEGRATION, PROSPECT, assert_each_once, emails, export},
    process::Process,
    world::{SOON, World},
};

fn operator(world: &World, identity: &str) -> Process {
    world.spawn_operator(identity, "127.0.0.1:0", 6)
}

fn holder(world: &World) -> String {
    let path = "-o=jsonpath={.spec.holderIdentity}";
    let lease = ["get", "lease", "clinch-operator", "--ignore-not-found", path, "-n"];
    world.kubectl(&[&lease[..], &[&world.namespace]].concat())
}

async fn held_by(world: &World, identity: &str) {
    let started = Instant::now();
    while holder(world) != identity {
        assert!(started.elapsed() < SOON, "{identity} does not get the lease");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_holder_is_followed_and_each_person_arrives_once() {
    let Some(world) = World::prepare().await else { return };
    let mut first = operator(&world, "first");
    held_by(&world, "first").await;
    let mut second = operator(&world, "second");
    world.apply(INTEGRATION);
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    world.sandbox.set_latency(Duration::from_millis(20));
    world.apply(&export("handed", 400, PROSPECT));
    while emails(&world).len() < 50 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    first.kill();
    held_by(&world, "second").await;
    world.sandbox.set_latency(Duration::ZERO);
    let done = world.ready("CandidateExport", "handed", "True", "Synced").await;
    assert_eq!(done["status"]["delivered"], "400/400");
    assert_each_once(&world, 400);

    // An orderly end releases the lease: a third process need not wait for it to expire.
    second.signal("TERM");
    assert_eq!(second.code().await, Some(0), "SIGTERM is an orderly end");
    assert_eq!(holder(&world), "", "the lease was released");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_frozen_past_its_lease_pushes_nobody_when_it_wakes() {
    const PEOPLE: usize = 1500;
    // The default of `limits.maxInFlight`.
    const IN_FLIGHT: u64 = 8;
    let Some(world) = World::prepare().await else { return };
    let mut first = operator(&world, "first");
    held_by(&world, "first").await;
    let _second = operator(&world, "second");
    world.apply(INTEGRATION);
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    world.sandbox.set_latency(Duration::from_millis(40));
    world.apply(&export("frozen", PEOPLE, PROSPECT));
    let created = || world.sandbox.requests().of("createCandidate");
    let reached = async |count: u64| {
        let started = Instant::now();
        while created() < count {
            assert!(started.elapsed() < SOON, "{} of {count}", created());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    reached(100).await;
    first.signal("STOP");
    held_by(&world, "second").await;
    // The first one wakes while the second one is at work, and in the middle of its own.
    let before = created();
    reached(before + 50).await;
    first.signal("CONT");
    let done = world.ready("CandidateExport", "frozen", "True", "Synced").await;
    assert_eq!(done["status"]["delivered"], format!("{PEOPLE}/{PEOPLE}"));
    assert_each_once(&world, PEOPLE);
    // Nobody is even tried twice, but for requests that it had checked and not sent yet when it froze.
    let twice = created() - PEOPLE as u64;
    assert!(twice <= IN_FLIGHT, "{twice} were tried twice");
    assert_eq!(holder(&world), "second");
    assert_eq!(first.code().await, Some(4), "a lost lease has its own exit code");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_ready_and_names_the_holder() {
    let Some(world) = World::prepare().await else { return };
    let _first = operator(&world, "first");
    held_by(&world, "first").await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let admin = free.local_addr().expect("an address").to_string();
    drop(free);
    let _second = world.spawn_operator("second", &admin, 6);
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let asked = async |path: &str| {
        let answer = http.get(format!("http://{admin}/{path}")).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.expect("text")))
    };
    let since = Instant::now();
    loop {
        let answer = asked("readyz").await;
        if answer.as_ref().is_some_and(|(code, _)| *code == 200) {
            let text = "standing by: first holds the lease clinch-operator\n".to_owned();
            assert_eq!(answer, Some((200, text)));
            break;
        }
        assert!(since.elapsed() < SOON, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(asked("healthz").await, Some((200, "ok\n".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_may_not_use_its_lease_says_which_right_is_missing() {
    let Some(world) = World::prepare().await else { return };
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let admin = free.local_addr().expect("an address").to_string();
    drop(free);
    world.kubectl(&["delete", "role", "clinch-operator", "-n", &world.namespace]);
    let since = Instant::now();
    let may = ["auth", "can-i", "get", "leases", "-n", &world.namespace];
    while world.kubectl_as_operator(&may).0 {
        assert!(since.elapsed() < SOON, "it keeps the right");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let _process = world.spawn_operator("first", &admin, 6);
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answers = async |expected: &str| {
        let since = Instant::now();
        loop {
            let answer = match http.get(format!("http://{admin}/readyz")).send().await {
                Ok(found) => found.text().await.expect("text"),
                Err(_) => "it does not listen".to_owned(),
            };
            if answer == expected {
                return;
            }
            assert!(since.elapsed() < SOON, "{answer}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    answers(&format!(
        "waiting for the lease clinch-operator: the operator may not get leases \
         {}/clinch-operator: grant it in the operator's role\n",
        world.namespace
    ))
    .await;
    world.grant_shards(&["a"]);
    answers("ready\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_becomes_ready_at_every_start() {
    let Some(world) = World::prepare().await else { return };
    world.apply(INTEGRATION);
    world.apply(&export("started", 3, PROSPECT));
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    for start in 0..12 {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let admin = free.local_addr().expect("an address").to_string();
        drop(free);
        let mut process = world.spawn_operator("starting", &admin, 6);
        let (url, since) = (format!("http://{admin}/readyz"), Instant::now());
        loop {
            let answer = match http.get(&url).send().await {
                Ok(found) if found.status().is_success() => break,
                Ok(found) => found.text().await.expect("text"),
                Err(_) => "it does not listen".to_owned(),
            };
            assert!(since.elapsed() < SOON, "start {start}: {answer}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        process.signal("TERM");
        assert_eq!(process.code().await, Some(0), "start {start}");
    }
    let _last = operator(&world, "last");
    world.ready("CandidateExport", "started", "True", "Synced").await;
    assert_each_once(&world, 3);
}
