//! Plays a scene: one event after the other, in the order of their times. Nothing sleeps.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    super::{
        Limits,
        state::{State, Ticket},
    },
    server::{Answer, Rule, Scene, Server},
};

/// The time to one response.
fn latency((average, part): (f64, f64), random: &mut fastrand::Rng) -> Duration {
    Duration::from_secs_f64(average * (1.0 + part * (2.0 * random.f64() - 1.0)))
}

enum Event {
    /// A request arrives.
    Arrives(Ticket, Duration),
    /// It was accepted, and the response arrives.
    Accepted(Ticket),
    /// It was refused, and the response arrives, with the wait that it asks for.
    Refused(Ticket, Option<Duration>),
    /// The bucket may have a permit.
    Try,
    Others,
}

struct Queue {
    order: BinaryHeap<Reverse<(Duration, u64)>>,
    events: VecDeque<Option<Event>>,
    first: u64,
    next: u64,
}

impl Queue {
    fn push(&mut self, at: Duration, event: Event) {
        self.order.push(Reverse((at, self.next)));
        self.events.push_back(Some(event));
        self.next += 1;
    }

    fn pop(&mut self) -> Option<(Duration, Event)> {
        let Reverse((at, number)) = self.order.pop()?;
        let index = usize::try_from(number - self.first).unwrap();
        let event = self.events[index].take()?;
        while let Some(None) = self.events.front() {
            self.events.pop_front();
            self.first += 1;
        }
        Some((at, event))
    }
}

/// What the bucket makes of a scene, always with more to send.
pub(super) fn ours(scene: Scene, seed: u64) -> Server {
    let start = Instant::now();
    let mut server = Server::new(scene, seed);
    let limits = Limits { requests_per_second: None, max_in_flight: scene.in_flight };
    let mut state = State::new(limits, start);
    let mut random = fastrand::Rng::with_seed(seed ^ 0xfeed);
    let mut queue = Queue { order: BinaryHeap::new(), events: VecDeque::new(), first: 0, next: 0 };
    queue.push(Duration::ZERO, Event::Try);
    queue.push(Duration::ZERO, Event::Others);
    let (mut tried, mut sent) = (Duration::ZERO, 0_u64);
    while let Some((now, event)) = queue.pop() {
        if now.as_secs() >= scene.until {
            break;
        }
        match event {
            Event::Others => {
                server.others(now);
                if scene.other.is_some() {
                    queue.push(now + Duration::from_millis(10), Event::Others);
                }
            }
            Event::Arrives(ticket, latency) => {
                let (answer, asked) = server.answer(now);
                if answer == Answer::Accepted {
                    queue.push(now + latency * 3 / 4, Event::Accepted(ticket));
                } else {
                    queue.push(now + latency / 4, Event::Refused(ticket, asked));
                }
            }
            Event::Accepted(ticket) => {
                server.in_progress -= 1;
                state.succeeded(&ticket, start + now);
                state.released();
            }
            Event::Refused(ticket, asked) => {
                state.limited(&ticket, asked, start + now);
                state.released();
            }
            // A later one was replaced by it.
            Event::Try if now != tried => continue,
            Event::Try => tried = Duration::MAX,
        }
        loop {
            let alone = scene.alone_after.is_some_and(|after| {
                let place = sent % (after + 1);
                place == 0 || place == after
            });
            if alone && state.in_flight() > 0 {
                break;
            }
            match state.take(start + now) {
                Ok(ticket) => {
                    sent += 1;
                    let latency = latency(scene.latency, &mut random);
                    queue.push(now + latency / 4, Event::Arrives(ticket, latency));
                }
                Err(Some(at)) => {
                    let at = at - start;
                    if at < tried {
                        tried = at;
                        queue.push(at, Event::Try);
                    }
                    break;
                }
                Err(None) => break,
            }
        }
    }
    server
}

/// What a client gets that sends what is accepted, as soon as it is. After a stray 429
/// it waits as long as was asked.
pub(super) fn oracle(scene: Scene, seed: u64) -> Server {
    let mut server = Server::new(scene, seed);
    let mut random = fastrand::Rng::with_seed(seed ^ 0xfeed);
    // When each request in flight ends, and whether it was accepted.
    let mut open: BinaryHeap<Reverse<(Duration, bool)>> = BinaryHeap::new();
    let mut now = Duration::ZERO;
    let mut others = Duration::ZERO;
    while now.as_secs() < scene.until {
        while let Some(Reverse((end, accepted))) = open.peek().copied()
            && end <= now
        {
            open.pop();
            server.in_progress -= usize::from(accepted);
        }
        while scene.other.is_some() && others <= now {
            server.others(others);
            others += Duration::from_millis(10);
        }
        let end = open.peek().map(|Reverse((end, _))| *end);
        if open.len() >= scene.in_flight {
            now = end.unwrap();
            continue;
        }
        let wait = server.wait(now);
        if !wait.is_zero() {
            let at = now + wait.max(Duration::from_millis(1));
            let at = if let Rule::Concurrent { .. } = scene.rule { end.unwrap() } else { at };
            // What the other client takes meanwhile changes the wait.
            now = if scene.other.is_some() { at.min(others) } else { at };
            continue;
        }
        let (answer, asked) = server.answer(now);
        let accepted = answer == Answer::Accepted;
        let latency = latency(scene.latency, &mut random);
        open.push(Reverse((now + if accepted { latency } else { latency / 2 }, accepted)));
        if !accepted {
            now += asked.unwrap_or_default();
        }
    }
    server
}
