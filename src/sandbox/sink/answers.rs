//! Answers that a test sink gives instead of its own. Pure.

use serde::Deserialize;

/// When a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum SinkCut {
    /// Before the batch is kept.
    BeforeCommit,
    /// After it, without an answer.
    AfterCommit,
}

/// An answer to batches, or to those that its conditions describe. One of `status` and `cut` says what
/// happens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SinkAnswer {
    /// The status; the batch is not kept.
    pub status: Option<u16>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// `Location`, for redirects.
    pub location: Option<String>,
    /// Where the connection is cut instead.
    pub cut: Option<SinkCut>,
    /// How often; absent: always.
    pub times: Option<u32>,
    /// Only batches with more records than this.
    pub above_records: Option<usize>,
    /// Only batches with a record of this Clinch id, or with this text anywhere in a record.
    pub with_record: Option<String>,
}

impl SinkAnswer {
    /// An answer with a status, always.
    pub fn status(status: u16) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// A cut, always.
    pub fn cut(cut: SinkCut) -> Self {
        Self { cut: Some(cut), ..Self::default() }
    }

    /// The same, so many times.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    fn applies(&self, records: &[serde_json::Value]) -> bool {
        let with = |wanted: &String| {
            records.iter().any(|record| record.to_string().contains(wanted.as_str()))
        };
        self.times != Some(0)
            && self.above_records.is_none_or(|above| records.len() > above)
            && self.with_record.as_ref().is_none_or(with)
    }
}

/// The first answer for a batch, which then has one time less.
pub(super) fn next(
    answers: &mut [SinkAnswer],
    records: &[serde_json::Value],
) -> Option<SinkAnswer> {
    let answer = answers.iter_mut().find(|answer| answer.applies(records))?;
    answer.times = answer.times.map(|times| times - 1);
    Some(answer.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_given_in_order_as_often_as_they_say() {
        let two = [json!({"clinch": {"id": "a"}}), json!({"clinch": {"id": "b"}})];
        let mut answers = [
            SinkAnswer::status(500).times(2),
            SinkAnswer { above_records: Some(1), ..SinkAnswer::status(413) },
            SinkAnswer { with_record: Some("b".into()), ..SinkAnswer::status(422) },
        ];
        let mut status = |records: &[_]| next(&mut answers, records).and_then(|next| next.status);
        assert_eq!([status(&two), status(&two), status(&two)], [Some(500), Some(500), Some(413)]);
        assert_eq!((status(&two[..1]), status(&two[1..])), (None, Some(422)));
    }
}
