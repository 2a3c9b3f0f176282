//! Nobody is lost, however a list shifts while it is read.

use proptest::prelude::*;

use super::{
    model::{Order, World},
    scale,
};
use crate::pipeline::{Ending, import::MaxDeletions};

fn orders() -> impl Strategy<Value = Order> {
    prop_oneof![
        Just(Order::Created),
        Just(Order::UpdatedFirst),
        Just(Order::UpdatedLast),
        Just(Order::Random),
    ]
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48 * scale(), ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_lost(
        seed: u64,
        people in 0_u32..80,
        order in orders(),
        told: bool,
        changes: bool,
        ties: bool,
        edits in 1_u32..4,
    ) {
        block(async {
            let mut world = World::new(people, seed);
            world.deletions = MaxDeletions::Percent(100);
            {
                let mut model = world.model();
                (model.order, model.changes, model.edits) = (order, changes, edits);
                model.total = told.then_some(0);
                model.unrest = 60;
            }
            for run in 0..8 {
                // The last two are quiet.
                if run == 6 {
                    world.model().unrest = 0;
                }
                if !ties {
                    world.wait(60);
                }
                let report = world.run().await;
                if run >= 6 {
                    assert_eq!(report.ending, Ending::Completed);
                }
            }
            world.assert_tidy();
            // Deletions show in full scans only.
            world.digest = "d2".to_owned();
            assert_eq!(world.run().await.ending, Ending::Completed);
            world.assert_delivered();
        });
    }
}

#[tokio::test]
async fn a_quiet_account_costs_one_pass_and_writes_nothing() {
    let world = World::new(95, 1);
    let first = world.run().await.progress;
    assert_eq!((first.counts.emitted, first.pass), (95, 2), "the first scan is confirmed");
    world.assert_delivered();
    let (writes, segments) = world.stored().await;
    world.model().requests = 0;
    world.wait(90_000);
    let second = world.run().await;
    assert_eq!(second.ending, Ending::Completed);
    let counts = second.progress.counts;
    assert_eq!((counts.scanned, counts.unchanged, counts.emitted), (95, 95, 0));
    assert_eq!(world.model().requests, 11, "ten pages, and an empty one");
    assert_eq!(world.stored().await, (writes, segments + 1), "nothing but when the scan was");
}

#[tokio::test]
async fn a_quiet_incremental_run_asks_once_and_stores_nothing() {
    let world = World::new(95, 1);
    world.model().changes = true;
    world.run().await;
    let (writes, segments) = world.stored().await;
    for _ in 0..3 {
        world.wait(600);
        world.model().requests = 0;
        let report = world.run().await;
        assert_eq!((report.ending, report.progress.counts.scanned), (Ending::Completed, 0));
        assert_eq!(world.model().requests, 1);
    }
    assert_eq!(world.stored().await, (writes, segments));
    let now = world.now();
    world.model().touch(5, now);
    world.wait(60);
    let report = world.run().await.progress;
    assert_eq!((report.counts.scanned, report.counts.emitted), (1, 1));
    world.assert_delivered();
}

#[tokio::test]
async fn thousands_of_people_of_the_same_second_and_two_edits_within_it_are_all_emitted_once() {
    let mut world = World::new(0, 1);
    world.max_rows = 1000;
    world.model().changes = true;
    let now = world.now();
    (0..12_000).for_each(|_| {
        world.model().insert(now);
    });
    world.model().page_size = 100;
    world.run().await;
    // The same second as the cursor, which the model never leaves by itself.
    let cursor = world.run().await.progress.cursor.unwrap().as_second();
    for _ in 0..2 {
        world.model().touch(7, cursor);
        assert_eq!(world.run().await.progress.counts.emitted, 1);
    }
    world.assert_delivered();
}

#[tokio::test]
async fn a_wrong_clock_loses_nobody_and_gives_no_cursor_in_the_future() {
    for (before, after) in [
        (Some(3600), Some(3600)),
        (Some(-3600), Some(-3600)),
        (None, None),
        (Some(0), Some(-3600)),
        (Some(3600), Some(-3600)),
        (Some(0), None),
    ] {
        let world = World::new(30, 1);
        world.model().changes = true;
        world.model().skew = before;
        world.run().await;
        world.model().skew = after;
        for n in 1..4 {
            world.wait(120);
            let at = world.now() + after.unwrap_or(0);
            world.model().touch(n, at);
            let progress = world.run().await.progress;
            assert_eq!(progress.counts.emitted, 1, "{before:?} {after:?} {}", progress.mode_reason);
            assert!(progress.cursor.unwrap().as_second() <= world.now());
        }
        world.model().touch(9, 4_070_000_000);
        world.run().await;
        assert!(world.run().await.progress.cursor.unwrap().as_second() <= world.now());
        world.assert_delivered();
    }
}
