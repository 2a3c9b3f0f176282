//! Requests that are carried out late, whatever becomes of the connection that brought them: in a
//! task of their own, so that neither a client that is gone nor an answer already given stops them.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{
    counts::{Counter, UnderWay},
    respond::Answer,
    serve::{Cut, Received, scripted},
    server::GRACE,
    shared::Shared,
};

/// When a request is carried out, and what its client is answered.
pub(super) struct Late {
    pub(super) commit: Duration,
    /// When, and which status, if any; absent: the real answer.
    pub(super) answer: Option<(Duration, Option<u16>)>,
    pub(super) html: bool,
}

/// Counts a request once, also when its client goes away before an answer.
struct Uncounted<'a> {
    counter: &'a Counter,
    name: &'static str,
    status: Option<u16>,
}

impl Drop for Uncounted<'_> {
    fn drop(&mut self) {
        self.counter.count(self.name, self.status);
    }
}

/// Sees that the request is carried out, and waits for what its client is answered.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    request: Received,
    under_way: Arc<UnderWay>,
    late: Late,
) -> Result<Answer, Cut> {
    let arrived = Instant::now();
    let mut uncounted = Uncounted { counter: &shared.counter, name: request.name, status: None };
    let (sender, carried_out) = oneshot::channel();
    let task = {
        let (shared, under_way) = (shared.clone(), under_way.clone());
        async move {
            let stopped = async {
                shared.stop.cancelled().await;
                sleep(GRACE).await;
            };
            tokio::select! {
                () = sleep(late.commit) => {}
                () = stopped => return,
            }
            let answer = request.carry_out(&shared);
            drop(under_way);
            // Nobody waits for it where the client got another answer or is gone.
            let _unread = sender.send(answer);
        }
    };
    shared.tasks.spawn(task);
    let answer = match late.answer {
        Some((after, status)) => {
            sleep(after).await;
            status.map(|status| scripted(status, late.html))
        }
        None => carried_out.await.ok(),
    };
    sleep(shared.latency().saturating_sub(arrived.elapsed())).await;
    let answer = answer.ok_or(Cut)?;
    uncounted.status = Some(answer.status);
    Ok(answer)
}
