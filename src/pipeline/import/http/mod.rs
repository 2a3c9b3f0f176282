//! The sink that sends what it gets to an HTTP endpoint: signed batches, each with an id that is the same
//! whenever its bytes are. Makes requests through [`Poster`]. Nothing of an answer but its status is used.

mod answer;
mod body;
#[cfg(test)]
mod tests;

use std::{future::Future, time::Duration};

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

pub use self::answer::{Verdict, asked_to_wait, verdict};
use self::body::{Body, Sent, body, divided};
use super::{
    report::{ImportProgress, LastManifest, SinkTrouble},
    sink::{Batch, BatchLimits, Delivered, GaveUp, Manifest, Patience, Refused, Sink, SinkFault},
    spec::ImportName,
};
use crate::{
    domain::{Cause, Clock, Disposition, Fence, Grant, GrantState, Reason, backoff},
    signing::WebhookKeys,
    storage::{Endpoint, Posted, WriteFault},
};

/// How long one batch is tried before the run ends.
const PATIENCE: Duration = Duration::from_mins(15);
/// The longest pause between two attempts that the endpoint does not ask for.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How many batches are declared together: the fewer, the more is stored; the more, the more is sent again
/// after a crash.
const BATCHES_OF_A_WINDOW: usize = 10;
/// The most people of a window, but for those of one batch.
const MAX_WINDOW: usize = 2000;
/// The most bytes of a window, but for one record.
const MAX_WINDOW_BYTES: usize = 8 << 20;
/// Behind so many people refused in a row, batches are sent as single records: halves would only be more
/// requests.
const MANY_REFUSED: u64 = 100;

/// Sends bodies. A trait, so that tests need no socket.
pub trait Poster: Send + Sync {
    /// Sends a body; one attempt.
    fn post(
        &self,
        headers: HeaderMap,
        body: Bytes,
    ) -> impl Future<Output = Result<Posted, WriteFault>> + Send;

    /// The place, for messages.
    fn shown(&self) -> String;
}

impl Poster for Endpoint {
    async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<Posted, WriteFault> {
        Self::post(self, headers, body).await
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

/// Whether a run may send. Looked at before each attempt.
#[derive(Debug, Clone)]
pub struct SinkGate {
    /// Whether this process may write.
    pub fence: Fence,
    /// Whether the integration permits the import.
    pub grant: Grant,
    /// Ends the run.
    pub cancel: CancellationToken,
    /// Where the run reports what it meets.
    pub reports: watch::Sender<ImportProgress>,
}

impl SinkGate {
    /// Shows what the last attempt met, or that one was answered.
    fn show(&self, trouble: Option<SinkTrouble>) {
        self.reports.send_if_modified(|progress| {
            let is_news = progress.trouble != trouble;
            progress.trouble = trouble;
            is_news
        });
    }

    fn check(&self) -> Result<(), SinkFault> {
        let may = !self.cancel.is_cancelled()
            && self.fence.holds()
            && self.grant.state() != GrantState::Revoked;
        if may { Ok(()) } else { Err(SinkFault::Stopped) }
    }

    async fn wait(&self, pause: Duration) -> Result<(), SinkFault> {
        let slept = self.cancel.run_until_cancelled(tokio::time::sleep(pause)).await;
        slept.ok_or(SinkFault::Stopped)
    }
}

/// What the spec says about batches.
#[derive(Debug, Clone)]
pub struct HttpSinkSettings {
    /// Whose batches they are.
    pub import: ImportName,
    /// The most records of a batch.
    pub max_records: usize,
    /// The most bytes of a batch. One record may be larger.
    pub max_bytes: usize,
    /// Signs them.
    pub keys: WebhookKeys,
}

/// An endpoint that takes batches.
#[derive(Debug)]
pub struct HttpSink<P> {
    poster: P,
    settings: HttpSinkSettings,
    gate: SinkGate,
    clock: Clock,
}

impl<P: Poster> HttpSink<P> {
    /// A sink that sends through `poster`.
    pub fn new(poster: P, settings: HttpSinkSettings, gate: SinkGate, clock: Clock) -> Self {
        Self { poster, settings, gate, clock }
    }

    /// Sends records as one batch, or in halves of it down to one record. Adds the refused ones to
    /// `delivered`.
    async fn send(
        &self,
        number: u64,
        records: &[Sent<'_>],
        patience: &mut Patience,
        delivered: &mut Delivered,
    ) -> Result<(), SinkFault> {
        let ImportName { uid, .. } = &self.settings.import;
        let name = self.settings.import.to_string();
        let mut waiting = vec![records];
        while let Some(records) = waiting.pop() {
            let answer = self.post(&body(uid, &name, number, records)).await?;
            match (answer, records) {
                (None, _) => patience.refused = 0,
                (Some(status), [one]) if patience.refused >= patience.most => {
                    delivered.gave_up = Some(self.give_up(status, one, *patience));
                    return Ok(());
                }
                (Some(status), [one]) => {
                    patience.refused += 1;
                    delivered.refused.push(refused(status, one));
                }
                (Some(_), many) if patience.refused >= MANY_REFUSED => {
                    waiting.extend(many.chunks(1).rev());
                }
                (Some(_), many) => {
                    let (first, second) = many.split_at(many.len() / 2);
                    waiting.extend([second, first]);
                }
            }
        }
        Ok(())
    }

    fn give_up(&self, status: u16, record: &Sent<'_>, patience: Patience) -> GaveUp {
        let (shown, most) = (self.poster.shown(), patience.most);
        GaveUp {
            from: record.at,
            disposition: Disposition::Stalled { reason: Reason::SinkRejected },
            message: format!(
                "{shown} refused {most} people in a row, the last one with status {status}: check that it \
                 takes these records. The next run goes on behind them, and offers them again after the \
                 others"
            ),
        }
    }

    /// Sends one body until there is an answer that says what to do: `None`, it is taken; else the status
    /// that it is refused with.
    async fn post(&self, body: &Body) -> Result<Option<u16>, SinkFault> {
        let (started, mut failures) = (Instant::now(), 0_u32);
        let mut since = None;
        loop {
            self.gate.check()?;
            let headers = self.headers(body);
            let (asked, fault) = match self.poster.post(headers, body.bytes.clone()).await {
                Ok(Posted { status, retry_after }) => match verdict(status) {
                    Verdict::Taken => {
                        self.gate.show(None);
                        return Ok(None);
                    }
                    Verdict::Refused => {
                        self.gate.show(None);
                        return Ok(Some(status));
                    }
                    Verdict::Later => {
                        let asked = asked_to_wait(retry_after.as_deref(), self.clock.now());
                        (asked, format!("answers with status {status}"))
                    }
                    Verdict::Denied(what) => {
                        let reason = Reason::DestinationDenied;
                        let shown = self.poster.shown();
                        return Err(SinkFault::Failed {
                            disposition: Disposition::Stalled { reason },
                            message: format!("{shown} answers with status {status}; {what}"),
                        });
                    }
                },
                Err(fault) if fault.is_transient() => (Duration::ZERO, fault.to_string()),
                Err(fault) => {
                    let message = format!("{} {fault}", self.poster.shown());
                    return Err(SinkFault::Failed { disposition: fault.disposition(), message });
                }
            };
            let usual = (backoff(failures) / 4).min(LONGEST_PAUSE);
            let pause = usual.mul_f64(1.0 + fastrand::f64() / 4.0).max(asked);
            if started.elapsed() + pause > PATIENCE {
                let reason = Reason::DestinationUnreachable;
                let (shown, tried) = (self.poster.shown(), failures + 1);
                return Err(SinkFault::Failed {
                    disposition: Disposition::Retry { reason, after: asked },
                    message: format!("{shown} {fault}; attempts: {tried}"),
                });
            }
            failures += 1;
            self.gate.show(Some(self.trouble(&fault, &mut since, pause)));
            self.gate.wait(pause).await?;
        }
    }

    /// What an attempt met that is repeated after a pause. `since`: when the first one did.
    fn trouble(&self, fault: &str, since: &mut Option<Timestamp>, pause: Duration) -> SinkTrouble {
        let now = self.clock.now();
        let message = format!("{} {fault}", self.poster.shown());
        SinkTrouble {
            cause: Cause::new(Reason::DestinationUnreachable, message),
            since: *since.get_or_insert(now),
            until: now.saturating_add(pause).unwrap_or(now),
        }
    }

    /// The headers of an attempt.
    fn headers(&self, body: &Body) -> HeaderMap {
        self.settings.keys.headers(&body.id, self.clock.now().as_second(), &body.bytes)
    }
}

fn refused(status: u16, record: &Sent<'_>) -> Refused {
    let message = format!("the endpoint refuses the record with status {status}");
    let cause = Cause::new(Reason::SinkRejected, message);
    Refused { at: record.at, id: record.id.clone(), cause }
}

impl<P: Poster> Sink for HttpSink<P> {
    fn limits(&self) -> BatchLimits {
        let most = MAX_WINDOW.max(self.settings.max_records);
        let rows = (self.settings.max_records * BATCHES_OF_A_WINDOW).min(most);
        BatchLimits { rows, bytes: MAX_WINDOW_BYTES }
    }

    fn is_declared_to(&self) -> bool {
        true
    }

    /// Milliseconds since 1970: more than there were batches before.
    fn before_batches_of_run(&self) -> u64 {
        u64::try_from(self.clock.now().as_millisecond()).unwrap_or_default()
    }

    async fn deliver(
        &self,
        batch: &Batch,
        patience: &mut Patience,
    ) -> Result<Delivered, SinkFault> {
        let records = batch.ids.iter().zip(batch.records()).enumerate();
        let records: Vec<Sent<'_>> =
            records.map(|(at, (id, json))| Sent { at, id, json }).collect();
        let HttpSinkSettings { max_records, max_bytes, .. } = self.settings;
        let mut delivered = Delivered { last: batch.number, ..Delivered::default() };
        for (number, records) in (batch.number..).zip(divided(&records, max_records, max_bytes)) {
            delivered.last = number;
            self.send(number, records, patience, &mut delivered).await?;
            if delivered.gave_up.is_some() {
                break;
            }
        }
        Ok(delivered)
    }

    async fn close(&self, _: &Manifest) -> Result<Option<LastManifest>, SinkFault> {
        Ok(None)
    }
}
