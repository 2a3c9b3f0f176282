//! Checks at start that the ledgers of `--ledger-url` can be kept there: nobody could be pushed
//! otherwise, and a store without conditional writes would let two processes overwrite each other.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Readiness;
use crate::ledger::ObjectLedgers;

/// The delays between checks.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// Waits until ledgers can be kept; false if stopped first. The log and `/readyz` name the cause.
pub(super) async fn usable(
    ledgers: &ObjectLedgers,
    identity: &str,
    readiness: &Readiness,
    stop: &CancellationToken,
) -> bool {
    let mut delay = FIRST_DELAY;
    let mut said = None;
    readiness.wait_for("the first answer of the store of --ledger-url");
    loop {
        let Some(checked) = stop.run_until_cancelled(ledgers.check(identity)).await else {
            return false;
        };
        let Err(error) = checked else { return true };
        let message = error.to_string();
        readiness.wait_for(format!("the ledgers: {message}"));
        if said.as_ref() != Some(&message) {
            tracing::warn!("nothing is pushed before ledgers can be kept: {message}");
            said = Some(message);
        }
        if stop.run_until_cancelled(sleep(delay)).await.is_none() {
            return false;
        }
        delay = (delay * 2).min(LONGEST_DELAY);
    }
}
