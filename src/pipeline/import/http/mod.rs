//! The sink that sends what it gets to an HTTP endpoint: signed batches, each with an id that is the same
//! whenever its bytes are. Makes requests through [`Poster`]. Nothing of an answer but its status is used.

mod answer;
mod body;
#[cfg(test)]
mod tests;

use std::{
    future::Future,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::answer::{Verdict, asked_to_wait, verdict};
use self::body::{Body, Sent, body, divided};
use super::{
    report::LastManifest,
    sink::{Batch, BatchLimits, Delivered, Manifest, Refused, Sink, SinkFault},
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
/// So many people refused in a row, and none taken between them, are no matter of single people.
const MAX_REFUSED: u64 = 100;

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
}

impl SinkGate {
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
    /// People refused since one was taken.
    refused: AtomicU64,
}

impl<P: Poster> HttpSink<P> {
    /// A sink that sends through `poster`.
    pub fn new(poster: P, settings: HttpSinkSettings, gate: SinkGate, clock: Clock) -> Self {
        Self { poster, settings, gate, clock, refused: AtomicU64::new(0) }
    }

    /// Sends records as one batch, or in halves of it down to one record; the refused ones.
    async fn send(&self, number: u64, records: &[Sent<'_>]) -> Result<Vec<Refused>, SinkFault> {
        let ImportName { uid, .. } = &self.settings.import;
        let name = self.settings.import.to_string();
        let (mut waiting, mut refused) = (vec![records], Vec::new());
        while let Some(records) = waiting.pop() {
            let answer = self.post(&body(uid, &name, number, records)).await?;
            match (answer, records) {
                (None, _) => self.refused.store(0, Ordering::Relaxed),
                (Some(status), [one]) => {
                    refused.push(self.refuse(status, one)?);
                }
                (Some(_), _) => {
                    let (first, second) = records.split_at(records.len() / 2);
                    waiting.extend([second, first]);
                }
            }
        }
        Ok(refused)
    }

    fn refuse(&self, status: u16, record: &Sent<'_>) -> Result<Refused, SinkFault> {
        let reason = Reason::SinkRejected;
        if self.refused.fetch_add(1, Ordering::Relaxed) >= MAX_REFUSED {
            let message = format!(
                "{} refused {MAX_REFUSED} people in a row, the last one with status {status}: check \
                 that it takes these records",
                self.poster.shown()
            );
            return Err(SinkFault::Failed {
                disposition: Disposition::Stalled { reason },
                message,
            });
        }
        let message = format!("the endpoint refuses the record with status {status}");
        Ok(Refused { at: record.at, id: record.id.clone(), cause: Cause::new(reason, message) })
    }

    /// Sends one body until there is an answer that says what to do: `None`, it is taken; else the status
    /// that it is refused with.
    async fn post(&self, body: &Body) -> Result<Option<u16>, SinkFault> {
        let (started, mut failures) = (Instant::now(), 0_u32);
        loop {
            self.gate.check()?;
            let headers = self.headers(body);
            let (asked, fault) = match self.poster.post(headers, body.bytes.clone()).await {
                Ok(Posted { status, retry_after }) => match verdict(status) {
                    Verdict::Taken => return Ok(None),
                    Verdict::Refused => return Ok(Some(status)),
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
            self.gate.wait(pause).await?;
        }
    }

    /// The headers of an attempt.
    fn headers(&self, body: &Body) -> HeaderMap {
        self.settings.keys.headers(&body.id, self.clock.now().as_second(), &body.bytes)
    }
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
    fn before_first_batch(&self) -> u64 {
        u64::try_from(self.clock.now().as_millisecond()).unwrap_or_default()
    }

    async fn deliver(&self, batch: &Batch) -> Result<Delivered, SinkFault> {
        let records = batch.ids.iter().zip(batch.records()).enumerate();
        let records: Vec<Sent<'_>> =
            records.map(|(at, (id, json))| Sent { at, id, json }).collect();
        let HttpSinkSettings { max_records, max_bytes, .. } = self.settings;
        let (mut refused, mut number) = (Vec::new(), batch.number);
        for records in divided(&records, max_records, max_bytes) {
            refused.extend(self.send(number, records).await?);
            number += 1;
        }
        let last = number.saturating_sub(1).max(batch.number);
        Ok(Delivered { last, part: None, refused })
    }

    async fn close(&self, _: &Manifest) -> Result<Option<LastManifest>, SinkFault> {
        Ok(None)
    }
}
