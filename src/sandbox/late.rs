//! Requests that are carried out late, whether or not their connection is closed or was answered before.
//! A task of its own sees to each in time; if the process gets no processor then, it is carried out before
//! any request that comes later.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    time::{Instant, sleep, sleep_until},
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
    let due = arrived + late.commit;
    shared.postponed.add(due, move |shared: &Shared| {
        let answer = request.carry_out(shared);
        drop(under_way);
        // Nobody receives it if the client got another response or disconnected.
        let _unread = sender.send(answer);
    });
    let task = {
        let shared = shared.clone();
        async move {
            let stopped = async {
                shared.stop.cancelled().await;
                sleep(GRACE).await;
            };
            tokio::select! {
                () = sleep_until(due) => shared.postponed.carry_out_due(&shared),
                () = stopped => shared.postponed.forget(),
            }
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
