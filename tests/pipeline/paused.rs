//! A run whose access is paused in the middle: it sends nothing, and continues with the credential
//! that is valid then.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use std::time::Duration;

use clinch_operator::{
    clinch::{Client, Contract, SignedRequest, Successor},
    domain::{Fence, Grant, GrantState},
    pipeline::{ClinchCrm, Ending, RunPorts, SeenSource, run},
    sandbox::{Action, Credential, Fault},
};

use tokio::time::Instant;

use crate::{
    in_memory::{Between, Unplugged, answer},
    setup::{
        ACCOUNT, Export, SECRET, Store, World, careless, client_of, email, in_clinch, keys_of,
        profiles, seeded,
    },
};

/// The access of a run, as the test sets it.
#[derive(Clone)]
struct Switch {
    state: Arc<Mutex<GrantState>>,
    /// How often a request was told to wait.
    waits: Arc<AtomicU64>,
    successor: Successor,
}

impl Switch {
    fn new() -> Self {
        let state = Arc::new(Mutex::new(GrantState::Valid));
        Self { state, waits: Arc::default(), successor: Successor::default() }
    }

    fn set(&self, state: GrantState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// The ports of a run that has this access, and sends one request at a time: while one waits,
    /// none is in flight.
    fn ports(&self, world: &World) -> RunPorts<ClinchCrm, Store> {
        let Self { state, waits, successor } = self.clone();
        let grant = Grant::new(move || {
            let state = *state.lock().unwrap_or_else(PoisonError::into_inner);
            if state == GrantState::Paused {
                waits.fetch_add(1, Ordering::Relaxed);
            }
            state
        });
        let client = world.client.with_grant(grant, successor, "team/people");
        let crm = ClinchCrm::new(client, SeenSource::new(|| {}));
        RunPorts { crm, max_in_flight: 1, ..world.ports() }
    }

    /// Pauses, and asserts that nothing is sent although the run looks again and again.
    async fn pause(&self, world: &World) {
        self.set(GrantState::Paused);
        let waited = |times| self.waits.load(Ordering::Relaxed) >= times;
        until(|| waited(1)).await;
        let sent = world.requests();
        until(|| waited(6)).await;
        assert_eq!(world.requests(), sent, "nothing is sent");
    }
}

async fn until(reached: impl Fn() -> bool) {
    while !reached() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn next_client(world: &World) -> Client {
    world.sandbox.add_credential(Credential::new(ACCOUNT, "AKNEXT", SECRET));
    client_of(&world.sandbox, "AKNEXT", Contract::built_in(), Fence::open())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_run_sends_nothing_and_completes_with_another_credential() {
    let world = World::new(careless()).await;
    let export = Export::of(profiles(80)).applying();
    let switch = Switch::new();
    let scene = async {
        until(|| world.sandbox.requests().with("createCandidate", 201) >= 20).await;
        switch.pause(&world).await;
        assert!(world.people().len() < 80, "the run was over before the pause");
        switch.successor.set(&next_client(&world));
        world.sandbox.revoke("AKTEST");
        switch.set(GrantState::Valid);
    };
    let (report, ()) = tokio::join!(run(export.spec(), switch.ports(&world)), scene);
    assert_eq!(report.ending, Ending::Completed, "the same run: {:?}", report.progress);
    assert_eq!(report.progress.counts.created, 80);
    world.assert_exactly_once(80);
    assert_eq!(world.sandbox.requests().of("createCandidate"), 80);
    for person in world.people_with_address() {
        assert_eq!(person["applications"].as_array().map(Vec::len), Some(1));
    }
    let requests = world.sandbox.requests().by_operation;
    let refused = requests.keys().filter(|name| name.ends_with(" 401")).count();
    assert_eq!(refused, 0, "the old credential is not used any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_waited_is_sent_only_after_another_look() {
    const PEOPLE: usize = 8;
    let world = World::new(careless()).await;
    let later = Action::Status { code: 429, retry_after: Some(1), html: false };
    let refuse = Fault::always("createCandidate", later).times(PEOPLE as u64);
    world.sandbox.set_faults(vec![refuse]);
    let export = Export::of(profiles(PEOPLE));
    let switch = Switch::new();
    let scene = async {
        // Looked up, absent, and about to be created.
        until(|| world.sandbox.requests().with("createCandidate", 429) >= 1).await;
        switch.pause(&world).await;
        world.sandbox.set_faults(vec![]);
        let other = next_client(&world);
        for n in 0..PEOPLE {
            let person = serde_json::json!({
                "email": email(n), "first_name": "Another", "last_name": "Program"});
            other.create(person.as_object().unwrap()).await.unwrap();
        }
        switch.set(GrantState::Valid);
    };
    let ports = RunPorts { look_up: true, ..switch.ports(&world) };
    let (report, ()) = tokio::join!(run(export.spec(), ports), scene);
    assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress);
    assert_eq!(report.progress.counts.created, 0);
    world.assert_exactly_once(PEOPLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_ends_in_a_revocation_ends_the_run_and_the_next_one_completes() {
    let world = World::new(careless()).await;
    let export = Export::of(profiles(60)).applying();
    let switch = Switch::new();
    let scene = async {
        until(|| world.sandbox.requests().with("createCandidate", 201) >= 20).await;
        switch.pause(&world).await;
        let sent = world.requests();
        switch.set(GrantState::Revoked);
        sent
    };
    let (report, sent) = tokio::join!(run(export.spec(), switch.ports(&world)), scene);
    assert_eq!(report.ending, Ending::Stopped);
    assert_eq!(world.requests(), sent, "not one more request");
    let rest = world.counts(&export).await;
    assert_eq!(rest.created + rest.updated + rest.unchanged, 60);
    world.assert_exactly_once(60);
    assert_eq!(world.sandbox.requests().of("createCandidate"), 60);
}

#[tokio::test]
async fn somebody_just_created_who_cannot_be_read_after_a_pause_is_known_to_the_next_run() {
    let switch = Switch::new();
    let (state, created) = (switch.clone(), AtomicBool::new(false));
    let down = Arc::new(AtomicBool::new(true));
    let unreadable = down.clone();
    let between = move |signed: &SignedRequest| {
        let (request, target) = (&signed.request, signed.request.path_and_query());
        if request.method == "POST" && target.ends_with("/candidates") {
            created.store(true, Ordering::Relaxed);
        } else if target.contains("filter") && created.swap(false, Ordering::Relaxed) {
            // The look-up that follows the first create; the application comes next.
            state.set(GrantState::Paused);
        }
        let reads = request.method == "GET" && target.contains("/candidates/");
        (reads && unreadable.load(Ordering::Relaxed)).then(|| answer(503, None))
    };
    let unplugged = Unplugged::new(careless(), Box::new(between)).await;
    let Unplugged { world, sent } = &unplugged;
    let export = Export::of(profiles(1)).applying();
    tokio::time::pause();
    let scene = async {
        until(|| switch.waits.load(Ordering::Relaxed) >= 1).await;
        switch.set(GrantState::Valid);
    };
    let (report, ()) = tokio::join!(run(export.spec(), switch.ports(world)), scene);
    assert!(matches!(report.ending, Ending::Interrupted { .. }), "{:?}", report.ending);
    assert_eq!(world.people().len(), 1, "created");
    down.store(false, Ordering::Relaxed);
    sent.lock().unwrap().clear();
    world.counts(&export).await;
    tokio::time::resume();
    let lines: Vec<_> = sent.lock().unwrap().iter().map(|(_, line)| line.clone()).collect();
    assert!(lines.iter().any(|line| line.contains("GET /v2/candidates/")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("filter")), "known by id: {lines:?}");
    world.assert_exactly_once(1);
}

/// At which request of a run its access is paused.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// A page of the candidate list, with creates held back.
    List,
    /// A create that was refused and may be sent again, with a turn to create.
    Create,
    /// A create of unknown outcome.
    Doubt,
}

impl Moment {
    /// Pauses at the first such request, and answers it.
    fn pauses(self, switch: Switch) -> Between {
        let reached = AtomicBool::new(false);
        Box::new(move |signed| {
            let request = &signed.request;
            let lists = request.method == "GET" && request.path_and_query().contains("per_page");
            let creates = request.method == "POST";
            let is_it = if matches!(self, Self::List) { lists } else { creates };
            if !is_it || reached.swap(true, Ordering::Relaxed) {
                return None;
            }
            switch.set(GrantState::Paused);
            match self {
                Self::List => None,
                Self::Create => Some(answer(429, Some("0"))),
                Self::Doubt => Some(answer(500, None)),
            }
        })
    }
}

#[tokio::test]
async fn a_paused_run_holds_up_no_other_run_of_the_account() {
    const PEOPLE: usize = 20;
    for moment in [Moment::List, Moment::Create, Moment::Doubt] {
        let switch = Switch::new();
        // More than one page.
        let options = seeded(careless(), (0..150).map(|n| in_clinch(1000 + n)));
        let Unplugged { world, .. } = Unplugged::new(options, moment.pauses(switch.clone())).await;
        let export = Export::of(profiles(PEOPLE));
        tokio::time::pause();
        let other = async {
            until(|| switch.waits.load(Ordering::Relaxed) >= 1).await;
            let start = Instant::now();
            let (store, keys) = (Store::default(), keys_of("other-uid"));
            let ports = RunPorts { export: "other-uid".to_owned(), store, keys, ..world.ports() };
            let report = run(export.spec(), ports).await;
            assert_eq!(report.ending, Ending::Completed, "{moment:?}: {:?}", report.progress);
            assert!(start.elapsed() < Duration::from_secs(10), "{moment:?}: {:?}", start.elapsed());
            assert_eq!(world.people().len(), 150 + PEOPLE, "{moment:?}");
            switch.set(GrantState::Valid);
        };
        let (report, ()) = tokio::join!(run(export.spec(), switch.ports(&world)), other);
        if !matches!(moment, Moment::Doubt) {
            assert_eq!(report.ending, Ending::Completed, "{moment:?}: {:?}", report.progress);
        }
        let counts = world.counts(&export).await;
        assert_eq!(counts.created, 0, "{moment:?}");
        assert!(world.people().values().all(|times| *times == 1), "{moment:?}");
        tokio::time::resume();
    }
}
