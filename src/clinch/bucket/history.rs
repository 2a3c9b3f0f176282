//! Responses since the last pause, by the quarter of a second. Pure; the time is an argument.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// The length of a slot.
const SLOT: Duration = Duration::from_millis(250);
/// Maximum slots kept: 20 seconds.
const MAX_SLOTS: usize = 80;
/// The shortest time that a rate is measured over.
const SECOND: Duration = Duration::from_secs(1);
/// A slot belongs to the current level if its rate was at least this share of the current rate.
const SAME_LEVEL: f64 = 0.98;

/// Responses by slot, with the rates in force at the time.
#[derive(Debug)]
pub(super) struct History {
    since: Instant,
    slots: VecDeque<Slot>,
    total: u32,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    start: Instant,
    responses: u32,
    rates: f64,
}

/// The work that a 429 ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Accepted {
    /// Requests accepted since the last pause.
    pub(super) requests: u32,
    /// Time since the last pause, in seconds.
    pub(super) seconds: f64,
    /// Requests accepted per second while the rate was near its last value.
    pub(super) rate: f64,
}

impl History {
    /// An empty history that starts at `since`.
    pub(super) fn from(since: Instant) -> Self {
        Self { since, slots: VecDeque::new(), total: 0 }
    }

    /// When it starts.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Leaves out a pause that starts now.
    pub(super) fn skip(&mut self, pause: Duration) {
        self.since += pause;
        for slot in &mut self.slots {
            slot.start += pause;
        }
    }

    /// Starts the counts again; what is known of the rates remains.
    pub(super) fn restart(&mut self, now: Instant) {
        (self.since, self.total) = (now, 0);
    }

    /// Counts a response to a request sent at `rate`.
    pub(super) fn count(&mut self, rate: f64, now: Instant) {
        self.total = self.total.saturating_add(1);
        match self.slots.back_mut() {
            Some(slot) if now.saturating_duration_since(slot.start) < SLOT => {
                slot.responses += 1;
                slot.rates += rate;
            }
            last => {
                // Slots are adjacent as long as each holds a response.
                let next = last.map(|slot| slot.start + SLOT);
                let start = next.filter(|next| now < *next + SLOT).unwrap_or(now);
                self.slots.push_back(Slot { start, responses: 1, rates: rate });
                if self.slots.len() > MAX_SLOTS {
                    self.slots.pop_front();
                }
            }
        }
    }

    /// Responses within the last seconds, and since the latest pause.
    pub(super) fn within(&self, seconds: f64, now: Instant) -> f64 {
        let is_recent = |slot: &&Slot| {
            slot.start >= self.since
                && now.saturating_duration_since(slot.start).as_secs_f64() < seconds
        };
        self.slots.iter().rev().take_while(is_recent).map(|slot| f64::from(slot.responses)).sum()
    }

    /// Responses per second over the last one to two seconds.
    pub(super) fn recent_rate(&self, now: Instant) -> f64 {
        let within = |slot: &&Slot| now.saturating_duration_since(slot.start) < 2 * SECOND;
        let responses: u32 = self.slots.iter().rev().take_while(within).map(|s| s.responses).sum();
        let width = now.saturating_duration_since(self.since).clamp(SECOND, 2 * SECOND);
        f64::from(responses) / width.as_secs_f64()
    }

    /// What was accepted until now, when `rate` proved to be too high.
    pub(super) fn accepted(&self, rate: f64, now: Instant) -> Accepted {
        let seconds = now.saturating_duration_since(self.since).as_secs_f64();
        let (mut responses, mut rates, mut start) = (0, 0.0, now);
        for slot in self.slots.iter().rev() {
            let same_level = slot.rates >= SAME_LEVEL * rate * f64::from(slot.responses);
            if !same_level && now.saturating_duration_since(start) >= SECOND {
                break;
            }
            responses += slot.responses;
            rates += slot.rates;
            start = slot.start;
        }
        let level = if responses == 0 {
            rate
        } else {
            // Plus one, since the last interval has no response at its end.
            let width = now.saturating_duration_since(start).as_secs_f64().max(f64::EPSILON);
            (rates / f64::from(responses)).min(f64::from(responses + 1) / width)
        };
        Accepted { requests: self.total, seconds, rate: level }
    }
}
