//! Joins tasks that run on blocking threads.

use tokio::task::JoinHandle;

/// The result of a blocking task; its panic becomes the caller's.
pub(super) async fn join_blocking<T>(thread: JoinHandle<T>) -> T {
    match thread.await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime shuts down, and the caller with it.
            Err(_) => std::future::pending().await,
        },
    }
}
