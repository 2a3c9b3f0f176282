//! How every command ends: one table of exit codes, which scripts may match on. Pure.

/// The exit code of a process. The numbers are API: `tests/offline/frozen_names.rs` freezes them, and
/// README.md explains each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ExitCode {
    /// Everything is as declared, or suspended by its spec.
    Done,
    /// A person must act: an object is Stalled, or refers to something that does not exist.
    ActionNeeded,
    /// A manifest or the command line is refused; nothing was done.
    Refused,
    /// Time ran out while something would have continued by itself.
    TimedOut,
    /// The command could not work: cluster, permissions, state folder, output.
    Failed,
    /// Nothing is left to do but what somebody else must permit (`AwaitingApproval`), or what waits for a
    /// window to open (`OutsideWindow`).
    Waiting,
    /// Of `plan --detailed-exitcode`: a push would change something.
    Changes,
    /// SIGINT ended the work.
    Interrupted,
    /// SIGTERM ended the work.
    Terminated,
}

impl ExitCode {
    /// Every exit code, in the order of the table.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::ActionNeeded,
        Self::Refused,
        Self::TimedOut,
        Self::Failed,
        Self::Waiting,
        Self::Changes,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number that the shell sees. Those of signals are 128 and the number of the signal.
    pub const fn code(self) -> i32 {
        match self {
            Self::Done => 0,
            Self::ActionNeeded => 1,
            Self::Refused => 2,
            Self::TimedOut => 3,
            Self::Failed => 4,
            Self::Waiting => 5,
            Self::Changes => 10,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// What it means, in a few words.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "everything is Ready, or suspended by its spec",
            Self::ActionNeeded => "a person must act: something is Stalled or missing",
            Self::Refused => "a manifest or the command line is refused; nothing was done",
            Self::TimedOut => "time ran out while something would continue by itself",
            Self::Failed => "could not work: cluster, permissions, state folder, output",
            Self::Waiting => {
                "somebody else must approve (AwaitingApproval), or a window must open (OutsideWindow); nothing else is left"
            }
            Self::Changes => "plan --detailed-exitcode: a push would change something",
            Self::Interrupted => "ended by SIGINT",
            Self::Terminated => "ended by SIGTERM",
        }
    }

    /// The part of a command's help that lists its exit codes.
    pub(super) fn help() -> String {
        let line = |code: Self| format!("  {:>3}  {}", code.code(), code.meaning());
        let lines: Vec<String> = Self::ALL.into_iter().map(line).collect();
        format!("Exit codes:\n{}", lines.join("\n"))
    }
}
