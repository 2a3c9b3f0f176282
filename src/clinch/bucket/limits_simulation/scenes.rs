//! The scenes that the bucket is judged by.

use super::server::{Other, Rule, Scene, Stray, Wait};

const fn scene(name: &'static str, rule: Rule, asked: Wait) -> Scene {
    let stray = Stray::None;
    Scene {
        name,
        rule,
        asked,
        other: None,
        stray,
        change: None,
        latency: (0.02, 0.5),
        in_flight: 32,
        alone_after: None,
        until: 300,
        bar: (0.9, 0.02),
    }
}

impl Scene {
    /// Misses the bar: what it is held to instead.
    const fn known(self, least: f64, most: f64) -> Self {
        Self { bar: (least, most), ..self }
    }

    /// A response takes so many seconds, more or less by this part of it.
    const fn after(self, seconds: f64, part: f64) -> Self {
        Self { latency: (seconds, part), ..self }
    }

    /// With the default of `limits.maxInFlight`.
    const fn eight(self) -> Self {
        Self { in_flight: 8, ..self }
    }

    /// The total is read while no create is under way, as before every 48 creates.
    const fn with_totals(self) -> Self {
        Self { alone_after: Some(48), ..self }
    }

    /// Many requests show it sooner.
    const fn short(self) -> Self {
        Self { until: 120, ..self }
    }
}

const fn shared(name: &'static str, rule: Rule, asked: Wait, other: Other) -> Scene {
    Scene { other: Some(other), ..scene(name, rule, asked) }
}

const fn strays(name: &'static str, rule: Rule, asked: Wait, share: f64) -> Scene {
    Scene { stray: Stray::Share(share), ..scene(name, rule, asked) }
}

const fn changed(name: &'static str, rule: Rule, change: (u64, f64)) -> Scene {
    Scene { change: Some(change), ..scene(name, rule, Seconds) }
}

const fn bucket(per_second: f64, burst: f64) -> Rule {
    Rule::Bucket { per_second, burst }
}

const fn fixed(most: usize, seconds: u64) -> Rule {
    Rule::Fixed { most, seconds }
}

const fn sliding(most: usize, seconds: u64) -> Rule {
    Rule::Sliding { most, seconds }
}

const fn concurrent(most: usize) -> Rule {
    Rule::Concurrent { most }
}

/// A new part every minute.
fn steps(second: u64) -> u32 {
    [0, 20, 10, 30, 5, 25][usize::try_from(second / 60 % 6).unwrap()]
}

/// Between nothing and half of the limit of 50, back and forth within four minutes.
fn waves(second: u64) -> u32 {
    const PARTS: [u32; 12] = [0, 2, 6, 12, 19, 23, 25, 23, 19, 12, 6, 2];
    PARTS[usize::try_from(second / 20 % 12).unwrap()]
}

fn steady(_: u64) -> u32 {
    20
}

use Wait::{Missing, Seconds, Zero};

pub(super) const SCENES: &[Scene] = &[
    scene("bucket 50/s burst 10, 21 ms each", bucket(50.0, 10.0), Seconds)
        .after(0.0212, 0.0)
        .eight(),
    scene("bucket 50/s burst 10, 30 ms", bucket(50.0, 10.0), Seconds).after(0.03, 0.2).eight(),
    scene("bucket 50/s burst 10, 39 ms", bucket(50.0, 10.0), Seconds).after(0.039, 0.1),
    scene("bucket 50/s burst 10, 39 ms, zero", bucket(50.0, 10.0), Zero).after(0.039, 0.1).eight(),
    scene("bucket 50/s burst 10, 0.3 s", bucket(50.0, 10.0), Seconds).after(0.3, 0.5),
    scene("bucket 50/s burst 10, 21 ms, totals", bucket(50.0, 10.0), Seconds)
        .after(0.0212, 0.1)
        .eight()
        .with_totals(),
    scene("bucket 50/s burst 10, 50 ms, totals", bucket(50.0, 10.0), Seconds)
        .after(0.05, 0.2)
        .with_totals(),
    scene("bucket 50/s burst 10, 0.1 s, totals", bucket(50.0, 10.0), Seconds)
        .after(0.1, 0.2)
        .with_totals(),
    scene("bucket 5/s burst 2, 0.3 s", bucket(5.0, 2.0), Seconds).after(0.3, 0.3).eight(),
    scene("bucket 500/s burst 100, 9 ms", bucket(500.0, 100.0), Seconds)
        .after(0.009, 0.3)
        .eight()
        .short(),
    scene("fixed 50 in 1 s, 30 ms", fixed(50, 1), Seconds).after(0.03, 0.3).eight(),
    scene("fixed 500 in 10 s, 0.1 s", fixed(500, 10), Seconds).after(0.1, 0.5).eight(),
    scene("4 at a time, 0.3 s", concurrent(4), Seconds).after(0.3, 0.5).eight(),
    scene("1 at a time, 0.1 s", concurrent(1), Seconds).after(0.1, 0.3).eight(),
    scene("bucket 2/s burst 1", bucket(2.0, 1.0), Seconds),
    scene("bucket 2/s burst 4", bucket(2.0, 4.0), Seconds),
    scene("bucket 5/s burst 2", bucket(5.0, 2.0), Seconds),
    scene("bucket 5/s burst 2, zero", bucket(5.0, 2.0), Zero),
    scene("bucket 5/s burst 2, none", bucket(5.0, 2.0), Missing),
    scene("bucket 50/s burst 2", bucket(50.0, 2.0), Seconds),
    scene("bucket 50/s burst 10", bucket(50.0, 10.0), Seconds),
    scene("bucket 50/s burst 10, zero", bucket(50.0, 10.0), Zero),
    scene("bucket 50/s burst 10, none", bucket(50.0, 10.0), Missing),
    scene("bucket 50/s burst 50", bucket(50.0, 50.0), Seconds),
    scene("bucket 500/s burst 10", bucket(500.0, 10.0), Seconds).short(),
    scene("bucket 500/s burst 100", bucket(500.0, 100.0), Seconds).short(),
    scene("bucket 500/s burst 100, zero", bucket(500.0, 100.0), Zero).short(),
    scene("bucket 1000/s burst 500", bucket(1000.0, 500.0), Seconds).short(),
    changed("bucket 50/s burst 10, a tenth later", bucket(50.0, 10.0), (150, 0.1)),
    changed("bucket 5/s burst 10, tenfold later", bucket(5.0, 10.0), (100, 10.0)).known(0.48, 0.02),
    scene("fixed 50 in 1 s", fixed(50, 1), Seconds),
    scene("fixed 50 in 1 s, zero", fixed(50, 1), Zero),
    scene("fixed 50 in 1 s, none", fixed(50, 1), Missing),
    scene("fixed 500 in 10 s", fixed(500, 10), Seconds),
    scene("fixed 500 in 10 s, zero", fixed(500, 10), Zero),
    scene("fixed 500 in 10 s, none", fixed(500, 10), Missing),
    scene("fixed 600 in 60 s", fixed(600, 60), Seconds),
    scene("fixed 600 in 60 s, none", fixed(600, 60), Missing),
    scene("sliding 50 in 1 s", sliding(50, 1), Seconds),
    scene("sliding 50 in 1 s, zero", sliding(50, 1), Zero),
    scene("sliding 500 in 10 s", sliding(500, 10), Seconds),
    scene("sliding 500 in 10 s, zero", sliding(500, 10), Zero),
    scene("sliding 500 in 10 s, none", sliding(500, 10), Missing),
    scene("sliding 600 in 60 s", sliding(600, 60), Seconds),
    scene("sliding 600 in 60 s, none", sliding(600, 60), Missing),
    scene("1 at a time", concurrent(1), Seconds),
    scene("4 at a time", concurrent(4), Seconds).short(),
    scene("2 at a time", concurrent(2), Seconds).short(),
    scene("8 at a time", concurrent(8), Seconds).short(),
    scene("12 at a time", concurrent(12), Seconds).short(),
    scene("16 at a time", concurrent(16), Seconds).short(),
    scene("20 at a time", concurrent(20), Seconds).short(),
    scene("28 at a time", concurrent(28), Seconds).short(),
    scene("4 at a time, none", concurrent(4), Missing).short(),
    scene("4 at a time, zero", concurrent(4), Zero).short(),
    scene("20 at a time, zero", concurrent(20), Zero).short(),
    shared("shared bucket 50/s burst 50, steady", bucket(50.0, 50.0), Seconds, steady),
    shared("shared bucket 50/s burst 50, steps", bucket(50.0, 50.0), Seconds, steps),
    shared("shared bucket 50/s burst 50, steps, zero", bucket(50.0, 50.0), Zero, steps),
    shared("shared bucket 50/s burst 50, waves", bucket(50.0, 50.0), Seconds, waves)
        .known(0.88, 0.02),
    shared("shared bucket 50/s burst 10, steady", bucket(50.0, 10.0), Seconds, steady),
    shared("shared bucket 50/s burst 10, steps", bucket(50.0, 10.0), Seconds, steps)
        .known(0.82, 0.02),
    shared("shared bucket 50/s burst 10, steps, zero", bucket(50.0, 10.0), Zero, steps)
        .known(0.77, 0.02),
    shared("shared bucket 50/s burst 10, waves", bucket(50.0, 10.0), Seconds, waves)
        .known(0.82, 0.02),
    shared("shared bucket 50/s burst 10, waves, zero", bucket(50.0, 10.0), Zero, waves),
    shared("shared fixed 50 in 1 s, steps", fixed(50, 1), Seconds, steps).known(0.74, 0.02),
    shared("shared fixed 500 in 10 s, steps", fixed(500, 10), Seconds, steps),
    shared("shared fixed 500 in 10 s, waves", fixed(500, 10), Seconds, waves),
    shared("shared sliding 50 in 1 s, waves", sliding(50, 1), Seconds, waves).known(0.79, 0.02),
    shared("shared sliding 500 in 10 s, steps", sliding(500, 10), Seconds, steps).known(0.83, 0.02),
    Scene { stray: Stray::Every(33), ..scene("every 33rd, zero", Rule::Anything, Zero).short() },
    strays("1 %, zero", Rule::Anything, Zero, 0.01).short(),
    strays("3 %, zero", Rule::Anything, Zero, 0.03).short(),
    strays("5 %, zero", Rule::Anything, Zero, 0.05).short(),
    strays("1 %, none", Rule::Anything, Missing, 0.01).short(),
    strays("3 %, none", Rule::Anything, Missing, 0.03).short(),
    strays("0.3 %, a second", Rule::Anything, Seconds, 0.003).short(),
    strays("1 %, a second", Rule::Anything, Seconds, 0.01).short(),
    strays("3 %, a second", Rule::Anything, Seconds, 0.03).short(),
    strays("1 %, bucket 50/s burst 10, zero", bucket(50.0, 10.0), Zero, 0.01),
    strays("3 %, bucket 50/s burst 10, zero", bucket(50.0, 10.0), Zero, 0.03),
    strays("1 %, bucket 50/s burst 10, none", bucket(50.0, 10.0), Missing, 0.01).known(0.66, 0.024),
    strays("0.3 %, bucket 50/s burst 10, a second", bucket(50.0, 10.0), Seconds, 0.003)
        .known(0.35, 0.02),
    strays("1 %, bucket 50/s burst 10, a second", bucket(50.0, 10.0), Seconds, 0.01)
        .known(0.42, 0.048),
    strays("3 %, bucket 50/s burst 10, a second", bucket(50.0, 10.0), Seconds, 0.03)
        .known(0.6, 0.043),
    strays("1 %, bucket 5/s burst 2, a second", bucket(5.0, 2.0), Seconds, 0.01).known(0.6, 0.056),
    strays("1 %, bucket 500/s burst 100, a second", bucket(500.0, 100.0), Seconds, 0.01)
        .short()
        .known(0.83, 0.02),
    strays("1 %, bucket 500/s burst 100, zero", bucket(500.0, 100.0), Zero, 0.01).short(),
    strays("1 %, fixed 500 in 10 s, a second", fixed(500, 10), Seconds, 0.01).known(0.8, 0.025),
    strays("1 %, fixed 500 in 10 s, zero", fixed(500, 10), Zero, 0.01).known(0.45, 0.028),
    strays("1 %, sliding 50 in 1 s, zero", sliding(50, 1), Zero, 0.01),
    strays("1 %, 4 at a time, a second", concurrent(4), Seconds, 0.01).short().known(0.45, 0.02),
    strays("1 %, 4 at a time, zero", concurrent(4), Zero, 0.01).short().known(0.76, 0.046),
];
