//! The condition `NotifyReady`. Pure.

use super::Receiver;
use crate::{
    api::{ConditionType, NotifyAnswer, NotifyStatus},
    conditions::Observation,
    domain::{Cause, Reason},
};

/// Whether every receiver can be used, and took the last message; `None` where there is none.
pub(in crate::controllers) fn observation(
    receivers: &[Receiver],
    answers: &[NotifyStatus],
) -> Option<Observation> {
    if receivers.is_empty() {
        return None;
    }
    let faults = receivers.iter().filter_map(|receiver| {
        let answer = || answers.iter().find(|status| status.name == receiver.name);
        let Cause { reason, message } = match receiver.fault() {
            Some(cause) => cause.clone(),
            None => refusal(answer()?.last_answer)?,
        };
        Some(Cause::new(reason, format!("{}: {message}", receiver.name)))
    });
    let faults: Vec<Cause> = faults.collect();
    let (reason, message) = match faults.first() {
        None => {
            let names: Vec<&str> = receivers.iter().map(|one| one.name.as_str()).collect();
            (Reason::Notifying, format!("receivers: {}", names.join(", ")))
        }
        Some(first) => {
            let all: Vec<&str> = faults.iter().map(|cause| cause.message.as_str()).collect();
            (first.reason, all.join("; "))
        }
    };
    Some(Observation::new(ConditionType::NotifyReady, faults.is_empty(), reason, message))
}

/// What is wrong with a receiver that answers like this.
fn refusal(answer: NotifyAnswer) -> Option<Cause> {
    let (reason, message) = match answer {
        NotifyAnswer::Taken => return None,
        NotifyAnswer::Redirected => (
            Reason::NotifyRejected,
            "the receiver redirects, which is not followed: put the final URL into its Secret",
        ),
        NotifyAnswer::Refused => (
            Reason::NotifyRejected,
            "the receiver refuses messages (a status from 400 to 499): check the URL in its Secret, and \
             that it knows the signing key",
        ),
        NotifyAnswer::Failed => (
            Reason::NotifyUnreachable,
            "the receiver fails (a status of 500 or above); messages are sent again",
        ),
        NotifyAnswer::NoAnswer => {
            (Reason::NotifyUnreachable, "the receiver does not answer; messages are sent again")
        }
    };
    Some(Cause::new(reason, message))
}
