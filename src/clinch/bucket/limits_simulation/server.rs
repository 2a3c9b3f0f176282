//! A server with a limit of some kind, as a function of the time.

use std::{collections::VecDeque, time::Duration};

/// What the server accepts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    Anything,
    /// A token bucket.
    Bucket {
        per_second: f64,
        burst: f64,
    },
    /// So many requests in each window; windows follow each other.
    Fixed {
        most: usize,
        seconds: u64,
    },
    /// So many requests in any span of this length.
    Sliding {
        most: usize,
        seconds: u64,
    },
    /// So many requests at a time.
    Concurrent {
        most: usize,
    },
}

/// What `Retry-After` says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wait {
    /// When the next request is accepted, in whole seconds, at least one.
    Seconds,
    /// `Retry-After: 0`.
    Zero,
    Missing,
}

/// 429s that are not caused by the limit.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stray {
    None,
    /// Every such request.
    Every(u64),
    /// This share, at irregular distances.
    Share(f64),
}

/// The part of another client, in requests per second at a second of the simulation.
pub(super) type Other = fn(u64) -> u32;

/// A limit, and what else happens on the way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) rule: Rule,
    pub(super) asked: Wait,
    pub(super) other: Option<Other>,
    pub(super) stray: Stray,
    /// Factor of the rate of a token bucket from a second on.
    pub(super) change: Option<(u64, f64)>,
    /// The average time to a response, in seconds, and by which part of it a single one differs at most.
    pub(super) latency: (f64, f64),
    /// Maximum requests in flight.
    pub(super) in_flight: usize,
    /// After so many requests one is sent alone: it waits for those in flight, and others wait for it.
    pub(super) alone_after: Option<u64>,
    /// Until which second it is played.
    pub(super) until: u64,
    /// The least share of what the oracle gets, and the greatest share of requests that the limit may
    /// refuse.
    pub(super) bar: (f64, f64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Answer {
    Accepted,
    Refused,
    Stray,
}

pub(super) struct Server {
    scene: Scene,
    tokens: f64,
    filled: Duration,
    window: u64,
    accepted_in_window: usize,
    recent: VecDeque<Duration>,
    pub(super) in_progress: usize,
    requests: u64,
    /// What the other client is due.
    due: f64,
    random: fastrand::Rng,
    /// The answers of each second: accepted, refused by the limit, stray.
    answers: Vec<[u32; 3]>,
}

impl Server {
    pub(super) fn new(scene: Scene, seed: u64) -> Self {
        let tokens = if let Rule::Bucket { burst, .. } = scene.rule { burst } else { 0.0 };
        Self {
            scene,
            tokens,
            filled: Duration::ZERO,
            window: 0,
            accepted_in_window: 0,
            recent: VecDeque::new(),
            in_progress: 0,
            requests: 0,
            due: 0.0,
            random: fastrand::Rng::with_seed(seed),
            answers: Vec::new(),
        }
    }

    /// How long until a request is accepted; zero: it would be now.
    pub(super) fn wait(&mut self, now: Duration) -> Duration {
        match self.scene.rule {
            Rule::Anything => Duration::ZERO,
            Rule::Bucket { per_second, burst } => {
                let factor = self.scene.change.filter(|(from, _)| now.as_secs() >= *from);
                let per_second = per_second * factor.map_or(1.0, |(_, factor)| factor);
                let earned = now.saturating_sub(self.filled).as_secs_f64() * per_second;
                (self.tokens, self.filled) = ((self.tokens + earned).min(burst), now);
                Duration::from_secs_f64(((0.999_999 - self.tokens) / per_second).max(0.0))
            }
            Rule::Fixed { most, seconds } => {
                let most = self.left(most, seconds, now);
                let window = now.as_secs() / seconds;
                if window != self.window {
                    (self.window, self.accepted_in_window) = (window, 0);
                }
                if self.accepted_in_window < most {
                    return Duration::ZERO;
                }
                Duration::from_secs((window + 1) * seconds).saturating_sub(now)
            }
            Rule::Sliding { most, seconds } => {
                let most = self.left(most, seconds, now);
                let span = Duration::from_secs(seconds);
                while self.recent.front().is_some_and(|at| *at + span <= now) {
                    self.recent.pop_front();
                }
                if self.recent.len() < most {
                    return Duration::ZERO;
                }
                let first = (self.recent.len() - most).min(self.recent.len() - 1);
                (self.recent[first] + span).saturating_sub(now)
            }
            Rule::Concurrent { most } if self.in_progress < most => Duration::ZERO,
            Rule::Concurrent { .. } => Duration::from_millis(1),
        }
    }

    /// What the other client leaves of so many requests in a window.
    fn left(&self, most: usize, seconds: u64, now: Duration) -> usize {
        let Some(rate) = self.scene.other else { return most };
        let taken = u64::from(rate(now.as_secs())) * seconds;
        most.saturating_sub(usize::try_from(taken).unwrap())
    }

    fn count(&mut self, now: Duration) {
        self.tokens -= 1.0;
        self.accepted_in_window += 1;
        if let Rule::Sliding { .. } = self.scene.rule {
            self.recent.push_back(now);
        }
    }

    /// The other client takes its part, whatever happens to ours; called a hundred times a second.
    pub(super) fn others(&mut self, now: Duration) {
        let (Some(rate), Rule::Bucket { .. }) = (self.scene.other, self.scene.rule) else { return };
        self.due += f64::from(rate(now.as_secs())) / 100.0;
        while self.due >= 1.0 {
            self.due -= 1.0;
            // Its requests come first, so that what is left does not depend on ours.
            self.wait(now);
            self.tokens -= 1.0;
        }
    }

    /// Answers a request of ours.
    pub(super) fn answer(&mut self, now: Duration) -> (Answer, Option<Duration>) {
        self.requests += 1;
        let stray = match self.scene.stray {
            Stray::None => false,
            Stray::Every(every) => self.requests.is_multiple_of(every),
            Stray::Share(share) => self.random.f64() < share,
        };
        let wait = self.wait(now);
        let answer = if stray {
            Answer::Stray
        } else if wait.is_zero() {
            self.count(now);
            self.in_progress += 1;
            Answer::Accepted
        } else {
            Answer::Refused
        };
        let second = usize::try_from(now.as_secs()).unwrap();
        if self.answers.len() <= second {
            self.answers.resize(second + 1, [0; 3]);
        }
        self.answers[second][answer as usize] += 1;
        let asked = match self.scene.asked {
            Wait::Seconds => {
                let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                Some(Duration::from_secs(whole.max(1)))
            }
            Wait::Zero => Some(Duration::ZERO),
            Wait::Missing => None,
        };
        (answer, asked)
    }

    /// Accepted, refused by the limit and stray between these seconds.
    pub(super) fn sum(&self, from: u64, to: u64) -> [f64; 3] {
        let [from, to] = [from, to].map(|second| usize::try_from(second).unwrap());
        let mut sum = [0.0; 3];
        for second in self.answers.iter().take(to).skip(from) {
            for (sum, count) in sum.iter_mut().zip(second) {
                *sum += f64::from(*count);
            }
        }
        sum
    }
}
