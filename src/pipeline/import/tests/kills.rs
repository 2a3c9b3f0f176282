//! Killed at every step, and started again: the manifests list each version of a person once.

use super::{
    model::{Fuse, World},
    scale,
};
use crate::pipeline::{Ending, import::MaxDeletions};

/// Runs until a run is not killed any more.
async fn run_killed(world: &World, mut kill_after: impl FnMut() -> u64) {
    for _ in 0..200 {
        if world.run_until(&Fuse::after(kill_after())).await.is_some() {
            return;
        }
    }
    panic!("a run has fewer steps than that");
}

#[tokio::test]
async fn a_kill_at_any_step_loses_nobody_and_repeats_nothing() {
    for step in 0..150 {
        let mut world = World::new(60, step);
        world.deletions = MaxDeletions::Percent(100);
        let first = world.run_until(&Fuse::after(step)).await;
        assert_eq!(world.run().await.ending, Ending::Completed, "{step}");
        world.assert_delivered();
        if first.is_some() {
            assert!(step > 40, "a run has so many steps");
        }
    }
}

#[tokio::test]
async fn kills_at_random_steps_with_edits_between_them() {
    for seed in 0..100 * u64::from(scale()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World::new(80, seed);
        world.deletions = MaxDeletions::Percent(100);
        world.model().changes = rng.bool();
        for _ in 0..4 {
            world.wait(3600);
            let now = world.now();
            for _ in 0..rng.u32(..20) {
                let mut model = world.model();
                match (rng.u32(..3), model.people.keys().nth(rng.usize(..60)).copied()) {
                    (0, _) => {
                        model.insert(now);
                    }
                    (1, Some(id)) => model.delete(id),
                    (_, Some(id)) => model.touch(id, now),
                    (_, None) => {}
                }
            }
            run_killed(&world, || rng.u64(1..60)).await;
        }
        world.digest = "d2".to_owned();
        assert_eq!(world.run().await.ending, Ending::Completed, "{seed}");
        world.assert_delivered();
    }
}
