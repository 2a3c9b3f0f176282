//! Which reconciles a change calls for: watch events, run progress and rejected credentials all
//! end up here.

use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::stores::reference;
use crate::{
    api::{CandidateExport, ClinchIntegration, FieldMapping},
    cluster::{Kind, ObjectKey},
};

/// Asks for reconciles; cheap to clone. The queues are read by the controllers of each scope.
#[derive(Clone)]
pub struct Waker {
    scopes: std::sync::Arc<Vec<ScopeQueues>>,
}

struct ScopeQueues {
    namespace: Option<String>,
    integrations: UnboundedSender<ObjectRef<ClinchIntegration>>,
    mappings: UnboundedSender<ObjectRef<FieldMapping>>,
    exports: UnboundedSender<ObjectRef<CandidateExport>>,
}

/// The reading ends of one scope.
pub(crate) struct Wakes {
    pub(crate) integrations: UnboundedReceiver<ObjectRef<ClinchIntegration>>,
    pub(crate) mappings: UnboundedReceiver<ObjectRef<FieldMapping>>,
    pub(crate) exports: UnboundedReceiver<ObjectRef<CandidateExport>>,
}

impl Waker {
    /// A waker for the given scopes, with the reading ends in the same order.
    pub(crate) fn new(scopes: &[Option<String>]) -> (Self, Vec<Wakes>) {
        let (mut queues, mut wakes) = (Vec::new(), Vec::new());
        for namespace in scopes {
            let (integrations, integrations_rx) = unbounded_channel();
            let (mappings, mappings_rx) = unbounded_channel();
            let (exports, exports_rx) = unbounded_channel();
            let namespace = namespace.clone();
            queues.push(ScopeQueues { namespace, integrations, mappings, exports });
            wakes.push(Wakes {
                integrations: integrations_rx,
                mappings: mappings_rx,
                exports: exports_rx,
            });
        }
        (Self { scopes: std::sync::Arc::new(queues) }, wakes)
    }

    /// Asks for a reconcile of one object. Requests for the same object are merged.
    pub fn wake(&self, kind: Kind, key: &ObjectKey) {
        let watches = |queues: &&ScopeQueues| {
            queues.namespace.as_deref().is_none_or(|watched| watched == key.namespace)
        };
        let Some(queues) = self.scopes.iter().find(watches) else { return };
        // A closed queue means shutdown: nobody is left to wake.
        let _closed = match kind {
            Kind::Integration => queues.integrations.send(reference(key)).is_err(),
            Kind::Mapping => queues.mappings.send(reference(key)).is_err(),
            Kind::Export => queues.exports.send(reference(key)).is_err(),
        };
    }
}
