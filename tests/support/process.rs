//! The operator as a process.

use std::{
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use super::world::SOON;

/// A process that ends with the test, however that ends.
pub struct Process(Child);

impl Process {
    pub fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().expect("the operator starts"))
    }

    /// Sends a signal by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs");
        assert!(sent.success(), "SIG{name}");
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Kills it and waits until it is gone.
    pub fn kill(&mut self) {
        self.0.kill().expect("SIGKILL");
        self.0.wait().expect("it is gone");
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("a child of this process")
    }

    /// Its exit code, once it has ended.
    pub async fn code(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status.code();
            }
            assert!(started.elapsed() < SOON, "the operator does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}
