//! What a run costs the API server.

use std::time::Duration;

use clinch_operator::control_plane::audit::Entry;

use crate::{
    stage::{assert_delivered, at_work, shared},
    support::{
        manifests::{PROSPECT, export},
        world::{SOON, condition, listed},
    },
};

const PEOPLE: usize = 1000;
/// A status moves at most so often while a run works; a little less for how long a write takes.
const STATUS_EVERY: Duration = Duration::from_millis(1800);

#[tokio::test(flavor = "multi_thread")]
async fn a_run_writes_its_status_every_two_seconds_at_most_and_little_else() {
    let _shared = shared().await;
    let Some((world, _operator)) = at_work(15).await else { return };
    // A first one, after which the status of the integration is final, and the API server
    // knows the kinds.
    world.apply(&export("first", 5, PROSPECT));
    world.ready("CandidateExport", "first", "True", "Synced").await;
    world
        .wait("ClinchIntegration", "acme", "at rest", SOON, |object| {
            condition(object, "SourceMatched")["status"] == "True"
                && object["status"]["account"]["witnesses"].as_array().is_some_and(|w| w.len() == 3)
        })
        .await;
    world.passes_end("candidateexports", "first", ("configmap", "first")).await;
    world.passes_end("clinchintegrations", "acme", ("secret", "clinch")).await;
    world.sandbox.set_latency(Duration::from_millis(50));
    let log = world.audit();
    let mark = log.mark().expect("a log");
    world.apply(&export("slow", PEOPLE, PROSPECT));
    let done = world.ready("CandidateExport", "slow", "True", "Synced").await;
    assert_delivered(&world, &done, PEOPLE);
    let at_its_end = |entry: &Entry| entry.resource == "events" && entry.name.starts_with("slow.");
    log.wait_for(mark, 2, SOON, at_its_end).await.expect("start and end are reported");
    let writes = world.writes_since(mark);
    let shown = listed(&writes);
    assert!(writes.iter().all(|entry| entry.code < 300), "{shown}");

    let statuses: Vec<&Entry> = writes
        .iter()
        .filter(|entry| entry.resource == "candidateexports" && entry.subresource == "status")
        .collect();
    let took = Duration::try_from(
        statuses[statuses.len() - 1].request_received.duration_since(statuses[0].request_received),
    )
    .expect("in order");
    assert!(took > 2 * STATUS_EVERY, "the run took {took:?}: too short to show anything");
    // The last one reports the end, which may come at any time.
    for pair in statuses[..statuses.len() - 1].windows(2) {
        let between = pair[1].request_received.duration_since(pair[0].request_received);
        let between = Duration::try_from(between).expect("in order");
        assert!(between >= STATUS_EVERY, "two status writes {between:?} apart:{shown}");
    }
    let segments = writes.iter().filter(|entry| entry.resource == "candidateledgers").count();
    let every_two = usize::try_from(took.as_secs() / 2).expect("few");
    let allowed = 6 + every_two + segments;
    assert!(writes.len() <= allowed, "{} writes, {allowed} allowed:{shown}", writes.len());
}
