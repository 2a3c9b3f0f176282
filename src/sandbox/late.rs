//! Requests that are carried out late, in a task of their own, so that neither a closed connection
//! nor an earlier response stops them.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{
    counts::{Counter, UnderWay},
    received::{Cut, Received, scripted},
    respond::Answer,
    shared::{GRACE, Shared},
};

/// When a request is carried out, and what its client receives.
pub(super) struct Late {
    pub(super) commit: Duration,
    /// When to answer, and with which status, if any; absent: the real response.
    pub(super) answer: Option<(Duration, Option<u16>)>,
    pub(super) html: bool,
}

/// Counts a request once, even if its client disconnects before the response.
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

/// Has the request carried out, and waits for the response to its client.
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
            // Nobody receives it if the client got another response or disconnected.
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
