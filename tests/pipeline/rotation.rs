//! A credential that is rotated, and revoked, in the middle of a large run.

use std::time::Duration;

use clinch_operator::{
    clinch::Contract,
    domain::{Disposition, Fence, Reason},
    pipeline::{Ending, run},
    sandbox::Credential,
};

use crate::{
    scale::scale,
    setup::{ACCOUNT, Export, IN_FLIGHT, SECRET, World, careless, client_of, profiles},
};

#[tokio::test(flavor = "multi_thread")]
async fn everybody_arrives_once_though_the_credential_is_revoked_half_way() {
    let many = 2_500 * scale();
    let mut world = World::new(careless()).await;
    world.sandbox.add_credential(Credential::new(ACCOUNT, "AKNEXT", SECRET));
    let export = Export::of(profiles(many));
    let created = |world: &World| world.sandbox.requests().with("createCandidate", 201);
    let half_way = async {
        while created(&world) < many as u64 / 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.sandbox.revoke("AKTEST");
    };
    let (report, ()) = tokio::join!(run(export.spec(), world.ports()), half_way);
    let wait = Disposition::Wait { reason: Reason::DependencyNotReady };
    let Ending::Interrupted { disposition, .. } = report.ending else {
        panic!("{:?}", report.ending)
    };
    assert_eq!(disposition, wait, "it continues when the integration is ready again");
    let counts = report.progress.counts;
    assert_eq!((counts.failed, counts.invalid), (0, 0), "records that met the 401 are pending");
    assert_eq!(counts.created + counts.pending(), many as u64);
    let requests = world.sandbox.requests().by_operation;
    let refused: u64 =
        requests.iter().filter(|(name, _)| name.ends_with(" 401")).map(|(_, n)| n).sum();
    // Those in flight, and one check.
    assert!((2..=IN_FLIGHT as u64 + 1).contains(&refused), "{refused} met the 401");

    world.client = client_of(&world.sandbox, "AKNEXT", Contract::built_in(), Fence::open());
    let rest = world.counts(&export).await;
    assert_eq!(rest.created + rest.unchanged, many as u64);
    world.assert_exactly_once(many);
    assert_eq!(created(&world), many as u64, "nobody was even tried twice");
}
