//! Manifests that a command works on: read within a time limit, and refused with all of their problems.

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::{BadArgument, ExitCode, messages::Messages, name_of};
use crate::{
    api::{GROUP, VERSION},
    cluster::Kind,
    local::{LoadOptions, Loader, Manifests, Problem, Severity, StateCopy},
};

/// Reads manifests, or prints why they are not used.
pub(super) fn read(
    paths: &[PathBuf],
    options: LoadOptions,
    timeout: Duration,
    messages: Messages,
) -> anyhow::Result<Result<Box<Manifests>, ExitCode>> {
    super::check_one_standard_input(paths)?;
    let manifests = match load_within(timeout, paths.to_vec(), options)? {
        Loaded::Manifests(manifests) => manifests,
        Loaded::Refused(problems) => return Ok(Err(refused(messages, &problems))),
        Loaded::NotInTime(path) => {
            let (name, seconds) = (name_of(&path), timeout.as_secs());
            let text = format!("{name} was not read to its end in {seconds} s (--timeout)");
            messages.ended(ExitCode::TimedOut, &format!("{text}; nothing was done"));
            return Ok(Err(ExitCode::TimedOut));
        }
    };
    manifests.warnings().iter().for_each(|warning| messages.problem(warning));
    if manifests.is_empty() {
        let kinds = Kind::ALL.map(Kind::as_str).join(", ");
        let read: Vec<_> = paths.iter().map(|path| name_of(path)).collect();
        let text = format!(
            "{}: nothing to apply: no object of {GROUP}/{VERSION} ({kinds}); nothing was done",
            read.join(", ")
        );
        messages.ended(ExitCode::Refused, &text);
        return Ok(Err(ExitCode::Refused));
    }
    Ok(Ok(manifests))
}

/// A copy of a state folder, for work that must not change the folder.
pub(super) fn state_copy(dir: &Path) -> anyhow::Result<StateCopy> {
    if !dir.exists() {
        let error = anyhow::anyhow!("--state {}: there is no such folder", dir.display());
        return Err(BadArgument(error).into());
    }
    Ok(StateCopy::of(dir)?)
}

/// What became of reading the manifests.
enum Loaded {
    Manifests(Box<Manifests>),
    Refused(Vec<Problem>),
    /// This path was being read when time ran out.
    NotInTime(PathBuf),
}

/// Reads manifests on a thread of its own, which is left behind if it does not end in time: nobody may
/// ever write to a pipe.
fn load_within(
    timeout: Duration,
    paths: Vec<PathBuf>,
    options: LoadOptions,
) -> anyhow::Result<Loaded> {
    enum Step {
        Reads(PathBuf),
        Done(Result<Manifests, Vec<Problem>>),
    }
    let started = Instant::now();
    let (steps, next) = mpsc::channel();
    thread::Builder::new().name("manifests".to_owned()).spawn(move || {
        let mut loader = Loader::new(options);
        // Nobody listens any more once time has run out.
        for path in paths {
            if steps.send(Step::Reads(path.clone())).is_err() {
                return;
            }
            if super::is_standard_input(&path) {
                loader.add_reader(&name_of(&path), std::io::stdin());
            } else {
                loader.add_path(&path);
            }
        }
        let _timed_out = steps.send(Step::Done(loader.finish())).is_err();
    })?;
    let mut path = PathBuf::new();
    loop {
        match next.recv_timeout(timeout.saturating_sub(started.elapsed())) {
            Ok(Step::Reads(now)) => path = now,
            Ok(Step::Done(Ok(manifests))) => return Ok(Loaded::Manifests(Box::new(manifests))),
            Ok(Step::Done(Err(problems))) => return Ok(Loaded::Refused(problems)),
            Err(mpsc::RecvTimeoutError::Timeout) => return Ok(Loaded::NotInTime(path)),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                anyhow::bail!("{} cannot be read; this is a defect", path.display())
            }
        }
    }
}

/// Prints the problems of the manifests and returns the exit code.
pub(super) fn refused(messages: Messages, problems: &[Problem]) -> ExitCode {
    problems.iter().for_each(|problem| messages.problem(problem));
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let text = format!(
        "{errors} error(s) in the manifests; nothing was done. {} validate also checks expressions, \
         schedules and references",
        super::program()
    );
    messages.ended(ExitCode::Refused, &text);
    ExitCode::Refused
}
