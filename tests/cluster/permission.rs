//! Where people may be pushed to: refusals say what to do, and reveal nothing of what is not permitted.

use crate::{
    access::{TO_JOB, event, message, reason_is},
    support::{
        manifests::{INTEGRATION, emails, export},
        world::{World, condition},
    },
};

/// The id of the job that the first person applied to.
pub fn job_id(world: &World) -> String {
    let person = world.sandbox.people("hireEZ")[0].clone();
    person["applications"][0]["job"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_permitted_is_refused_with_what_to_do_and_near_matches_of_what_is() {
    let Some(world) = World::start().await else { return };
    let namespace = world.namespace.clone();
    let permitting =
        |jobs: &str| INTEGRATION.replace("jobs: [{job: ENG-101, stages: [Sourced]}]", jobs);
    world.apply(&permitting("prospects: Denied, jobs: [{job: ENG-101, stages: [Sourced]}]"));
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    let before = world.sandbox.requests();
    let to = |name: &str, job: &str| export(name, 2, &format!("  destination: {job}"));

    world.apply(&to("prospects", "{prospect: {}}"));
    let refused = reason_is(&world, &namespace, "prospects", "NotPermitted").await;
    assert!(message(&refused).contains("prospects: Allowed"), "{}", message(&refused));
    event(&world, &namespace, "prospects", "NotPermitted").await;

    world.apply(&to("stage", "{job: {reference: ENG-101, stage: Sorced}}"));
    let refused = reason_is(&world, &namespace, "stage", "NotPermitted").await;
    assert!(message(&refused).contains("did you mean stage \"Sourced\""), "{}", message(&refused));
    assert_eq!(
        world.sandbox.requests().total,
        before.total,
        "reported without a request to Clinch"
    );

    // Clinch has DES-7 and not DES-8: neither is permitted, and the status says no more.
    let mut messages = Vec::new();
    for job in ["DES-7", "DES-8"] {
        world.apply(&to("job", &format!("{{job: {{reference: {job}, stage: Sourced}}}}")));
        let refused = reason_is(&world, &namespace, "job", "NotPermitted").await;
        assert_eq!(condition(&refused, "Permitted")["status"], "False");
        assert_eq!(condition(&refused, "Stalled")["status"], "True");
        messages.push(message(&refused).replace(job, "JOB"));
        event(&world, &namespace, "job", "NotPermitted").await;
    }
    assert_eq!(messages[0], messages[1]);
    assert!(!messages[0].contains("did you mean"), "{}", messages[0]);

    // Permitted by name, and not there: similar names come from what is permitted.
    world.apply(&permitting(
        "prospects: Denied, jobs: [{job: '*', stages: [Sourced]}, {job: ENG-101, stages: ['*']}]",
    ));
    world.apply(&to("missing", "{job: {reference: ENG-10, stage: Sourced}}"));
    let missing = reason_is(&world, &namespace, "missing", "DestinationNotFound").await;
    assert!(message(&missing).contains("did you mean job \"ENG-101\""), "{}", message(&missing));
    event(&world, &namespace, "missing", "DestinationNotFound").await;
    world.apply(&to("missing", "{job: {reference: ENG-101, stage: Scren}}"));
    let missing = reason_is(&world, &namespace, "missing", "DestinationNotFound").await;
    assert!(message(&missing).contains("did you mean stage \"Screen\""), "{}", message(&missing));
    let requests = world.sandbox.requests();
    for operation in ["listCandidates", "createCandidate", "createApplication"] {
        assert_eq!(requests.of(operation), before.of(operation), "{operation} for a refusal");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_may_be_permitted_by_one_name_and_exported_to_by_the_other() {
    let Some(world) = World::start().await else { return };
    let namespace = world.namespace.clone();
    world.apply(INTEGRATION);
    world.apply(&export("by-reference", 1, TO_JOB));
    reason_is(&world, &namespace, "by-reference", "Synced").await;
    let id = job_id(&world);
    let to = |stage: &str| format!("  destination: {{job: {{id: '{id}', stage: {stage}}}}}");
    world.apply(&export("by-id", 2, &to("Sourced")));
    let done = reason_is(&world, &namespace, "by-id", "Synced").await;
    assert_eq!(condition(&done, "Permitted")["status"], "True");
    // Permitted now: the refused run is repeated without help.
    let refusing =
        INTEGRATION.replace("job: ENG-101, stages: [Sourced]", "job: DES-7, stages: [Screen]");
    world.apply(&refusing);
    world.apply(&export("later", 1, &to("Screen")));
    reason_is(&world, &namespace, "later", "NotPermitted").await;
    world.apply(&INTEGRATION.replace("stages: [Sourced]", "stages: [Screen]"));
    reason_is(&world, &namespace, "later", "Synced").await;
    assert_eq!(emails(&world).len(), 4);
}
