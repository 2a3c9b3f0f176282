//! Notifications: a message to each receiver of an integration when it, or an export or import that may use
//! it, is Stalled or fails for a while, and when it is Ready again.
//!
//! A pass decides what is due from the status alone (`standing.rs`, `next.rs`), writes that into the status,
//! and hands the message over only then. A task delivers it, and the next pass writes that it was delivered.
//! So a process that takes over sends what is not known to be delivered, with the number it had, and nothing
//! twice that is. No pass and no run waits for a receiver. Does network I/O in tasks of its own.

mod condition;
mod delivery;
mod message;
mod next;
mod receiver;
mod standing;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

pub(super) use self::{
    condition::observation,
    receiver::{Receiver, receivers, secret_fault},
};
use self::{
    delivery::{Delivery, Ended},
    message::Message,
    next::{Step, To, Tried, step},
    receiver::Target,
    standing::standing,
};
use super::{
    access::{Access, access_of},
    observer::{NotificationOutcome, WorkObserver},
    settings::{Enqueue, NotifySettings},
    shards::{Shards, Use},
};
use crate::{
    api::{ClinchIntegration, Notified, Notifies, NotifyAnswer, NotifyStatus},
    cluster::{Kind, ObjectKey, ObjectRef},
    domain::{Clock, Fence},
};

/// How many messages may wait for one receiver. What is beyond is handed over by a later pass.
const MAX_WAITING: usize = 64;
/// When a pass hands over what could not be handed over now.
const AGAIN: Duration = Duration::from_mins(1);
/// When a message that was not delivered is handed over again.
const FAILED_AGAIN: Duration = Duration::from_mins(30);

/// Sends notifications.
#[derive(Clone)]
pub(super) struct Notifier {
    state: Arc<Mutex<State>>,
    settings: NotifySettings,
    shards: Shards,
    clock: Clock,
    fence: Fence,
    enqueue: Enqueue,
    work: Arc<dyn WorkObserver>,
    stop: CancellationToken,
    is_silent: bool,
}

#[derive(Default)]
struct State {
    /// By the UID of the integration.
    known: HashMap<String, Known>,
    /// By the UID of the object and the name of the receiver.
    jobs: HashMap<(String, String), Job>,
}

/// What is known of the receivers of an integration.
#[derive(Default)]
struct Known {
    key: Option<ObjectKey>,
    receivers: Vec<Receiver>,
    /// What each answered last. `None`: nothing since it is another receiver.
    answers: HashMap<String, Option<NotifyAnswer>>,
    /// The objects with a message that could not be handed over.
    wanting: HashSet<(Kind, ObjectKey)>,
    /// Whether a Secret could not be read.
    has_unread: bool,
    /// Whether another shard gets the integration.
    is_leaving: bool,
}

impl Known {
    fn target(&self, name: &str) -> Option<&Target> {
        self.receivers.iter().find(|known| known.name == name)?.target.as_ref().ok()
    }
}

/// The latest message about an object to a receiver.
struct Job {
    object: (Kind, ObjectKey),
    integration: String,
    number: i64,
    cancel: CancellationToken,
    /// Keeps the integration with this process until what was delivered is written down.
    used: Option<Use>,
    ended: Option<JobEnd>,
}

enum JobEnd {
    Delivered,
    /// It is handed over again at this time.
    Failed(Timestamp),
}

/// A message that a pass has decided on.
struct Prepared {
    integration: String,
    receiver: String,
    number: i64,
    message: Message,
}

impl Notifier {
    pub(super) fn new(
        settings: NotifySettings,
        shards: Shards,
        (clock, fence): (Clock, Fence),
        enqueue: Enqueue,
        work: Arc<dyn WorkObserver>,
        stop: CancellationToken,
    ) -> Self {
        let state = Arc::default();
        Self { state, settings, shards, clock, fence, enqueue, work, stop, is_silent: false }
    }

    /// Sends nothing from now on.
    pub(super) fn silence(&mut self) {
        self.is_silent = true;
    }

    /// Reports what becomes of messages from now on.
    pub(super) fn observe_with(&mut self, work: Arc<dyn WorkObserver>) {
        self.work = work;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses these receivers of an integration from now on.
    pub(super) fn set_receivers(&self, uid: &str, key: &ObjectKey, receivers: &[Receiver]) {
        let mut due = Vec::new();
        {
            let mut state = self.state();
            let State { known, jobs } = &mut *state;
            let known = known.entry(uid.to_owned()).or_default();
            let mut changed = known.is_leaving;
            known.key = Some(key.clone());
            known.has_unread = receivers.iter().any(|receiver| receiver.is_unread);
            known.is_leaving = false;
            let mut now = Vec::with_capacity(receivers.len());
            for receiver in receivers {
                let before = known.receivers.iter().find(|before| before.name == receiver.name);
                match before {
                    // What was read last is used meanwhile.
                    Some(before) if receiver.is_unread || before.is_same(receiver) => {
                        now.push(before.clone());
                    }
                    before => {
                        changed = true;
                        // What a receiver of another process answered is in the status.
                        if before.is_some_and(|before| before.target.is_ok()) {
                            known.answers.insert(receiver.name.clone(), None);
                        }
                        // What the one before did not take may be taken by this one.
                        jobs.retain(|(_, name), job| {
                            let failed = matches!(job.ended, Some(JobEnd::Failed(_)));
                            let gone = failed && job.integration == uid && *name == receiver.name;
                            if gone {
                                known.wanting.insert(job.object.clone());
                            }
                            !gone
                        });
                        now.push(receiver.clone());
                    }
                }
            }
            known.answers.retain(|name, _| now.iter().any(|receiver| receiver.name == *name));
            known.receivers = now;
            if changed {
                due.extend(known.wanting.drain());
            }
        }
        for (kind, key) in due {
            (self.enqueue)(kind, &key);
        }
    }

    /// What the receivers of an integration answered last, as far as it is known.
    pub(super) fn answers(&self, uid: &str, previous: &[NotifyStatus]) -> Vec<NotifyStatus> {
        let state = self.state();
        let Some(known) = state.known.get(uid) else { return previous.to_vec() };
        let answers = known.receivers.iter().filter_map(|receiver| {
            let written = || previous.iter().find(|before| before.name == receiver.name);
            let last_answer = match known.answers.get(&receiver.name) {
                Some(answer) => *answer,
                None => written().map(|written| written.last_answer),
            }?;
            Some(NotifyStatus { name: receiver.name.clone(), last_answer })
        });
        answers.collect()
    }

    /// What is due after a pass of an object, whose next status is given: notes in it what is being sent, and
    /// what was delivered. [`Due::done`] must be called once that status is written.
    pub(super) fn due<S: Notifies>(
        &self,
        (key, found): (&ObjectKey, &ClinchIntegration),
        labels: impl FnOnce(&str) -> Option<BTreeMap<String, String>>,
        object: &ObjectRef,
        next: &mut S,
    ) -> Due<'_> {
        let mut due = self.recorded(object, next);
        let receivers = &found.spec.notify;
        let is_named = |entry: &Notified| receivers.iter().any(|one| one.name == entry.name);
        next.notified_mut().retain(is_named);
        let before = next.fault_mut().take();
        let uid = found.metadata.uid.as_deref().unwrap_or_default();
        // Who is not let in sends nothing to the admin, not even a name.
        let granted = || access_of(key, &found.spec, &object.key.namespace, labels);
        if self.is_silent || receivers.is_empty() || granted() != Access::Granted {
            return due;
        }
        let now = self.clock.now();
        let (standing, fault) = standing(next, before.as_ref(), now);
        *next.fault_mut() = fault;
        let mut state = self.state();
        let State { known, jobs } = &mut *state;
        let known = known.entry(uid.to_owned()).or_default();
        if object.kind == Kind::Integration && known.has_unread {
            // No watch says when the permission to read a Secret is granted.
            due.again = Some(AGAIN);
        }
        for receiver in receivers {
            let name = receiver.name.as_str();
            let job = jobs.get(&(object.uid.clone(), name.to_owned()));
            let tried = match job.map(|job| &job.ended) {
                None | Some(Some(JobEnd::Delivered)) => Tried::Not,
                Some(None) => Tried::UnderWay,
                Some(Some(JobEnd::Failed(until))) => Tried::Until(*until),
            };
            let before = next.notified_mut().iter().position(|entry| entry.name == name);
            let entry = before.map(|at| next.notified_mut()[at].clone());
            let patience = receiver.patience();
            let to = To { name, patience, before: entry.as_ref(), tried };
            match step(to, &standing, now) {
                Step::Rest => {}
                Step::Wait(wait) => due.again = earliest(due.again, Some(wait)),
                Step::Send { .. } if known.is_leaving || known.target(name).is_none() => {
                    known.wanting.insert((object.kind, object.key.clone()));
                }
                Step::Send { entry, quiet_until } => {
                    let about = (object, key, self.settings.cluster.as_deref());
                    let message = Message::new(about, &entry, next.conditions(), quiet_until);
                    due.prepared.push(Prepared {
                        integration: uid.to_owned(),
                        receiver: name.to_owned(),
                        number: entry.number,
                        message,
                    });
                    match before {
                        Some(at) => next.notified_mut()[at] = entry,
                        None => next.notified_mut().push(entry),
                    }
                }
            }
        }
        due
    }

    /// Notes in the next status of an object what was delivered, and sends nothing.
    pub(super) fn recorded<S: Notifies>(&self, object: &ObjectRef, next: &mut S) -> Due<'_> {
        let mut delivered = Vec::new();
        let state = self.state();
        for entry in next.notified_mut() {
            let name = (object.uid.clone(), entry.name.clone());
            let Some(job) = state.jobs.get(&name) else { continue };
            if matches!(job.ended, Some(JobEnd::Delivered)) {
                entry.delivered |= job.number == entry.number;
                delivered.push(name);
            }
        }
        drop(state);
        Due { notifier: self, object: object.clone(), delivered, prepared: Vec::new(), again: None }
    }

    /// Another shard gets this integration: nothing more is sent, but for what is being sent now.
    pub(super) fn leave(&self, uid: &str) {
        let mut state = self.state();
        state.known.entry(uid.to_owned()).or_default().is_leaving = true;
        let jobs = state.jobs.values().filter(|job| job.integration == uid);
        jobs.for_each(|job| job.cancel.cancel());
    }

    /// Forgets an integration that was deleted or handed over.
    pub(super) fn forget_integration(&self, uid: &str) {
        let mut state = self.state();
        state.known.remove(uid);
        state.jobs.retain(|_, job| {
            let gone = job.integration == uid;
            if gone {
                job.cancel.cancel();
            }
            !gone
        });
    }

    /// Forgets an object that was deleted.
    pub(super) fn forget(&self, uid: &str) {
        self.state().jobs.retain(|(object, _), job| {
            let gone = object == uid;
            if gone {
                job.cancel.cancel();
            }
            !gone
        });
    }

    /// Hands a message over to a task; false if it has to be tried again later.
    fn submit(&self, object: &ObjectRef, prepared: Prepared) -> bool {
        let Prepared { integration, receiver, number, message } = prepared;
        let name = (object.uid.clone(), receiver);
        let mut state = self.state();
        let Some(known) = state.known.get(&integration).filter(|known| !known.is_leaving) else {
            return true;
        };
        let Some(target) = known.target(&name.1).cloned() else { return true };
        let same = |(other, job): &(&(String, String), &Job)| {
            other.1 == name.1 && job.integration == integration && job.ended.is_none()
        };
        if state.jobs.iter().filter(same).count() >= MAX_WAITING {
            return false;
        }
        let Some(used) = self.shards.hold(&integration) else { return true };
        let cancel = self.stop.child_token();
        let delivery = Delivery {
            target,
            message,
            clock: self.clock.clone(),
            fence: self.fence.clone(),
            cancel: cancel.clone(),
        };
        let job = Job {
            object: (object.kind, object.key.clone()),
            integration,
            number,
            cancel,
            used: Some(used),
            ended: None,
        };
        state.jobs.insert(name.clone(), job);
        drop(state);
        let (notifier, answering) = (self.clone(), (self.clone(), name.clone()));
        let answered = move |answer| answering.0.answered(&answering.1, answer);
        tokio::spawn(async move {
            // A task of its own: a panic must not leave the message under way for ever.
            let ended = tokio::spawn(delivery.run(answered)).await;
            notifier.ended(&name, number, ended.unwrap_or(Ended::Panicked));
        });
        true
    }

    /// Takes the answer to one attempt.
    fn answered(&self, name: &(String, String), answer: NotifyAnswer) {
        let mut state = self.state();
        let State { known, jobs } = &mut *state;
        let known = jobs.get(name).and_then(|job| known.get_mut(&job.integration));
        let Some(known) = known else { return };
        if known.answers.insert(name.1.clone(), Some(answer)) == Some(Some(answer)) {
            return;
        }
        let key = known.key.clone();
        drop(state);
        // It shows the answer in its status.
        if let Some(key) = key {
            if answer != NotifyAnswer::Taken {
                tracing::warn!(integration = %key, receiver = name.1, ?answer, "a notification is not delivered");
            }
            (self.enqueue)(Kind::Integration, &key);
        }
    }

    /// Takes the end of a delivery.
    fn ended(&self, name: &(String, String), number: i64, ended: Ended) {
        let failed = || JobEnd::Failed(self.clock.now() + FAILED_AGAIN);
        let (end, outcome) = match ended {
            Ended::Taken => (Some(JobEnd::Delivered), Some(NotificationOutcome::Delivered)),
            Ended::Rejected => (Some(failed()), Some(NotificationOutcome::Rejected)),
            Ended::GivenUp => (Some(failed()), Some(NotificationOutcome::Unreachable)),
            Ended::Panicked => {
                tracing::error!(
                    "sending a notification panicked; this is a defect of the operator"
                );
                (Some(failed()), None)
            }
            Ended::Stopped => (None, None),
        };
        if let Some(outcome) = outcome {
            self.work.notified(outcome);
        }
        let mut state = self.state();
        let State { known, jobs } = &mut *state;
        // Forgotten, or followed by another message.
        let Some(job) = jobs.get_mut(name).filter(|job| job.number == number) else { return };
        let (kind, key) = job.object.clone();
        let Some(end) = end else {
            // It is still due, should this process keep the integration.
            if let Some(known) = known.get_mut(&job.integration) {
                known.wanting.insert((kind, key));
            }
            jobs.remove(name);
            return;
        };
        if matches!(end, JobEnd::Failed(_)) {
            // There is nothing to write down.
            job.used = None;
        }
        job.ended = Some(end);
        drop(state);
        (self.enqueue)(kind, &key);
    }
}

/// What is due after a pass.
#[must_use]
pub(super) struct Due<'a> {
    notifier: &'a Notifier,
    object: ObjectRef,
    delivered: Vec<(String, String)>,
    prepared: Vec<Prepared>,
    again: Option<Duration>,
}

impl Due<'_> {
    /// The status is written: what it says is being sent is handed over. Returns when the next pass is due;
    /// `wait`: as far as everything else is concerned.
    pub(super) fn done(self, wait: Option<Duration>) -> Option<Duration> {
        let Self { notifier, object, delivered, prepared, mut again } = self;
        for name in delivered {
            notifier.state().jobs.remove(&name);
        }
        for prepared in prepared {
            if !notifier.submit(&object, prepared) {
                again = earliest(again, Some(AGAIN));
            }
        }
        earliest(wait, again)
    }
}

fn earliest(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}
