//! Scripted faults: which calls they apply to, and what they do. Deterministic.

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
    /// Text that the body of a matching call contains; absent: any body.
    #[serde(default)]
    pub body_contains: Option<String>,
    /// Apply to the n-th matching call, from 1.
    #[serde(default)]
    pub nth: Option<u64>,
    /// Apply to every n-th matching call.
    #[serde(default)]
    pub every: Option<u64>,
    /// Apply from this matching call on.
    #[serde(default)]
    pub from: Option<u64>,
    /// Apply up to and including this matching call.
    #[serde(default)]
    pub to: Option<u64>,
    /// Apply with this probability, 0 to 1, drawn from `seed`.
    #[serde(default)]
    pub probability: Option<f64>,
    /// Seed of the draws.
    #[serde(default)]
    pub seed: u64,
    /// Apply at most this many times.
    #[serde(default)]
    pub times: Option<u64>,
    /// What it does.
    pub action: Action,
    /// Matching calls so far.
    #[serde(skip)]
    pub(super) seen: u64,
    /// Times applied so far.
    #[serde(skip)]
    pub(super) applied: u64,
    /// The state of a rate limit.
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
    /// Answers with a status without carrying the request out.
    Status {
        /// The status.
        code: u16,
        /// `Retry-After`, in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
        /// Answers with an HTML page instead of an error document.
        #[serde(default)]
        html: bool,
    },
    /// Waits before carrying the request out.
    Stall {
        /// Milliseconds.
        ms: u64,
    },
    /// Carries the request out at a set time, regardless of the client and its connection.
    Late {
        /// Milliseconds from arrival until the request is carried out.
        commit_ms: u64,
        /// Milliseconds from arrival until the response; absent: the real response, once the request
        /// was carried out.
        #[serde(default)]
        answer_ms: Option<u64>,
        /// The status of that response; absent: the connection is closed.
        #[serde(default)]
        code: Option<u16>,
        /// Answers with an HTML page instead of an error document.
        #[serde(default)]
        html: bool,
    },
    /// Closes the connection without carrying the request out.
    ResetBeforeCommit {},
    /// Carries the request out, then closes the connection without a response.
    ResetAfterCommit {},
    /// Carries the request out, then answers with a truncated document.
    Truncated {},
    /// Carries the request out, then answers with text that is not JSON.
    NotJson {},
    /// Carries the request out, then answers 200 with an HTML page.
    Html {},
    /// Carries the request out, and answers with a wrong `Date`.
    WrongDate {
        /// Offset of the `Date` in seconds.
        offset_seconds: i64,
    },
    /// Answers with a redirect without carrying the request out.
    Redirect {
        /// The target.
        location: String,
    },
    /// Above a rate, answers 429 with `Retry-After` without carrying the request out.
    RateLimit(RateLimit),
    /// The effect of a rate limit that was exceeded.
    #[serde(skip)]
    TooMany {
        /// Seconds until the next request is allowed.
        seconds: u64,
    },
    /// Carries the request out, then answers with a body of this size.
    Oversized {
        /// Bytes.
        bytes: usize,
    },
}

impl Fault {
    /// A rule that always applies.
    pub fn always(operation: &str, action: Action) -> Self {
        Self {
            operation: operation.to_owned(),
            method: None,
            body_contains: None,
            nth: None,
            every: None,
            from: None,
            to: None,
            probability: None,
            seed: 0,
            times: None,
            action,
            seen: 0,
            applied: 0,
            bucket: None,
        }
    }

    /// The same rule, for calls whose body contains a text.
    #[must_use]
    pub fn with_body(self, text: &str) -> Self {
        Self { body_contains: Some(text.to_owned()), ..self }
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

    /// The same rule, at most this many times.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times: Some(times), ..self }
    }

    fn apply(&mut self, call: Called<'_>, now: Instant) -> Option<Action> {
        let Called { operation, method, body } = call;
        let matches =
            self.method.as_deref().is_none_or(|expected| expected.eq_ignore_ascii_case(method))
                && self.body_contains.as_deref().is_none_or(|text| contains(body, text));
        if !matches || (self.operation != "*" && self.operation != operation) {
            return None;
        }
        self.seen += 1;
        let seen = self.seen;
        let hit = self.nth.is_none_or(|nth| seen == nth)
            && self.every.is_none_or(|every| every > 0 && seen.is_multiple_of(every))
            && self.from.is_none_or(|from| seen >= from)
            && self.to.is_none_or(|to| seen <= to)
            && self.times.is_none_or(|times| self.applied < times)
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
        self.applied += 1;
        Some(action)
    }
}

/// What rules are compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Called<'a> {
    pub(super) operation: &'a str,
    pub(super) method: &'a str,
    pub(super) body: &'a [u8],
}

fn contains(body: &[u8], text: &str) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text.as_bytes())
}

/// A number from 0 to 1, the same for the same seed and call.
fn draw(seed: u64, call: u64) -> f64 {
    let mut mixed = seed.wrapping_add(call.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or_default())
        / f64::from(u32::MAX)
}

/// The action of the first rule that applies to this call; every matching rule counts it.
pub(super) fn apply(faults: &mut [Fault], call: Called<'_>, now: Instant) -> Option<Action> {
    let mut action = None;
    for fault in faults {
        let applied = fault.apply(call, now);
        action = action.or(applied);
    }
    action
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATE: Called<'_> =
        Called { operation: "createCandidate", method: "POST", body: b"{\"a\": 1}" };

    fn hits(mut fault: Fault, calls: u64) -> Vec<u64> {
        let mut applies = || fault.apply(CREATE, Instant::now()).is_some();
        (1..=calls).filter(|_| applies()).collect()
    }

    #[test]
    fn rules_apply_as_written() {
        let fault = || Fault::always("createCandidate", Action::ResetBeforeCommit {});
        assert_eq!(hits(fault().nth(3), 6), [3]);
        assert_eq!(hits(Fault { every: Some(2), ..fault() }, 6), [2, 4, 6]);
        assert_eq!(hits(Fault { from: Some(2), to: Some(3), ..fault() }, 6), [2, 3]);
        assert_eq!(hits(fault().times(1), 6), [1]);
        let list = Called { operation: "listCandidates", method: "GET", body: b"" };
        assert_eq!(fault().apply(list, Instant::now()), None);
        assert_eq!(hits(fault().with_body("\"a\""), 2), [1, 2]);
        assert_eq!(hits(fault().with_body("\"b\""), 2), Vec::<u64>::new());
        assert_eq!(hits(Fault { method: Some("GET".to_owned()), ..fault() }, 6), Vec::<u64>::new());
        let some = hits(fault().with_probability(0.2, 7), 1000).len();
        assert!((150..250).contains(&some), "{some}");
    }
}
