//! `spec.windows`: nothing works outside of them, and what is cut goes on in the next one. The test sets the clock.

use std::time::{Duration, Instant};

use clinch_operator::{api::ConditionType, conditions::find};
use jiff::tz::TimeZone;

use crate::schedules::{World, is, ready, write};

const DAY: i64 = 24 * 3600;
/// Ten minutes from midnight on; Clinch accepts signatures of a quarter of an hour ago.
const AT_MIDNIGHT: &str = "windows: [{cron: '0 0 * * *', duration: 10m}]";

/// Sets the clock to so many seconds after the next midnight.
fn to(world: &World, seconds: i64) {
    let now = world.clock.now().to_zoned(TimeZone::UTC);
    let midnight = now.start_of_day().unwrap().timestamp().as_second();
    world.later(midnight + DAY + seconds - now.timestamp().as_second());
}

fn message(world: &World) -> String {
    find(&world.status().conditions, ConditionType::Ready).unwrap().message.clone()
}

#[tokio::test]
async fn a_run_ends_with_its_window_and_goes_on_in_the_next_one() {
    const PEOPLE: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), PEOPLE);
    let mut world = World::new(folder.path(), AT_MIDNIGHT).await;
    to(&world, 12 * 3600);
    let requests = world.requests();
    let wait = world.pass().await.unwrap();
    assert_eq!(ready(&world.status()), is("False", "OutsideWindow"));
    let opens = world.clock.now().to_zoned(TimeZone::UTC).date().tomorrow().unwrap();
    let said = format!("outside spec.windows: the next one opens at {opens}T00:00:00Z");
    assert_eq!(message(&world), said);
    assert!(wait <= Duration::from_mins(15), "{wait:?}");
    assert_eq!(world.requests(), requests);

    // The next pass is when it opens.
    to(&world, -60);
    let wait = world.pass().await.unwrap();
    assert!((55..=60).contains(&wait.as_secs()), "{wait:?}");
    world.sandbox.set_latency(Duration::from_millis(20));
    to(&world, 300 - DAY);
    world.pass().await;
    assert_eq!(ready(&world.status()), is("Unknown", "Progressing"));
    let started = Instant::now();
    while world.sandbox.people("hireEZ").len() < 20 {
        assert!(started.elapsed() < Duration::from_mins(1), "nobody is created");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.later(360);
    world.pass().await;
    assert_eq!(ready(&world.status()), is("False", "OutsideWindow"));
    let cut = world.ended().await;
    assert_eq!(ready(&cut), is("False", "OutsideWindow"));
    let created = world.sandbox.people("hireEZ").len();
    assert!(created < PEOPLE, "{created}");
    assert_eq!(cut.delivered, Some(format!("{created}/{PEOPLE}")));
    let requests = world.requests();
    world.pass().await;
    assert_eq!(world.requests(), requests);

    // Another process goes on.
    world.restart();
    world.sandbox.set_latency(Duration::ZERO);
    to(&world, 300);
    world.verify().await;
    let done = world.run().await;
    assert_eq!(ready(&done), is("True", "Synced"));
    assert_eq!(done.delivered.as_deref(), Some("300/300"));
    assert_eq!(done.counts.unwrap().created, 300, "by both runs");
    assert_eq!(
        (world.sandbox.people("hireEZ").len(), world.sandbox.doubled("hireEZ")),
        (PEOPLE, 0)
    );
}

#[tokio::test]
async fn what_is_in_place_stays_ready_outside_its_windows_and_is_looked_at_in_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 3);
    let mut world = World::new(folder.path(), &format!("interval: 1h\n  {AT_MIDNIGHT}")).await;
    to(&world, 60);
    let first = world.run().await;
    assert_eq!(ready(&first), is("True", "Synced"));
    write(folder.path(), 5);
    to(&world, 12 * 3600 - DAY);
    let requests = world.requests();
    let wait = world.pass().await.unwrap();
    assert_eq!(world.status(), first);
    let (least, most) = (Duration::from_mins(12 * 60 - 1), Duration::from_hours(12));
    assert!(wait >= least && wait <= most, "{wait:?}");
    assert_eq!(world.requests(), requests);
    to(&world, 60);
    let next = world.run().await;
    assert_eq!((ready(&next), next.delivered.as_deref()), (is("True", "Synced"), Some("5/5")));
}

/// As when no process worked while the window was open, or when the pass came just after its end.
#[tokio::test]
async fn what_is_overdue_after_its_window_stays_ready_and_waits_for_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 3);
    let mut world = World::new(folder.path(), &format!("interval: 1h\n  {AT_MIDNIGHT}")).await;
    to(&world, 60);
    let first = world.run().await;
    assert_eq!(ready(&first), is("True", "Synced"));
    write(folder.path(), 5);
    to(&world, 12 * 3600);
    let requests = world.requests();
    for restarted in [false, true] {
        if restarted {
            world.restart();
        }
        let wait = world.pass().await.unwrap();
        assert_eq!(world.status(), first, "restarted: {restarted}");
        let (least, most) = (Duration::from_hours(11), Duration::from_hours(12));
        assert!(wait >= least && wait <= most, "restarted: {restarted}: {wait:?}");
    }
    assert_eq!(world.requests(), requests);
    to(&world, 60);
    world.verify().await;
    let next = world.run().await;
    assert_eq!((ready(&next), next.delivered.as_deref()), (is("True", "Synced"), Some("5/5")));
}

#[tokio::test]
async fn people_are_verified_within_windows_only() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 3);
    let spec = format!("verifyInterval: 1h\n  {AT_MIDNIGHT}");
    let mut world = World::new(folder.path(), &spec).await;
    to(&world, 60);
    assert_eq!(ready(&world.run().await), is("True", "Synced"));
    world.pass().await;
    let verified = world.ended().await.drift.unwrap().checked_at;
    to(&world, 12 * 3600 - DAY);
    let requests = world.requests();
    world.pass().await;
    assert_eq!(world.requests(), requests);
    assert_eq!(ready(&world.status()), is("True", "Synced"));
    to(&world, 60);
    world.pass().await;
    assert!(world.ended().await.drift.unwrap().checked_at.0 > verified.0);
}

#[tokio::test]
async fn a_window_that_cannot_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1);
    let windows =
        "windows: [{cron: '0 0 * * *', duration: 1h}, {cron: '0 0 31 2 *', duration: 1h}]";
    let mut world = World::new(folder.path(), windows).await;
    world.pass().await;
    assert_eq!(ready(&world.status()), is("False", "InvalidSpec"));
    assert!(message(&world).starts_with("spec.windows[1].cron: "), "{}", message(&world));
}
