//! A hostile Clinch ends a run with a reason, and deletes nobody.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::model::{Fuse, Spoiled, World};
use crate::{
    domain::{Fence, Reason},
    ledger::SegmentStore,
    pipeline::{
        Ending,
        import::{ImportReport, MaxDeletions, run_import},
    },
};

impl World {
    /// How often the sink was written to, and how many segments there are.
    pub(super) async fn stored(&self) -> (u64, usize) {
        let segments = self.store.list().await.unwrap().len();
        (self.kept().writes, segments)
    }
}

fn is_unsettled(report: &ImportReport) -> bool {
    matches!(&report.ending, Ending::Interrupted { disposition, .. }
        if disposition.reason() == Reason::SourceUnsettled)
}

#[tokio::test]
async fn a_total_that_lies_is_never_believed() {
    for (off, settles) in [(50, false), (-50, true), (-100, false)] {
        let world = World::new(100, 1);
        world.model().total = Some(off);
        let report = world.run().await;
        let unlisted = u64::try_from(off).ok();
        assert_eq!(report.progress.unlisted, unlisted);
        let ends = !settles && unlisted.is_none();
        assert_eq!(is_unsettled(&report), ends, "{off}: {:?}", report.ending);
        assert!(world.model().requests <= 60);
        assert_eq!(report.progress.counts.emitted, 100, "what was read is delivered");
        world.assert_delivered();
        let cursor = report.progress.cursor;
        assert_eq!(cursor.is_some(), settles, "the cursor moves only after a whole list");
    }
}

#[tokio::test]
async fn a_total_that_stays_too_large_delivers_everybody_on_the_list_and_deletes_nobody() {
    let world = World::new(100, 1);
    world.model().total = Some(0);
    assert_eq!(world.run().await.ending, Ending::Completed);
    let cursor = world.run().await.progress.cursor;
    world.model().total = Some(7);
    world.model().changes = true;
    world.delete(1..=5);
    let now = world.now();
    world.model().touch(6, now);
    for emitted in [1, 0] {
        world.wait(100);
        world.model().requests = 0;
        let report = world.run().await;
        assert_eq!(report.ending, Ending::Completed, "it is not tried again at once");
        let progress = report.progress;
        assert_eq!((progress.unlisted, progress.counts.emitted), (Some(7), emitted));
        assert_eq!(progress.cursor, cursor, "it was not a whole list");
        assert!(progress.pass <= 3, "{}", progress.pass);
    }
    assert!(world.tombstones().is_empty());
    // Once the total is right, who is gone is said to be gone.
    world.model().total = Some(0);
    let report = world.run().await;
    assert_eq!((report.progress.unlisted, report.progress.counts.tombstones), (None, 5));
    world.assert_delivered();
}

#[tokio::test]
async fn a_list_without_end_is_not_read_for_long() {
    for total in [Some(-900_000), None] {
        let world = World::new(20, 1);
        world.model().endless = true;
        world.model().total = total.map(|_: i64| 0);
        // The total grows with the list, so that only the number of pages says something.
        let report = world.run().await;
        assert!(is_unsettled(&report), "{:?}", report.ending);
        assert!(world.model().requests <= 5000, "{}", world.model().requests);
        assert!(world.tombstones().is_empty());
        world.assert_tidy();
    }
}

#[tokio::test]
async fn a_list_with_more_pages_than_its_total_allows_is_not_read_to_its_end() {
    let world = World::new(1000, 1);
    world.model().total = Some(-990);
    let report = world.run().await;
    assert!(is_unsettled(&report), "{:?}", report.ending);
    assert!(world.model().requests <= 20, "{}", world.model().requests);
}

#[tokio::test]
async fn ids_that_change_delete_nobody_and_are_not_followed_for_long() {
    let mut world = World::new(100, 1);
    world.deletions = MaxDeletions::Percent(100);
    world.model().renames = true;
    // The first scan is confirmed, which never succeeds.
    let report = world.run().await;
    assert!(is_unsettled(&report), "{:?}", report.ending);
    assert!(report.progress.cursor.is_none() && world.tombstones().is_empty());
    assert!(world.model().requests <= 60, "{}", world.model().requests);
    // The same once everybody is known: who seems to be missing is held back, or read by id.
    for (percent, held) in [(10, true), (100, false)] {
        let mut world = World::new(100, 1);
        world.deletions = MaxDeletions::Percent(percent);
        assert_eq!(world.run().await.ending, Ending::Completed);
        world.model().renames = true;
        world.model().requests = 0;
        let ending = world.run().await.ending;
        let is_held = matches!(&ending, Ending::Interrupted { disposition, .. }
            if disposition.reason() == Reason::DeletionsHeld);
        assert_eq!(is_held, held, "{ending:?}");
        assert!(world.model().requests <= 160 && world.tombstones().is_empty());
    }
}

#[tokio::test]
async fn people_who_wait_when_a_list_cannot_be_read_on_are_delivered_by_a_later_run() {
    for page in 2..=10 {
        let mut world = World::new(100, 1);
        // Some people wait whatever the page, and what is known has many segments.
        world.max_rows = 7;
        world.model().fault_at_page = Some(page);
        for _ in 0..3 {
            assert_ne!(world.run().await.ending, Ending::Completed);
        }
        world.model().fault_at_page = None;
        assert_eq!(world.run().await.ending, Ending::Completed);
        world.assert_delivered();
    }
}

#[tokio::test]
async fn people_who_are_too_large_are_left_out_until_there_are_too_many_of_them() {
    let world = World::new(100, 1);
    world.run().await;
    for (large, reason) in [(3, None), (100, None), (101, Some(Reason::TooLarge))] {
        world.model().large = large;
        world.model().total = Some(i64::from(large));
        world.model().requests = 0;
        let now = world.now();
        world.model().touch(1, now);
        let report = world.run().await;
        let found = match &report.ending {
            Ending::Interrupted { disposition, .. } => Some(disposition.reason()),
            _ => None,
        };
        assert_eq!(found, reason, "{large}: {:?}", report.ending);
        assert!(world.model().requests <= 2 * u64::from(large) + 30);
        assert_eq!(report.progress.counts.invalid, u64::from(large.min(100)));
        assert!(report.progress.failures.iter().all(|failure| failure.record.is_none()));
        assert!(world.tombstones().is_empty());
        if reason.is_none() {
            world.assert_delivered();
        }
    }
}

fn is_full(report: &ImportReport) -> bool {
    matches!(&report.ending, Ending::Interrupted { disposition, .. }
        if disposition.reason() == Reason::LedgerTooLarge)
}

#[tokio::test]
async fn ids_that_change_for_ever_do_not_fill_the_state() {
    let mut world = World::new(100, 1);
    world.known_max = Some(450);
    world.model().renames = true;
    let mut known = Vec::new();
    for _ in 0..20 {
        let report = world.run().await;
        assert!(is_unsettled(&report) || is_full(&report), "{:?}", report.ending);
        known.push(report.progress.known);
    }
    assert!(is_full(&world.run().await));
    assert!(known.iter().all(|known| *known <= 451), "{known:?}");
    let (writes, segments) = world.stored().await;
    for _ in 0..3 {
        world.run().await;
    }
    assert_eq!(world.stored().await, (writes, segments), "nothing grows any more");
    assert!(world.tombstones().is_empty());
}

#[tokio::test]
async fn more_people_than_may_be_known_are_refused_before_anybody_is_written() {
    let mut world = World::new(100, 1);
    world.known_max = Some(99);
    world.model().total = Some(0);
    let report = world.run().await;
    assert!(is_full(&report), "{:?}", report.ending);
    assert_eq!((world.stored().await, world.model().requests), ((0, 0), 1));
    // Where no total is stated, those who may be known are written.
    world.model().total = None;
    assert!(is_full(&world.run().await));
    assert!(world.kept().parts.len() > 1);
    world.known_max = Some(100);
    assert_eq!(world.run().await.ending, Ending::Completed);
    world.assert_delivered();
}

#[tokio::test]
async fn pages_that_are_repeated_missing_or_empty_delete_nobody_and_lose_nobody() {
    for spoiled in [Spoiled::Repeated, Spoiled::Missing, Spoiled::Empty] {
        for total in [Some(0), None] {
            for percent in [10, 100] {
                let context = format!("{spoiled:?} {total:?} {percent}");
                let mut world = World::new(100, 1);
                world.deletions = MaxDeletions::Percent(percent);
                world.model().total = total;
                assert_eq!(world.run().await.ending, Ending::Completed, "{context}");
                let cursor = world.run().await.progress.cursor;
                let now = world.now();
                (1..=100).step_by(9).for_each(|id| world.model().touch(id, now));
                world.model().requests = 0;
                world.model().spoiled = Some((4, spoiled));
                let report = world.run().await;
                assert!(world.tombstones().is_empty(), "{context}");
                assert!(world.model().requests < 150, "{context}: {}", world.model().requests);
                if report.ending != Ending::Completed {
                    assert_eq!(report.progress.cursor, cursor, "{context}");
                }
                world.model().spoiled = None;
                world.wait(100);
                assert_eq!(world.run().await.ending, Ending::Completed, "{context}");
                world.assert_delivered();
            }
        }
    }
}

#[tokio::test]
async fn a_process_that_may_not_write_delivers_nothing() {
    let world = World::new(100, 1);
    let holds = Arc::new(AtomicBool::new(true));
    let fence = Fence::new({
        let (holds, kept) = (holds.clone(), world.sink.clone());
        move || {
            // Lost in the middle of the run.
            if kept.lock().unwrap().parts.len() >= 3 {
                holds.store(false, Ordering::Relaxed);
            }
            holds.load(Ordering::Relaxed)
        }
    });
    let report = run_import(world.spec(), world.ports(&Fuse::never(), fence)).await;
    assert_eq!(report.ending, Ending::Stopped);
    assert_eq!(world.kept().parts.len(), 3);
    assert!(world.kept().manifests.is_empty());
    assert_eq!(world.run().await.ending, Ending::Completed);
    world.assert_delivered();
}

#[tokio::test]
async fn two_processes_do_not_both_deliver_a_batch() {
    let mut world = World::new(100, 1);
    world.deletions = MaxDeletions::Percent(100);
    world.model().unrest = 40;
    for _ in 0..5 {
        let (one, other) = tokio::join!(world.run(), world.run());
        drop((one, other));
    }
    world.model().unrest = 0;
    assert_eq!(world.run().await.ending, Ending::Completed);
    // A part of the process that was slower may be left.
    world.assert_listed();
}

#[tokio::test]
async fn a_sink_that_fails_for_a_while_gets_everything_once() {
    for failures in 1..20 {
        let world = World::new(100, 1);
        world.kept().failures = failures;
        for _ in 0..=failures {
            world.run().await;
        }
        world.assert_delivered();
    }
}

#[tokio::test]
async fn other_settings_are_followed_by_a_full_scan_that_emits_only_what_differs() {
    let mut world = World::new(50, 1);
    world.model().changes = true;
    world.run().await;
    world.wait(60);
    world.digest = "d2".to_owned();
    let progress = world.run().await.progress;
    assert!(progress.mode_reason.contains("mapping"), "{}", progress.mode_reason);
    assert_eq!((progress.counts.scanned, progress.counts.emitted), (50, 0));
    world.wait(60);
    assert_eq!(world.run().await.progress.counts.scanned, 0, "and then by changes only");
}
