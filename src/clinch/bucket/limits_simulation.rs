//! The bucket against servers with limits of all kinds, compared with an oracle: a client that knows
//! the rule and sends whenever the next request would be accepted. Paused time, seeded randomness.
//!
//! After the first minute the bucket must get 90 % of what the oracle gets, and less than 2 % of its
//! requests may be refused by the limit.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{Limits, RateBucket};

const IN_FLIGHT: usize = 32;
/// The average time to a response.
const LATENCY: f64 = 0.02;

/// What the server accepts.
#[derive(Debug, Clone, Copy)]
enum Rule {
    Anything,
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
enum Wait {
    /// When the next request is accepted, in whole seconds.
    Seconds,
    /// `Retry-After: 0`.
    Zero,
    Missing,
}

/// The part of another client, in requests per second at a second of the simulation.
type Other = fn(u64) -> f64;

/// A limit, and what else happens on the way.
#[derive(Clone, Copy)]
struct Scene {
    name: &'static str,
    rule: Rule,
    asked: Wait,
    other: Option<Other>,
    /// Every such request is answered 429, whatever the limit.
    stray: Option<u64>,
    /// The same on average, at irregular distances.
    irregular: bool,
}

const fn scene(name: &'static str, rule: Rule, asked: Wait) -> Scene {
    Scene { name, rule, asked, other: None, stray: None, irregular: false }
}

struct Server {
    scene: Scene,
    start: Instant,
    tokens: f64,
    filled: Instant,
    window: u64,
    accepted_in_window: usize,
    recent: VecDeque<Instant>,
    in_progress: usize,
    requests: u64,
    random: fastrand::Rng,
    /// The answers of each second: accepted, refused by the limit, stray.
    answers: Vec<[u32; 3]>,
}

#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Accepted,
    Refused,
    Stray,
}

impl Server {
    fn new(scene: Scene) -> Self {
        let start = Instant::now();
        let tokens = if let Rule::Bucket { burst, .. } = scene.rule { burst } else { 0.0 };
        Self {
            scene,
            start,
            tokens,
            filled: start,
            window: 0,
            accepted_in_window: 0,
            recent: VecDeque::new(),
            in_progress: 0,
            requests: 0,
            random: fastrand::Rng::with_seed(7),
            answers: Vec::new(),
        }
    }

    /// How long until a request is accepted; zero: it would be now.
    fn wait(&mut self) -> Duration {
        let now = Instant::now();
        let elapsed = now.saturating_duration_since(self.start);
        match self.scene.rule {
            Rule::Anything => Duration::ZERO,
            Rule::Bucket { per_second, burst } => {
                let earned = now.saturating_duration_since(self.filled).as_secs_f64() * per_second;
                (self.tokens, self.filled) = ((self.tokens + earned).min(burst), now);
                Duration::from_secs_f64(((0.999_999 - self.tokens) / per_second).max(0.0))
            }
            Rule::Fixed { most, seconds } => {
                let window = elapsed.as_secs() / seconds;
                if window != self.window {
                    (self.window, self.accepted_in_window) = (window, 0);
                }
                if self.accepted_in_window < most {
                    return Duration::ZERO;
                }
                Duration::from_secs((window + 1) * seconds).saturating_sub(elapsed)
            }
            Rule::Sliding { most, seconds } => {
                let span = Duration::from_secs(seconds);
                while self.recent.front().is_some_and(|at| *at + span <= now) {
                    self.recent.pop_front();
                }
                if self.recent.len() < most {
                    return Duration::ZERO;
                }
                self.recent[self.recent.len() - most] + span - now
            }
            Rule::Concurrent { most } if self.in_progress < most => Duration::ZERO,
            Rule::Concurrent { .. } => Duration::from_millis(1),
        }
    }

    fn accept(&mut self) {
        self.tokens -= 1.0;
        self.accepted_in_window += 1;
        self.in_progress += 1;
        if let Rule::Sliding { .. } = self.scene.rule {
            self.recent.push_back(Instant::now());
        }
    }

    /// Answers a request of ours.
    fn answer(&mut self) -> (Answer, Option<Duration>) {
        self.requests += 1;
        let stray = self.scene.stray.is_some_and(|every| {
            if self.scene.irregular {
                self.random.u64(0..every) == 0
            } else {
                self.requests.is_multiple_of(every)
            }
        });
        let wait = self.wait();
        let answer = if stray {
            Answer::Stray
        } else if wait.is_zero() {
            self.accept();
            Answer::Accepted
        } else {
            Answer::Refused
        };
        let second = usize::try_from(self.start.elapsed().as_secs()).unwrap();
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

    /// Between these seconds.
    fn sum(&self, from: usize, to: usize) -> [f64; 3] {
        let mut sum = [0.0; 3];
        for second in self.answers.iter().take(to).skip(from) {
            for (sum, count) in sum.iter_mut().zip(second) {
                *sum += f64::from(*count);
            }
        }
        sum
    }
}

/// The time to one response: between half and one and a half times the average.
fn latency(random: &mut fastrand::Rng) -> Duration {
    Duration::from_secs_f64(LATENCY * (0.5 + random.f64()))
}

/// The other client: takes its part, whatever happens to ours.
async fn other(server: Arc<Mutex<Server>>, rate: Other) {
    let start = Instant::now();
    let mut due = 0.0;
    loop {
        sleep(Duration::from_millis(10)).await;
        due += rate(start.elapsed().as_secs()) / 100.0;
        let mut server = server.lock().unwrap();
        while due >= 1.0 {
            due -= 1.0;
            // Its requests come first, so that what is left does not depend on ours.
            if let Rule::Bucket { .. } = server.scene.rule {
                server.wait();
                server.tokens -= 1.0;
            }
        }
    }
}

async fn ours(server: Arc<Mutex<Server>>, bucket: Arc<RateBucket>, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    loop {
        let permit = bucket.acquire(Instant::now() + Duration::from_secs(86_400)).await.unwrap();
        let latency = latency(&mut random);
        sleep(latency / 4).await;
        let (answer, asked) = server.lock().unwrap().answer();
        if answer == Answer::Accepted {
            sleep(latency * 3 / 4).await;
            server.lock().unwrap().in_progress -= 1;
            permit.succeeded();
        } else {
            sleep(latency / 4).await;
            permit.limited(asked);
        }
    }
}

/// Sends what is accepted, as soon as it is. After a stray 429 it waits as asked.
async fn oracle(server: Arc<Mutex<Server>>) {
    // When each request in flight ends, and whether it was accepted. No task per request: most of the
    // time of these tests is spent in sending.
    let mut in_flight: BinaryHeap<Reverse<(Instant, bool)>> = BinaryHeap::new();
    let mut random = fastrand::Rng::with_seed(1);
    loop {
        while let Some(Reverse((end, accepted))) = in_flight.peek().copied()
            && end <= Instant::now()
        {
            in_flight.pop();
            server.lock().unwrap().in_progress -= usize::from(accepted);
        }
        let next = in_flight.peek().map(|Reverse((end, _))| *end);
        if in_flight.len() >= IN_FLIGHT {
            sleep_until(next.unwrap()).await;
            continue;
        }
        let wait = server.lock().unwrap().wait();
        if !wait.is_zero() {
            let at = Instant::now() + wait.max(Duration::from_millis(1));
            let only_then = !matches!(server.lock().unwrap().scene.rule, Rule::Concurrent { .. });
            sleep_until(if only_then { at } else { next.unwrap() }).await;
            continue;
        }
        let (answer, asked) = server.lock().unwrap().answer();
        let accepted = answer == Answer::Accepted;
        let latency = latency(&mut random);
        let end = Instant::now() + if accepted { latency } else { latency / 2 };
        in_flight.push(Reverse((end, accepted)));
        if !accepted {
            sleep(asked.unwrap_or(Duration::from_secs(1))).await;
        }
    }
}

/// What one client got from a scene between two seconds.
async fn play(scene: Scene, is_oracle: bool, from: usize, to: usize) -> [f64; 3] {
    let server = Arc::new(Mutex::new(Server::new(scene)));
    let mut clients = JoinSet::new();
    if let Some(rate) = scene.other {
        clients.spawn(other(Arc::clone(&server), rate));
    }
    if is_oracle {
        clients.spawn(oracle(Arc::clone(&server)));
    } else {
        let limits = Limits { requests_per_second: None, max_in_flight: IN_FLIGHT };
        let bucket = Arc::new(RateBucket::new(limits));
        for seed in (0..).take(IN_FLIGHT) {
            clients.spawn(ours(Arc::clone(&server), Arc::clone(&bucket), seed));
        }
    }
    sleep_until(Instant::now() + Duration::from_secs(u64::try_from(to).unwrap() + 1)).await;
    server.lock().unwrap().sum(from, to)
}

/// Plays all scenes for so many seconds after the first minute; fails with a table if one misses the bar.
async fn judge(seconds: usize, scenes: &[Scene]) {
    let mut table = String::from("  limit: ours, oracle, share, 429 %, strays\n");
    let mut missed = false;
    for scene in scenes {
        let [accepted, refused, stray] = play(*scene, false, 60, 60 + seconds).await;
        let [possible, ..] = play(*scene, true, 60, 60 + seconds).await;
        let (share, refused) = (accepted / possible, 100.0 * refused / (accepted + refused));
        let good = share >= 0.9 && refused < 2.0;
        missed |= !good;
        let mark = if good { ' ' } else { '*' };
        let name = scene.name;
        writeln!(
            table,
            "{mark} {name:50} {accepted:7} {possible:7} {share:6.3} {refused:6.2} {stray}"
        )
        .unwrap();
    }
    assert!(!missed, "{table}");
}

const BUCKET: Rule = Rule::Bucket { per_second: 50.0, burst: 10.0 };

#[tokio::test(start_paused = true)]
async fn token_buckets() {
    judge(
        120,
        &[
            scene("token bucket 50/s, burst 10", BUCKET, Wait::Seconds),
            scene("token bucket 50/s, burst 10, no Retry-After", BUCKET, Wait::Missing),
            scene("token bucket 50/s, burst 10, Retry-After 0", BUCKET, Wait::Zero),
            scene(
                "token bucket 5/s, burst 2",
                Rule::Bucket { per_second: 5.0, burst: 2.0 },
                Wait::Seconds,
            ),
            scene(
                "token bucket 5/s, burst 2, Retry-After 0",
                Rule::Bucket { per_second: 5.0, burst: 2.0 },
                Wait::Zero,
            ),
        ],
    )
    .await;
    // Many requests show it sooner.
    let large = Rule::Bucket { per_second: 1000.0, burst: 500.0 };
    judge(60, &[scene("token bucket 1000/s, burst 500", large, Wait::Seconds)]).await;
}

#[tokio::test(start_paused = true)]
async fn fixed_windows() {
    judge(
        120,
        &[
            scene("fixed window 50 in 1 s", Rule::Fixed { most: 50, seconds: 1 }, Wait::Seconds),
            scene(
                "fixed window 500 in 10 s",
                Rule::Fixed { most: 500, seconds: 10 },
                Wait::Seconds,
            ),
            scene(
                "fixed window 600 in 60 s",
                Rule::Fixed { most: 600, seconds: 60 },
                Wait::Seconds,
            ),
            scene(
                "fixed window 50 in 1 s, no Retry-After",
                Rule::Fixed { most: 50, seconds: 1 },
                Wait::Missing,
            ),
            scene(
                "fixed window 500 in 10 s, no Retry-After",
                Rule::Fixed { most: 500, seconds: 10 },
                Wait::Missing,
            ),
            scene(
                "fixed window 500 in 10 s, Retry-After 0",
                Rule::Fixed { most: 500, seconds: 10 },
                Wait::Zero,
            ),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn sliding_windows() {
    judge(
        120,
        &[
            scene(
                "sliding window 50 in 1 s",
                Rule::Sliding { most: 50, seconds: 1 },
                Wait::Seconds,
            ),
            scene(
                "sliding window 500 in 10 s",
                Rule::Sliding { most: 500, seconds: 10 },
                Wait::Seconds,
            ),
            scene(
                "sliding window 600 in 60 s",
                Rule::Sliding { most: 600, seconds: 60 },
                Wait::Seconds,
            ),
            scene(
                "sliding window 500 in 10 s, no Retry-After",
                Rule::Sliding { most: 500, seconds: 10 },
                Wait::Missing,
            ),
            scene(
                "sliding window 500 in 10 s, Retry-After 0",
                Rule::Sliding { most: 500, seconds: 10 },
                Wait::Zero,
            ),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn shared_limits() {
    /// A new part every minute.
    fn steps(second: u64) -> f64 {
        match second / 60 % 6 {
            0 => 0.0,
            1 => 20.0,
            2 => 10.0,
            3 => 30.0,
            4 => 5.0,
            _ => 25.0,
        }
    }
    /// Between nothing and half of the limit, back and forth within four minutes.
    fn waves(second: u64) -> f64 {
        let time = Duration::from_secs(second).as_secs_f64();
        12.5 * (1.0 - (std::f64::consts::TAU * time / 240.0).cos())
    }
    let with = |other, scene| Scene { other: Some(other), ..scene };
    let generous = Rule::Bucket { per_second: 50.0, burst: 50.0 };
    judge(
        240,
        &[
            with(steps, scene("shared bucket 50/s, steps", generous, Wait::Seconds)),
            with(steps, scene("shared bucket 50/s, steps, Retry-After 0", generous, Wait::Zero)),
            with(waves, scene("shared bucket 50/s, waves", generous, Wait::Seconds)),
            with(
                waves,
                scene("shared bucket 50/s, burst 10, waves, Retry-After 0", BUCKET, Wait::Zero),
            ),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn concurrency_limits() {
    judge(
        60,
        &[
            scene("1 at a time", Rule::Concurrent { most: 1 }, Wait::Seconds),
            scene("4 at a time", Rule::Concurrent { most: 4 }, Wait::Seconds),
            scene("20 at a time", Rule::Concurrent { most: 20 }, Wait::Seconds),
            scene("4 at a time, no Retry-After", Rule::Concurrent { most: 4 }, Wait::Missing),
            scene("4 at a time, Retry-After 0", Rule::Concurrent { most: 4 }, Wait::Zero),
            scene("20 at a time, Retry-After 0", Rule::Concurrent { most: 20 }, Wait::Zero),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn stray_429s() {
    let every = |stray, scene| Scene { stray: Some(stray), ..scene };
    let about = |stray, scene| Scene { stray: Some(stray), irregular: true, ..scene };
    judge(
        60,
        &[
            every(33, scene("every 33rd, Retry-After 0", Rule::Anything, Wait::Zero)),
            about(33, scene("3 %, Retry-After 0", Rule::Anything, Wait::Zero)),
            about(100, scene("1 %, Retry-After 0", Rule::Anything, Wait::Zero)),
            about(20, scene("5 %, Retry-After 0", Rule::Anything, Wait::Zero)),
            about(33, scene("3 %, no Retry-After", Rule::Anything, Wait::Missing)),
        ],
    )
    .await;
    // These send less.
    judge(
        240,
        &[
            about(33, scene("3 %, Retry-After 1", Rule::Anything, Wait::Seconds)),
            about(33, scene("3 %, token bucket 50/s, Retry-After 0", BUCKET, Wait::Zero)),
            about(100, scene("1 %, token bucket 50/s, Retry-After 0", BUCKET, Wait::Zero)),
            about(100, scene("1 %, token bucket 50/s, no Retry-After", BUCKET, Wait::Missing)),
        ],
    )
    .await;
}
