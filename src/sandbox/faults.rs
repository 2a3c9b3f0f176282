//! Scripted misbehaviour: which calls it strikes, and what it does. Deterministic.

use std::time::Instant;

use serde::Deserialize;

use super::limit::{Bucket, RateLimit};

/// One rule.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// Operation id, or `*` for any.
    #[serde(default = "any")]
    pub operation: String,
    /// HTTP method; absent: any.
    #[serde(default)]
    pub method: Option<String>,
    /// Strikes the n-th matching call, from 1.
    #[serde(default)]
    pub nth: Option<u64>,
    /// Strikes every n-th matching call.
    #[serde(default)]
    pub every: Option<u64>,
    /// Strikes from this matching call on.
    #[serde(default)]
    pub from: Option<u64>,
    /// Strikes up to and including this matching call.
    #[serde(default)]
    pub to: Option<u64>,
    /// Strikes with this probability, 0 to 1, drawn from `seed`.
    #[serde(default)]
    pub probability: Option<f64>,
    /// Seed of the draws.
    #[serde(default)]
    pub seed: u64,
    /// Strikes at most so many times.
    #[serde(default)]
    pub times: Option<u64>,
    /// What it does.
    pub action: Action,
    /// Matching calls so far.
    #[serde(skip)]
    pub(super) seen: u64,
    /// Strikes so far.
    #[serde(skip)]
    pub(super) struck: u64,
    /// What a rate limit has left.
    #[serde(skip)]
    bucket: Option<Bucket>,
}

fn any() -> String {
    "*".to_owned()
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Action {
    /// Answers with a status and does nothing.
    Status {
        /// The status.
        code: u16,
        /// `Retry-After`, in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
        /// Answers with a page instead of an error document.
        #[serde(default)]
        html: bool,
    },
    /// Waits before carrying out.
    Stall {
        /// Milliseconds.
        ms: u64,
    },
    /// Carries out at a time of its own, whatever becomes of the client and its connection.
    Late {
        /// Milliseconds from the arrival until it is carried out.
        commit_ms: u64,
        /// Milliseconds from the arrival until the client is answered; absent: once it was
        /// carried out, with what came of it.
        #[serde(default)]
        answer_ms: Option<u64>,
        /// The status of that answer; absent: the connection is cut.
        #[serde(default)]
        code: Option<u16>,
        /// Answers with a page instead of an error document.
        #[serde(default)]
        html: bool,
    },
    /// Cuts the connection and does nothing.
    ResetBeforeCommit {},
    /// Carries out, then cuts the connection without an answer.
    ResetAfterCommit {},
    /// Carries out, then answers with a cut document.
    Truncated {},
    /// Carries out, then answers with text that is no JSON.
    NotJson {},
    /// Carries out, then answers 200 with a page.
    Html {},
    /// Carries out; the answer's Date is off by so many seconds.
    WrongDate {
        /// Seconds.
        offset_seconds: i64,
    },
    /// Answers with a redirect and does nothing.
    Redirect {
        /// Where to.
        location: String,
    },
    /// Answers 429 with `Retry-After` above a rate, and does nothing.
    RateLimit(RateLimit),
    /// A rate limit that was hit.
    #[serde(skip)]
    TooMany {
        /// Until the next request, in seconds.
        seconds: u64,
    },
    /// Carries out, then answers with a body of this size.
    Oversized {
        /// Bytes.
        bytes: usize,
    },
}

impl Fault {
    /// A rule that strikes always.
    pub fn always(operation: &str, action: Action) -> Self {
        Self {
            operation: operation.to_owned(),
            method: None,
            nth: None,
            every: None,
            from: None,
            to: None,
            probability: None,
            seed: 0,
            times: None,
            action,
            seen: 0,
            struck: 0,
            bucket: None,
        }
    }

    /// The same rule, for the n-th matching call only.
    #[must_use]
    pub fn nth(self, nth: u64) -> Self {
        Self { nth: Some(nth), ..self }
    }

    /// The same rule, with a probability.
    #[must_use]
    pub fn with_probability(self, probability: f64, seed: u64) -> Self {
        Self { probability: Some(probability), seed, ..self }
    }

    /// The same rule, at most so many times.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times: Some(times), ..self }
    }

    fn strikes(&mut self, operation: &str, method: &str, now: Instant) -> Option<Action> {
        let meant = self.method.as_deref().is_none_or(|meant| meant.eq_ignore_ascii_case(method));
        if !meant || (self.operation != "*" && self.operation != operation) {
            return None;
        }
        self.seen += 1;
        let seen = self.seen;
        let hit = self.nth.is_none_or(|nth| seen == nth)
            && self.every.is_none_or(|every| every > 0 && seen.is_multiple_of(every))
            && self.from.is_none_or(|from| seen >= from)
            && self.to.is_none_or(|to| seen <= to)
            && self.times.is_none_or(|times| self.struck < times)
            && self.probability.is_none_or(|probability| draw(self.seed, seen) < probability);
        if !hit {
            return None;
        }
        let action = match self.action {
            Action::RateLimit(limit) => {
                let bucket = self.bucket.get_or_insert_with(|| Bucket::full(limit, now));
                Action::TooMany { seconds: bucket.take(limit, now)? }
            }
            ref action => action.clone(),
        };
        self.struck += 1;
        Some(action)
    }
}

/// A number from 0 to 1, the same for the same seed and call.
fn draw(seed: u64, call: u64) -> f64 {
    let mut mixed = seed.wrapping_add(call.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or_default())
        / f64::from(u32::MAX)
}

/// The first rule that strikes this call; every matching rule counts it.
pub(super) fn strike(
    faults: &mut [Fault],
    operation: &str,
    method: &str,
    now: Instant,
) -> Option<Action> {
    let mut action = None;
    for fault in faults {
        let struck = fault.strikes(operation, method, now);
        action = action.or(struck);
    }
    action
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(mut fault: Fault, calls: u64) -> Vec<u64> {
        let mut strikes = || fault.strikes("createCandidate", "POST", Instant::now()).is_some();
        (1..=calls).filter(|_| strikes()).collect()
    }

    #[test]
    fn rules_strike_where_they_say() {
        let fault = || Fault::always("createCandidate", Action::ResetBeforeCommit {});
        assert_eq!(hits(fault().nth(3), 6), [3]);
        assert_eq!(hits(Fault { every: Some(2), ..fault() }, 6), [2, 4, 6]);
        assert_eq!(hits(Fault { from: Some(2), to: Some(3), ..fault() }, 6), [2, 3]);
        assert_eq!(hits(fault().times(1), 6), [1]);
        let elsewhere = fault().strikes("listCandidates", "GET", Instant::now());
        assert_eq!(elsewhere, None);
        assert_eq!(hits(Fault { method: Some("GET".to_owned()), ..fault() }, 6), Vec::<u64>::new());
        let some = hits(fault().with_probability(0.2, 7), 1000).len();
        assert!((150..250).contains(&some), "{some}");
    }
}
