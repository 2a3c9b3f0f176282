//! The bucket against servers with various rate limits, over minutes of paused time.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{Limits, RateBucket};

const LATENCY: Duration = Duration::from_millis(20);
const IN_FLIGHT: usize = 32;

/// A token bucket that answers 429 when it is empty, with `Retry-After` in whole seconds.
struct Server {
    per_second: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
    /// When each request was answered, and whether it was accepted.
    answers: Vec<(Instant, bool)>,
}

impl Server {
    fn take(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.burst);
        self.filled = now;
        let taken = self.tokens >= 1.0;
        self.answers.push((now, taken));
        if taken {
            self.tokens -= 1.0;
            return None;
        }
        Some(Duration::from_secs_f64(((1.0 - self.tokens) / self.per_second).ceil().max(1.0)))
    }
}

/// A server that receives as many requests as the bucket permits.
struct Load {
    server: Arc<Mutex<Server>>,
    bucket: Arc<RateBucket>,
    start: Instant,
    _clients: JoinSet<()>,
}

impl Load {
    fn on(per_second: f64, burst: f64, ceiling: Option<u32>) -> Self {
        Self::after(LATENCY, per_second, burst, ceiling)
    }

    /// With another time to a response.
    fn after(latency: Duration, per_second: f64, burst: f64, ceiling: Option<u32>) -> Self {
        let start = Instant::now();
        let server =
            Server { per_second, burst, tokens: burst, filled: start, answers: Vec::new() };
        let server = Arc::new(Mutex::new(server));
        let limits = Limits { requests_per_second: ceiling, max_in_flight: IN_FLIGHT };
        let bucket = Arc::new(RateBucket::new(limits));
        let mut clients = JoinSet::new();
        for _ in 0..IN_FLIGHT {
            let (server, bucket) = (Arc::clone(&server), Arc::clone(&bucket));
            clients.spawn(async move {
                loop {
                    let far = Instant::now() + Duration::from_secs(86_400);
                    let permit = bucket.acquire(far).await.expect("there is time");
                    sleep(latency / 2).await;
                    let refused = server.lock().unwrap().take();
                    sleep(latency / 2).await;
                    match refused {
                        None => permit.succeeded(),
                        Some(wait) => {
                            permit.limited(Some(wait));
                        }
                    }
                }
            });
        }
        Self { server, bucket, start, _clients: clients }
    }

    async fn until(&self, second: u64) {
        tokio::time::sleep_until(self.start + Duration::from_secs(second)).await;
    }

    fn allow(&self, per_second: f64) {
        let mut server = self.server.lock().unwrap();
        let now = Instant::now();
        let elapsed = now.saturating_duration_since(server.filled).as_secs_f64();
        server.tokens = (server.tokens + elapsed * server.per_second).min(server.burst);
        server.filled = now;
        server.per_second = per_second;
    }

    /// Requests accepted and refused in these seconds.
    fn between(&self, from: u64, to: u64) -> (f64, f64) {
        let at = |second| self.start + Duration::from_secs(second);
        let server = self.server.lock().unwrap();
        let count = |accepted: bool| {
            let within = |(when, taken): &&(Instant, bool)| {
                (at(from)..at(to)).contains(when) && *taken == accepted
            };
            server.answers.iter().filter(within).fold(0.0, |count, _| count + 1.0)
        };
        (count(true), count(false))
    }

    /// The share of `per_second` that was used, and the share of 429.
    fn shares(&self, per_second: f64, from: u64, to: u64) -> (f64, f64) {
        let (taken, refused) = self.between(from, to);
        (
            taken / per_second / Duration::from_secs(to - from).as_secs_f64(),
            refused / (taken + refused),
        )
    }
}

#[tokio::test(start_paused = true)]
async fn any_limit_is_used_and_rarely_exceeded() {
    for (per_second, bursts) in [
        (2.0, [1.0, 2.0, 4.0]),
        (10.0, [2.0, 10.0, 20.0]),
        (50.0, [2.0, 10.0, 50.0]),
        (500.0, [10.0, 100.0, 1000.0]),
    ] {
        // Many requests show it sooner.
        let end = if per_second > 100.0 { 150 } else { 300 };
        for burst in bursts {
            let load = Load::on(per_second, burst, None);
            load.until(end + 1).await;
            let (used, refused) = load.shares(per_second, 60, end);
            let case = format!("{per_second}/s, burst {burst}: {used:.3} used, {refused:.4} 429");
            assert!(used >= 0.97, "{case}");
            assert!(refused < 0.01, "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_ten_seconds_the_limit_is_known() {
    // How many requests in flight use the limit decides when it is hit first.
    for millis in [18.0, 20.0, 21.0, 22.5, 24.0, 26.0, 28.0, 30.0, 33.0, 36.0, 39.0] {
        let load = Load::after(Duration::from_secs_f64(millis / 1000.0), 50.0, 10.0, None);
        load.until(71).await;
        let (used, refused) = load.shares(50.0, 10, 70);
        let case = format!("{millis} ms: {used:.3} used, {refused:.4} 429");
        assert!(used >= 0.96 && refused < 0.01, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_falls_to_a_tenth_is_followed_within_seconds() {
    for (burst, changed) in [(2.0, 100), (10.0, 130), (50.0, 160)] {
        let load = Load::on(50.0, burst, None);
        load.until(changed).await;
        load.allow(5.0);
        load.until(changed + 90).await;
        let (_, refused) = load.between(changed, changed + 30);
        assert!(refused <= 25.0, "burst {burst}: {refused} answered 429");
        let (used, refused) = load.shares(5.0, changed + 30, changed + 90);
        assert!(used > 0.9, "burst {burst}: {used} used");
        assert!(refused < 0.02, "burst {burst}: {refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_rises_tenfold_is_used_within_two_minutes() {
    for (burst, changed) in [(2.0, 60), (10.0, 100), (50.0, 140)] {
        let load = Load::on(5.0, burst, None);
        load.until(changed).await;
        load.allow(50.0);
        load.until(changed + 180).await;
        let (used, refused) = load.shares(50.0, changed + 120, changed + 180);
        assert!(used > 0.8, "burst {burst}: {used} used");
        assert!(refused < 0.01, "burst {burst}: {refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ceiling_below_the_limit_is_respected_and_one_above_it_is_corrected() {
    let load = Load::on(50.0, 10.0, Some(20));
    load.until(61).await;
    let (taken, refused) = load.between(0, 60);
    assert!((1180.0..=1201.0).contains(&taken), "{taken}");
    assert!(refused < 1.0, "{refused}");
    let load = Load::on(50.0, 10.0, Some(200));
    load.until(301).await;
    let (used, refused) = load.shares(50.0, 60, 300);
    assert!(used >= 0.97 && refused < 0.01, "{used} used, {refused} 429");
    assert!(load.bucket.rate() < 60.0);
}
