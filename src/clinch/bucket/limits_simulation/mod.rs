//! The bucket against servers with limits of all kinds, compared with an oracle: a client that knows
//! the rule and sends whenever the next request would be accepted. Seeded randomness; nothing sleeps.
//!
//! After the first minute the bucket must get 90 % of what the oracle gets, and less than 2 % of its
//! requests may be refused by the limit. Scenes that miss this are held to what they reach
//! (docs/ARCHITECTURE.md lists them). A table with ten seeds, as in that document, is printed by
//! `cargo test --release --lib ten_seeds -- --ignored --nocapture`.

mod play;
mod scenes;
mod server;

use std::{fmt::Write as _, ops::RangeInclusive};

use self::{scenes::SCENES, server::Scene};

const FROM: u64 = 60;

/// What one scene gave with several seeds, in ascending order.
struct Results {
    /// Shares of what the oracle gets.
    shares: Vec<f64>,
    /// Shares of requests that the limit refused.
    refused: Vec<f64>,
}

impl Results {
    fn of(scene: Scene, seeds: RangeInclusive<u64>) -> Self {
        let (mut shares, mut all_refused) = (Vec::new(), Vec::new());
        for seed in seeds {
            let ours = play::ours(scene, seed);
            let [accepted, refused, _] = ours.sum(FROM, scene.until);
            let oracle = play::oracle(scene, seed);
            let [possible, ..] = oracle.sum(FROM, scene.until);
            shares.push(accepted / possible);
            all_refused.push(refused / (accepted + refused));
        }
        shares.sort_by(f64::total_cmp);
        all_refused.sort_by(f64::total_cmp);
        Self { shares, refused: all_refused }
    }

    fn worst(&self) -> (f64, f64) {
        (self.shares[0], self.refused[self.refused.len() - 1])
    }
}

/// A row for each scene, and how many miss their bar.
fn table(seeds: RangeInclusive<u64>) -> (String, usize) {
    let mut table = String::from("  scene: share of the oracle, worst and median; most 429\n");
    let mut missed = 0;
    for scene in SCENES {
        let results = Results::of(*scene, seeds.clone());
        let (share, refused) = results.worst();
        let (least, most) = scene.bar;
        let good = share >= least && refused <= most;
        missed += usize::from(!good);
        let median = results.shares[results.shares.len() / 2];
        let (mark, name) = (if good { ' ' } else { '*' }, scene.name);
        let [share, median, refused] = [share, median, refused].map(|part| 100.0 * part);
        writeln!(table, "{mark} {name:42} {share:7.1} % {median:7.1} % {refused:6.2} %").unwrap();
    }
    (table, missed)
}

#[test]
fn every_scene_reaches_its_bar() {
    let (table, missed) = table(1..=2);
    println!("{table}");
    assert_eq!(missed, 0, "{table}");
}

#[test]
fn what_the_limit_saves_makes_up_for_reads_of_the_total() {
    let name = "bucket 50/s burst 10, 50 ms, totals";
    let scene = SCENES.iter().find(|scene| scene.name == name).unwrap();
    let (share, refused) = Results::of(*scene, 1..=4).worst();
    assert!(share >= 0.975 && refused < 0.01, "{share} of the oracle, {refused} 429");
}

#[test]
#[ignore = "takes minutes without optimisation, and says how far the bars are missed"]
fn ten_seeds() {
    let (table, missed) = table(1..=10);
    println!("{table}{missed} miss their bar");
}
