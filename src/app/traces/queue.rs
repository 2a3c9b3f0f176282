//! Spans that have ended wait here for their export. A span that finds the queue full is discarded:
//! nothing waits for a collector.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use opentelemetry::{
    Context, KeyValue,
    trace::{SpanId, SpanKind, Status},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter, SpanProcessor},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

/// Calls of one run or reconcile that become spans, and as many again of those that failed: a trace of
/// a million calls could be shown by nothing.
const CALLS: u64 = 1000;
/// Spans of one request to the collector.
const BATCH: usize = 512;
/// How long a span waits for others.
const DELAY: Duration = Duration::from_secs(1);

/// The calls of a run or reconcile that has not ended.
#[derive(Debug, Default)]
struct Calls {
    count: u64,
    kept: u64,
    kept_failed: u64,
}

impl Calls {
    /// Whether one more becomes a span.
    fn admit(&mut self, failed: bool) -> bool {
        self.count += 1;
        let kept = if self.count <= CALLS {
            &mut self.kept
        } else if failed && self.kept_failed < CALLS {
            &mut self.kept_failed
        } else {
            return false;
        };
        *kept += 1;
        true
    }

    /// What the span of their run or reconcile says of them.
    fn attributes(&self) -> [KeyValue; 2] {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        [
            KeyValue::new("clinch.call.count", number(self.count)),
            KeyValue::new("clinch.call.omitted", number(self.count - self.kept - self.kept_failed)),
        ]
    }
}

/// Where spans end.
#[derive(Debug)]
pub(super) struct Queue {
    sender: mpsc::Sender<SpanData>,
    /// By the span that they are part of, which ends after them.
    calls: Mutex<HashMap<SpanId, Calls>>,
}

impl Queue {
    /// A queue in which `size` spans may wait.
    pub(super) fn new(size: usize) -> (Self, mpsc::Receiver<SpanData>) {
        let (sender, waiting) = mpsc::channel(size);
        (Self { sender, calls: Mutex::default() }, waiting)
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<SpanId, Calls>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, mut span: SpanData) {
        if span.span_kind == SpanKind::Client {
            let failed = matches!(span.status, Status::Error { .. });
            if !self.calls().entry(span.parent_span_id).or_default().admit(failed) {
                return;
            }
        } else if let Some(calls) = self.calls().remove(&span.span_context.span_id()) {
            span.attributes.extend(calls.attributes());
        }
        // Full, or closed at the end of the process.
        let _discarded = self.sender.try_send(span).is_err();
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Exports spans until `stop` is cancelled and none waits.
pub(super) async fn export(
    mut waiting: mpsc::Receiver<SpanData>,
    exporter: impl SpanExporter,
    stop: CancellationToken,
) {
    let mut failing = false;
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            _ = waiting.recv_many(&mut batch, BATCH) => {}
            () = stop.cancelled(), if !waiting.is_closed() => {
                waiting.close();
                continue;
            }
        }
        if batch.is_empty() {
            return;
        }
        let more = async {
            while batch.len() < BATCH {
                let room = BATCH - batch.len();
                if waiting.recv_many(&mut batch, room).await == 0 {
                    return;
                }
            }
        };
        // Neither elapsed time nor the end of the process is a failure.
        let _all = stop.run_until_cancelled(timeout(DELAY, more)).await;
        let spans = batch.len();
        match exporter.export(batch).await {
            Err(error) if !failing => {
                tracing::warn!(%error, spans, "cannot export traces; spans are discarded until it works");
                failing = true;
            }
            Ok(()) if failing => {
                tracing::info!("traces are exported again");
                failing = false;
            }
            Err(_) | Ok(()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use opentelemetry::trace::{Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::{error::OTelSdkError, trace::SdkTracerProvider};
    use tokio::{sync::Notify, task::yield_now, time::Instant};

    use super::{
        super::{Exporting, FLUSH},
        *,
    };

    /// What an exporter was given; it answers only when `may_answer` is notified.
    #[derive(Debug, Default)]
    struct Slow {
        batches: Mutex<Vec<usize>>,
        may_answer: Notify,
    }

    #[derive(Debug, Clone, Default)]
    struct Exporter(Arc<Slow>);

    impl SpanExporter for Exporter {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.batches.lock().unwrap().push(batch.len());
            self.0.may_answer.notified().await;
            Err(OTelSdkError::InternalFailure("refused".to_owned()))
        }
    }

    fn end_spans(provider: &SdkTracerProvider, count: usize) {
        let tracer = provider.tracer("test");
        (0..count).for_each(|_| drop(tracer.start("span")));
    }

    fn started(size: usize) -> (SdkTracerProvider, Exporter, Exporting) {
        let (queue, waiting) = Queue::new(size);
        let provider = SdkTracerProvider::builder().with_span_processor(queue).build();
        let (exporter, stop) = (Exporter::default(), CancellationToken::new());
        let task = tokio::spawn(export(waiting, exporter.clone(), stop.clone()));
        let exporting = Exporting { task, stop, _provider: provider.clone() };
        (provider, exporter, exporting)
    }

    #[test]
    fn of_many_calls_the_first_are_kept_and_as_many_that_failed_later() {
        let mut calls = Calls::default();
        let kept = |calls: &mut Calls, failed| (0..3000).filter(|_| calls.admit(failed)).count();
        assert_eq!(kept(&mut calls, false), 1000);
        assert_eq!(kept(&mut calls, true), 1000);
        let [count, omitted] = calls.attributes();
        assert_eq!((count.value, omitted.value), (6000_i64.into(), 4000_i64.into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_discards_spans_and_holds_up_nobody() {
        let (provider, exporter, exporting) = started(10);
        end_spans(&provider, 25);
        exporter.0.may_answer.notify_one();
        exporting.end().await;
        assert_eq!(*exporter.0.batches.lock().unwrap(), [10]);
        end_spans(&provider, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn spans_are_exported_together_and_the_last_ones_at_the_end() {
        let (provider, exporter, exporting) = started(2048);
        end_spans(&provider, 3);
        while exporter.0.batches.lock().unwrap().is_empty() {
            tokio::time::sleep(DELAY).await;
        }
        end_spans(&provider, 600);
        // A failure of one batch is not one of the next.
        for _ in 0..3 {
            exporter.0.may_answer.notify_one();
            yield_now().await;
        }
        let ending = tokio::spawn(exporting.end());
        while exporter.0.batches.lock().unwrap().len() < 3 {
            exporter.0.may_answer.notify_one();
            yield_now().await;
        }
        exporter.0.may_answer.notify_one();
        ending.await.unwrap();
        assert_eq!(*exporter.0.batches.lock().unwrap(), [3, 512, 88]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_collector_that_never_answers_delays_the_end_by_five_seconds() {
        let (provider, exporter, exporting) = started(10);
        end_spans(&provider, 1);
        let began = Instant::now();
        exporting.end().await;
        assert_eq!(began.elapsed(), FLUSH);
        assert_eq!(*exporter.0.batches.lock().unwrap(), [1]);
    }
}
