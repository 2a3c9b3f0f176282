//! Delivers one message. Does network I/O.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{message::Message, receiver::Target};
use crate::{
    api::NotifyAnswer,
    domain::{Clock, Fence, backoff},
    pipeline::{Verdict, asked_to_wait, verdict},
};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How long a message is tried.
const PATIENCE: Duration = Duration::from_mins(15);
/// The longest pause between two attempts that the receiver does not ask for.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

/// A message and its receiver.
pub(super) struct Delivery {
    pub(super) target: Target,
    pub(super) message: Message,
    pub(super) clock: Clock,
    pub(super) fence: Fence,
    /// No attempt begins after that.
    pub(super) cancel: CancellationToken,
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The receiver took the message.
    Taken,
    /// The receiver does not take it.
    Rejected,
    /// The receiver did not take it for as long as it is tried.
    GivenUp,
    /// This process must not send it any more.
    Stopped,
    /// A defect.
    Panicked,
}

/// What follows an attempt.
enum Next {
    Ends(Ended),
    /// After this time at least.
    Again(Duration),
}

impl Delivery {
    /// Tries until there is an answer that says what to do. `answered` is called after each attempt.
    pub(super) async fn run(self, answered: impl Fn(NotifyAnswer)) -> Ended {
        let (started, mut failures) = (Instant::now(), 0_u32);
        loop {
            let (answer, next) = {
                // One request at a time: services limit how often they are called.
                let turn = self.cancel.run_until_cancelled(self.target.turn.acquire()).await;
                let (Some(Ok(_turn)), true) = (turn, self.fence.holds()) else {
                    return Ended::Stopped;
                };
                self.attempt().await
            };
            answered(answer);
            let asked = match next {
                Next::Ends(ended) => return ended,
                Next::Again(asked) => asked,
            };
            let usual = backoff(failures).min(LONGEST_PAUSE);
            let pause = usual.mul_f64(1.0 + fastrand::f64() / 4.0).max(asked);
            if started.elapsed() + pause > PATIENCE {
                return Ended::GivenUp;
            }
            failures += 1;
            if self.cancel.run_until_cancelled(sleep(pause)).await.is_none() {
                return Ended::Stopped;
            }
        }
    }

    async fn attempt(&self) -> (NotifyAnswer, Next) {
        let body = self.message.body(self.target.format);
        let headers = if let Some(keys) = &self.target.keys {
            keys.headers(&self.message.id, self.clock.now().as_second(), &body)
        } else {
            let json = HeaderValue::from_static("application/json");
            HeaderMap::from_iter([(header::CONTENT_TYPE, json)])
        };
        let posted = match timeout(ATTEMPT, self.target.endpoint.post(headers, body)).await {
            Ok(Ok(posted)) => posted,
            Ok(Err(fault)) if !fault.is_transient() => {
                return (NotifyAnswer::NoAnswer, Next::Ends(Ended::Rejected));
            }
            Ok(Err(_)) | Err(_) => return (NotifyAnswer::NoAnswer, Next::Again(Duration::ZERO)),
        };
        let answer = match posted.status {
            200..=299 => NotifyAnswer::Taken,
            300..=399 => NotifyAnswer::Redirected,
            500.. => NotifyAnswer::Failed,
            _ => NotifyAnswer::Refused,
        };
        let next = match verdict(posted.status) {
            Verdict::Taken => Next::Ends(Ended::Taken),
            Verdict::Later => {
                Next::Again(asked_to_wait(posted.retry_after.as_deref(), self.clock.now()))
            }
            Verdict::Refused | Verdict::Denied(_) => Next::Ends(Ended::Rejected),
        };
        (answer, next)
    }
}
