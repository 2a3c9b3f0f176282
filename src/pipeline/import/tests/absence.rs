//! Who is gone is said once, and absence alone proves nothing.

use super::model::{World, id};
use crate::{
    domain::{Disposition, MatchKey, Reason},
    pipeline::{
        Ending,
        import::{ImportMode, ImportReport},
    },
};

fn reason(report: &ImportReport) -> Option<Reason> {
    match &report.ending {
        Ending::Interrupted { disposition, .. } => Some(disposition.reason()),
        _ => None,
    }
}

#[tokio::test]
async fn a_few_deleted_people_are_said_to_be_gone_once() {
    let world = World::new(200, 1);
    world.run().await;
    world.delete(1..=10);
    for _ in 0..3 {
        assert_eq!(world.run().await.ending, Ending::Completed);
        assert_eq!(world.tombstones(), [("Deleted".to_owned(), 10)].into());
    }
    world.assert_delivered();
}

#[tokio::test]
async fn many_deleted_people_are_held_back_until_somebody_accepts_them() {
    let mut world = World::new(200, 1);
    world.run().await;
    world.delete(1..=80);
    let now = world.now();
    world.model().touch(100, now);
    let held = world.run().await;
    let Ending::Interrupted { disposition, message } = &held.ending else { panic!("held") };
    assert_eq!(*disposition, Disposition::Stalled { reason: Reason::DeletionsHeld });
    assert!(message.starts_with("80 of 200 people") && message.contains("\"2\""), "{message}");
    assert_eq!(held.progress.counts.emitted, 1, "nothing else is held up");
    let again = world.run().await;
    assert_eq!(again.ending, held.ending, "the number to accept stays the same");
    assert_eq!(again.progress.mode, ImportMode::FullScan);
    assert!(world.tombstones().is_empty());
    world.accept = Some(1);
    assert_eq!(reason(&world.run().await), Some(Reason::DeletionsHeld), "another number");
    world.accept = Some(2);
    assert_eq!(world.run().await.ending, Ending::Completed);
    assert_eq!(world.tombstones(), [("Deleted".to_owned(), 80)].into());
    world.delete(101..=150);
    assert_eq!(reason(&world.run().await), Some(Reason::DeletionsHeld), "accepted once");
    world.assert_tidy();
}

#[tokio::test]
async fn a_number_that_was_named_before_anything_was_held_accepts_nothing() {
    let mut world = World::new(200, 1);
    world.run().await;
    // The number that the next run has.
    world.accept = Some(2);
    let quiet = world.run().await;
    assert_eq!((quiet.ending, quiet.progress.accepted), (Ending::Completed, None));
    world.accept = Some(3);
    world.delete(1..=80);
    for _ in 0..2 {
        let held = world.run().await;
        let Ending::Interrupted { message, .. } = &held.ending else { panic!("held") };
        assert!(message.contains("\"4\", instead of \"3\""), "{message}");
        assert_eq!(held.progress.accepted, None);
    }
    assert!(world.tombstones().is_empty());
    world.accept = Some(4);
    let done = world.run().await;
    assert_eq!((done.ending, done.progress.accepted), (Ending::Completed, Some(4)));
    assert_eq!(world.tombstones(), [("Deleted".to_owned(), 80)].into());
}

#[tokio::test]
async fn missing_people_who_cannot_be_read_are_failures_and_are_not_gone() {
    let mut world = World::new(200, 1);
    world.run().await;
    world.delete(1..=5);
    world.unreadable = [2, 4].into();
    for gone in [3, 0] {
        let report = world.run().await;
        let counts = report.progress.counts;
        assert_eq!(report.ending, Ending::Completed);
        assert_eq!((counts.tombstones, counts.invalid), (gone, 2), "in each scan");
        let failures = &report.progress.failures;
        assert_eq!(failures.len(), 2);
        assert!(failures.iter().all(|one| one.record.is_some()));
        assert!(failures.iter().all(|one| one.cause.reason == Reason::RecordErrored));
    }
    world.unreadable.clear();
    let counts = world.run().await.progress.counts;
    assert_eq!((counts.tombstones, counts.invalid), (2, 0));
    world.assert_delivered();
}

#[tokio::test]
async fn many_more_people_than_were_accepted_are_held_back_again() {
    let mut world = World::new(200, 1);
    world.run().await;
    world.delete(1..=80);
    world.run().await;
    world.delete(81..=150);
    world.accept = Some(2);
    assert_eq!(reason(&world.run().await), Some(Reason::DeletionsHeld));
    assert!(world.tombstones().is_empty());
}

#[tokio::test]
async fn an_empty_or_narrowed_list_and_a_failing_one_delete_nobody() {
    let world = World::new(200, 1);
    world.model().changes = true;
    let cursor = world.run().await.progress.cursor;
    world.wait(90_000);
    let everybody = std::mem::take(&mut world.model().people);
    assert_eq!(reason(&world.run().await), Some(Reason::DeletionsHeld));
    world.model().people = everybody;
    world.model().hidden = (1..=150).collect();
    assert_eq!(reason(&world.run().await), Some(Reason::DeletionsHeld));
    world.model().hidden.clear();
    world.model().fault_at_page = Some(7);
    let failed = world.run().await;
    assert_eq!(reason(&failed), Some(Reason::VendorUnavailable));
    assert_eq!(failed.progress.cursor, cursor, "the cursor stays");
    world.model().fault_at_page = None;
    assert!(world.tombstones().is_empty());
    let last = world.run().await;
    assert_eq!((last.ending, last.progress.counts.emitted), (Ending::Completed, 0));
    assert!(last.progress.cursor > cursor);
}

#[tokio::test]
async fn people_who_are_on_no_list_but_readable_are_not_gone() {
    let world = World::new(200, 1);
    world.run().await;
    world.model().hidden = (1..=10).collect();
    let now = world.now();
    world.model().touch(5, now);
    let report = world.run().await;
    assert_eq!((report.ending, report.progress.counts.emitted), (Ending::Completed, 1));
    world.assert_delivered();
}

#[tokio::test]
async fn anonymised_and_merged_people_are_said_to_be_gone_once_and_may_come_back() {
    let world = World::new(60, 1);
    world.run().await;
    {
        let mut model = world.model();
        model.people.get_mut(&1).unwrap().anonymised = true;
        model.people.get_mut(&2).unwrap().merged_into = Some(40);
        model.hidden.insert(2);
        model.people.remove(&3);
        model.merged.insert(3, 41);
        // Nobody has heard of this one.
        let late = model.insert(0);
        model.people.get_mut(&late).unwrap().anonymised = true;
    }
    for _ in 0..2 {
        assert_eq!(world.run().await.ending, Ending::Completed);
    }
    let expected = [("Anonymised".to_owned(), 1), ("Merged".to_owned(), 2)];
    assert_eq!(world.tombstones(), expected.into());
    let gone: Vec<_> =
        world.listed().into_iter().filter(|line| line["clinch"]["op"] == "tombstone").collect();
    assert!(gone.iter().all(|line| line.as_object().unwrap().len() == 1), "no profile");
    assert!(gone.iter().any(|line| line["clinch"]["mergedInto"] == id(40).as_str()));
    assert_eq!(world.suppressions.len(), 1, "exports never write them again");
    let key = MatchKey::fold("p1@example.com").unwrap();
    let hash = world.suppressions.key_hash(&key);
    assert!(world.suppressions.check(&key, &hash).is_some());
    {
        let mut model = world.model();
        let now = world.now();
        model.people.get_mut(&1).unwrap().anonymised = false;
        model.touch(1, now);
    }
    assert_eq!(world.run().await.progress.counts.emitted, 1);
    // A lost state makes no new tombstones.
    for seq in crate::ledger::SegmentStore::list(&world.store).await.unwrap() {
        crate::ledger::SegmentStore::delete(&world.store, seq).await.unwrap();
    }
    let lost = world.run().await.progress;
    assert!(lost.state_lost.is_some() && lost.counts.tombstones == 0);
    assert_eq!(lost.counts.emitted, 58, "everybody who is there");
    world.assert_tidy();
}

#[tokio::test]
async fn people_whom_the_admin_lists_do_not_leave_and_who_received_them_learns_it() {
    let world = World::new(5, 1);
    let suppressions = world.suppressions.clone();
    let list = |numbers: &[u32]| {
        let lines: Vec<String> = numbers.iter().map(|n| format!("p{n}@example.com")).collect();
        let parts = [("list".to_owned(), bytes::Bytes::from(lines.join("\n")))];
        let hash = |key: &MatchKey| suppressions.key_hash(key);
        std::sync::Arc::new(crate::ledger::Listed::parse(&parts, None, hash).unwrap())
    };
    world.suppressions.set_listed(Some(list(&[1])));
    let first = world.run().await.progress.counts;
    assert_eq!((first.emitted, first.suppressed, first.tombstones), (4, 1, 0));
    assert_eq!(first.not_selected, 0);
    world.suppressions.set_listed(Some(list(&[1, 2])));
    for tombstones in [1, 0] {
        let again = world.run().await.progress.counts;
        assert_eq!((again.emitted, again.tombstones), (0, tombstones));
    }
    assert_eq!(world.tombstones(), [("Suppressed".to_owned(), 1)].into());
    world.suppressions.set_listed(None);
    assert_eq!(world.run().await.progress.counts.emitted, 2, "they may leave again");
}

#[tokio::test]
async fn where_deletions_are_ignored_nothing_is_said_of_people_who_are_gone() {
    let mut world = World::new(20, 1);
    world.ignore_deletions = true;
    world.run().await;
    world.delete(1..=1);
    world.model().people.get_mut(&2).unwrap().anonymised = true;
    assert_eq!(world.run().await.ending, Ending::Completed);
    assert!(world.tombstones().is_empty());
    assert_eq!(world.suppressions.len(), 1, "exports never write the anonymised person again");
    world.ignore_deletions = false;
    world.run().await;
    let expected = [("Anonymised".to_owned(), 1), ("Deleted".to_owned(), 1)];
    assert_eq!(world.tombstones(), expected.into(), "once the spec asks for it");
}
