//! The last step of every reconcile: writes the status if it differs, and publishes an Event when
//! the Ready condition changed. May do I/O through the port.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{
    api::{
        CommonStatus, ConditionType, FLUX_RECONCILE_REQUESTED_AT, Handled, RECONCILE_REQUESTED_AT,
        RETRY_REQUESTED_AT, STATUS_TRUE,
    },
    cluster::{Cluster, ClusterError, Kind, Notice, NoticeType, ObjectKey, ObjectRef, OurKind},
    conditions::{find, ready_changed},
    domain::Reason,
};

/// Writes `next` if it differs from `previous`, and publishes an Event when Ready changed. A pass
/// that changes nothing writes nothing.
pub(super) async fn publish<K: OurKind>(
    cluster: &impl Cluster,
    object: &ObjectRef,
    previous: &K::Status,
    next: K::Status,
    action: &'static str,
) -> Result<(), ClusterError> {
    if *previous == next {
        return Ok(());
    }
    let notice = ready_changed(previous, &next).then(|| notice(&next, action)).flatten();
    cluster.write_status::<K>(object, next).await?;
    if let Some(notice) = notice {
        announce(cluster, object, notice).await;
    }
    Ok(())
}

/// Logs and publishes an Event.
pub(super) async fn announce(cluster: &impl Cluster, object: &ObjectRef, notice: Notice) {
    let (kind, object_key, reason) = (object.kind, &object.key, notice.reason);
    match notice.kind {
        NoticeType::Normal => {
            tracing::info!(%kind, object = %object_key, %reason, "{}", notice.message);
        }
        NoticeType::Warning => {
            tracing::warn!(%kind, object = %object_key, %reason, "{}", notice.message);
        }
    }
    cluster.publish(object, notice).await;
}

fn notice<S: CommonStatus>(status: &S, action: &'static str) -> Option<Notice> {
    let ready = find(status.conditions(), ConditionType::Ready)?;
    let stalled = find(status.conditions(), ConditionType::Stalled).is_some();
    let reason = Reason::from_word(&ready.reason)?;
    let fine = ready.status == STATUS_TRUE || (!stalled && is_usual(reason));
    let kind = if fine { NoticeType::Normal } else { NoticeType::Warning };
    Some(Notice { kind, reason, action, message: ready.message.clone() })
}

/// Whether an object that is not Ready for this reason is so in the ordinary course of things: it works,
/// waits for an integration that reports its own faults, or is suspended by its spec.
const fn is_usual(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Progressing
            | Reason::DependencyNotReady
            | Reason::Suspended
            | Reason::IntegrationSuspended
            | Reason::HandingOver
            | Reason::OutsideWindow
    )
}

/// How status writes and Events name an object.
pub(super) fn object_ref(kind: Kind, key: &ObjectKey, meta: &ObjectMeta) -> ObjectRef {
    ObjectRef { kind, key: key.clone(), uid: meta.uid.clone().unwrap_or_default() }
}

/// A request by annotation that differs from the last one acted on: the receipts to write once this
/// one is acted on.
pub(super) fn new_request(meta: &ObjectMeta, handled: Option<&Handled>) -> Option<Handled> {
    let annotations = meta.annotations.as_ref()?;
    let requested =
        |name: &str| -> Option<String> { Some(annotations.get(name)?.chars().take(256).collect()) };
    let before = handled.cloned().unwrap_or_default();
    let reconcile =
        requested(RECONCILE_REQUESTED_AT).or_else(|| requested(FLUX_RECONCILE_REQUESTED_AT));
    let receipts = Handled {
        reconcile_requested_at: reconcile.or_else(|| before.reconcile_requested_at.clone()),
        retry_requested_at: requested(RETRY_REQUESTED_AT)
            .or_else(|| before.retry_requested_at.clone()),
        // Only exports have a ledger: `candidate_export::distrust`.
        distrust_ledger_requested_at: before.distrust_ledger_requested_at.clone(),
        // And only exports are verified: `candidate_export::drift`.
        verify_requested_at: before.verify_requested_at.clone(),
        // And lists whom it wrote: `candidate_export::listing`.
        written_requested_at: before.written_requested_at.clone(),
        // And only imports delete: `candidate_import::accepted`.
        accept_deletions: before.accept_deletions.clone(),
    };
    (receipts != before).then_some(receipts)
}

/// The receipts after this pass.
pub(super) fn receipt(previous: Option<&Handled>, request: Option<Handled>) -> Option<Handled> {
    request.or_else(|| previous.cloned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::CandidateExportStatus,
        conditions::{self, Standing, Verdict},
    };

    #[test]
    fn what_somebody_asked_for_is_a_normal_event() {
        let kind = |verdict: &Verdict| {
            let (previous, now) = (CandidateExportStatus::default(), jiff::Timestamp::UNIX_EPOCH);
            let mut next = previous.clone();
            conditions::apply(&previous, &mut next, 1, Vec::new(), verdict, now);
            notice(&next, "Push").unwrap().kind
        };
        let suspended = |standing| Verdict::Suspended { standing, message: String::new() };
        for standing in [Standing::InSync, Standing::Behind, Standing::NothingDue] {
            assert_eq!(kind(&suspended(standing)), NoticeType::Normal, "{standing:?}");
        }
        let usual = [
            Reason::Progressing,
            Reason::IntegrationSuspended,
            Reason::DependencyNotReady,
            Reason::OutsideWindow,
        ];
        for reason in usual {
            assert_eq!(kind(&Verdict::reconciling(reason, "")), NoticeType::Normal, "{reason}");
        }
        for reason in [Reason::RateLimited, Reason::VendorUnavailable] {
            assert_eq!(kind(&Verdict::reconciling(reason, "")), NoticeType::Warning, "{reason}");
        }
        assert_eq!(kind(&Verdict::stalled(Reason::InvalidSpec, "")), NoticeType::Warning);
    }

    fn meta(annotations: &[(&str, &str)]) -> ObjectMeta {
        let annotations = annotations.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        ObjectMeta { annotations: Some(annotations), ..ObjectMeta::default() }
    }

    #[test]
    fn a_request_is_new_until_it_has_a_receipt() {
        let asked = meta(&[(RECONCILE_REQUESTED_AT, "1")]);
        let request = new_request(&asked, None);
        let value = |request: &Option<Handled>| request.as_ref()?.reconcile_requested_at.clone();
        assert_eq!(value(&request).as_deref(), Some("1"));
        let handled = receipt(None, request);
        assert_eq!(new_request(&asked, handled.as_ref()), None);
        let again = meta(&[(RECONCILE_REQUESTED_AT, "2")]);
        assert_eq!(value(&new_request(&again, handled.as_ref())).as_deref(), Some("2"));
        assert_eq!(receipt(handled.as_ref(), None), handled, "receipts are kept");
    }

    #[test]
    fn fluxs_annotation_is_accepted_too() {
        let asked = meta(&[(FLUX_RECONCILE_REQUESTED_AT, "now")]);
        let receipts = new_request(&asked, None).unwrap();
        assert_eq!(receipts.reconcile_requested_at.as_deref(), Some("now"));
    }

    #[test]
    fn each_kind_of_request_has_a_receipt_of_its_own() {
        let first = meta(&[(RECONCILE_REQUESTED_AT, "1")]);
        let handled = receipt(None, new_request(&first, None));
        let both = meta(&[(RECONCILE_REQUESTED_AT, "1"), (RETRY_REQUESTED_AT, "2")]);
        let receipts = new_request(&both, handled.as_ref()).unwrap();
        assert_eq!(receipts.reconcile_requested_at.as_deref(), Some("1"));
        assert_eq!(receipts.retry_requested_at.as_deref(), Some("2"));
        assert_eq!(new_request(&both, Some(&receipts)), None);
        let gone = meta(&[]);
        assert_eq!(new_request(&gone, Some(&receipts)), None, "a receipt outlives its request");
    }
}
