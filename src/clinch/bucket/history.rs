//! What was answered since the last pause, by the quarter of a second. Pure; the time is handed in.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// What is counted together.
const SLOT: Duration = Duration::from_millis(250);
/// Most of them that are remembered: 20 seconds.
const MOST_SLOTS: usize = 80;
/// The least that a rate is told from.
const SECOND: Duration = Duration::from_secs(1);
/// A slot belongs to the same level while its rate was at least so much of the present one.
const SAME_LEVEL: f64 = 0.98;

/// Answers by the slot, with the rates that were in force.
#[derive(Debug)]
pub(super) struct History {
    since: Instant,
    slots: VecDeque<Slot>,
    total: u32,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    start: Instant,
    answers: u32,
    rates: f64,
}

/// What a 429 ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Taken {
    /// Requests taken since the last pause.
    pub(super) requests: u32,
    /// Since when, in seconds.
    pub(super) seconds: f64,
    /// How many per second were taken at about the last rate.
    pub(super) rate: f64,
}

impl History {
    /// Nothing yet, from `since` on.
    pub(super) fn from(since: Instant) -> Self {
        Self { since, slots: VecDeque::new(), total: 0 }
    }

    /// One more answer, to a request sent at `rate`.
    pub(super) fn count(&mut self, rate: f64, now: Instant) {
        self.total = self.total.saturating_add(1);
        match self.slots.back_mut() {
            Some(slot) if now.saturating_duration_since(slot.start) < SLOT => {
                slot.answers += 1;
                slot.rates += rate;
            }
            last => {
                // Slots follow each other without a gap while there is something in each.
                let next = last.map(|slot| slot.start + SLOT);
                let start = next.filter(|next| now < *next + SLOT).unwrap_or(now);
                self.slots.push_back(Slot { start, answers: 1, rates: rate });
                if self.slots.len() > MOST_SLOTS {
                    self.slots.pop_front();
                }
            }
        }
    }

    /// Answers per second in the last second or two.
    pub(super) fn lately(&self, now: Instant) -> f64 {
        let within = |slot: &&Slot| now.saturating_duration_since(slot.start) < 2 * SECOND;
        let answers: u32 = self.slots.iter().rev().take_while(within).map(|s| s.answers).sum();
        let width = now.saturating_duration_since(self.since).clamp(SECOND, 2 * SECOND);
        f64::from(answers) / width.as_secs_f64()
    }

    /// What was taken until now, when `rate` proved to be too much.
    pub(super) fn taken(&self, rate: f64, now: Instant) -> Taken {
        let seconds = now.saturating_duration_since(self.since).as_secs_f64();
        let (mut answers, mut rates, mut start) = (0, 0.0, now);
        for slot in self.slots.iter().rev() {
            let same_level = slot.rates >= SAME_LEVEL * rate * f64::from(slot.answers);
            if !same_level && now.saturating_duration_since(start) >= SECOND {
                break;
            }
            answers += slot.answers;
            rates += slot.rates;
            start = slot.start;
        }
        let level = if answers == 0 {
            rate
        } else {
            // One more, since the last interval has no answer at its end.
            let width = now.saturating_duration_since(start).as_secs_f64().max(f64::EPSILON);
            (rates / f64::from(answers)).min(f64::from(answers + 1) / width)
        };
        Taken { requests: self.total, seconds, rate: level }
    }
}
