//! Objects that were created a moment ago together with what they name: the API server shows one before the
//! other, and so do watches. That is reported only once it lasts. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{
    api::{CommonStatus, ConditionType},
    conditions::find,
    domain::Reason,
};

/// How long what an object names may arrive after it.
const YOUNG: Duration = Duration::from_secs(5);

/// How long it is still waited before the first status says that something that the object names does not
/// exist; `None` if the status is to be written.
pub(super) fn awaits<S: CommonStatus>(
    meta: &ObjectMeta,
    previous: &S,
    next: &S,
    now: Timestamp,
) -> Option<Duration> {
    let is_first = find(previous.conditions(), ConditionType::Ready).is_none();
    let ready = find(next.conditions(), ConditionType::Ready)?;
    if !is_first || ready.reason != Reason::DependencyNotFound.as_str() {
        return None;
    }
    // A time in the future is the error of some clock.
    let age = now.duration_since(meta.creation_timestamp.as_ref()?.0);
    YOUNG.checked_sub(Duration::try_from(age).ok()?).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::{
        api::CandidateExportStatus,
        conditions::{self, Verdict},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn only_the_first_status_of_a_new_object_waits_for_what_is_not_there() {
        let none = CandidateExportStatus::default();
        let status = |reason| {
            let mut next = none.clone();
            let verdict = Verdict::reconciling(reason, "");
            conditions::apply(&none, &mut next, 1, Vec::new(), &verdict, at(100));
            next
        };
        let (absent, other) =
            (status(Reason::DependencyNotFound), status(Reason::DependencyNotReady));
        let meta = ObjectMeta { creation_timestamp: Some(Time(at(100))), ..ObjectMeta::default() };
        let seconds =
            |previous, next, now| awaits(&meta, previous, next, at(now)).map(|left| left.as_secs());
        assert_eq!(seconds(&none, &absent, 100), Some(5));
        assert_eq!(seconds(&none, &absent, 103), Some(2));
        assert_eq!(seconds(&none, &absent, 105), None, "it lasts");
        assert_eq!(seconds(&none, &absent, 99), None, "another clock");
        assert_eq!(seconds(&absent, &absent, 101), None, "it was said");
        assert_eq!(seconds(&none, &other, 101), None);
        assert_eq!(awaits(&ObjectMeta::default(), &none, &absent, at(100)), None);
    }
}
