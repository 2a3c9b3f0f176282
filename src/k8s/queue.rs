//! The queues of reconciles: watch events, progress of runs and rejected credentials all end up
//! here, and the controllers read them.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::waiting::Waiting;
use crate::cluster::{Kind, Lister, ObjectKey, Trigger, dependents};

/// Requests reconciles; cheap to clone.
#[derive(Clone)]
pub struct ReconcileQueue {
    queues: Arc<Vec<Queue>>,
    waiting: Waiting,
}

/// The queue of one controller: one kind, in one namespace or in all of them.
struct Queue {
    kind: Kind,
    namespace: Option<String>,
    requests: UnboundedSender<ObjectKey>,
}

/// Collects the queues of all controllers.
#[derive(Default)]
pub(super) struct QueueBuilder {
    queues: Vec<Queue>,
    waiting: Waiting,
}

impl QueueBuilder {
    /// Adds the queue of one controller and returns its reading end.
    pub(super) fn add(
        &mut self,
        kind: Kind,
        namespace: Option<String>,
    ) -> UnboundedReceiver<ObjectKey> {
        let (requests, receiver) = unbounded_channel();
        self.queues.push(Queue { kind, namespace, requests });
        receiver
    }

    /// Which requests have not begun.
    pub(super) fn waiting(&self) -> Waiting {
        self.waiting.clone()
    }

    pub(super) fn build(self) -> ReconcileQueue {
        ReconcileQueue { queues: Arc::new(self.queues), waiting: self.waiting }
    }
}

impl ReconcileQueue {
    /// Requests a reconcile of one object; ignored where its namespace is not watched. The
    /// controller merges requests for the same object.
    pub fn enqueue(&self, kind: Kind, key: &ObjectKey) {
        let queue = self.queues.iter().find(|queue| {
            queue.kind == kind
                && queue.namespace.as_deref().is_none_or(|watched| watched == key.namespace)
        });
        if let Some(queue) = queue {
            self.waiting.requested(kind, key);
            // A closed queue means shutdown.
            let _closed = queue.requests.send(key.clone()).is_err();
        }
    }

    /// Requests the reconciles that a change calls for.
    pub(super) fn enqueue_dependents(&self, trigger: &Trigger<'_>, seen: &impl Lister) {
        for (kind, key) in dependents(trigger, seen) {
            self.enqueue(kind, &key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reaches_the_controller_of_its_kind_and_namespace() {
        let mut builder = QueueBuilder::default();
        let mut exports_a = builder.add(Kind::Export, Some("a".to_owned()));
        let mut exports_b = builder.add(Kind::Export, Some("b".to_owned()));
        let mut integrations_b = builder.add(Kind::Integration, Some("b".to_owned()));
        let queue = builder.build();
        let key = ObjectKey::new("b", "x");
        queue.enqueue(Kind::Export, &key);
        queue.enqueue(Kind::Export, &ObjectKey::new("unwatched", "x"));
        assert_eq!(exports_b.try_recv(), Ok(key));
        assert!(exports_a.try_recv().is_err() && exports_b.try_recv().is_err());
        assert!(integrations_b.try_recv().is_err());
    }

    #[test]
    fn one_controller_of_a_kind_may_serve_all_namespaces() {
        let mut builder = QueueBuilder::default();
        let mut exports = builder.add(Kind::Export, None);
        let queue = builder.build();
        let key = ObjectKey::new("any", "x");
        queue.enqueue(Kind::Export, &key);
        assert_eq!(exports.try_recv(), Ok(key));
    }
}
