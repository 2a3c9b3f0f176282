//! Reads the API server's audit log, so that tests can count requests.
//!
//! Reads a file. One entry per request (see `audit-policy.yaml`): a watch is logged when it starts,
//! everything else when it is complete. The line of a request is written within milliseconds of its
//! response, not before it: use [`AuditLog::wait_for`] before asserting that something is there.

mod event;

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;

pub use self::event::Entry;

const POLL: Duration = Duration::from_millis(20);

/// The audit log of one control plane. Cheap to clone; grows while the API server runs.
#[derive(Debug, Clone)]
pub struct AuditLog {
    path: PathBuf,
}

/// A position in the log, to read only what the API server received after it was taken. The line of an
/// earlier request may come later.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    end: u64,
    at: Timestamp,
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The file cannot be read.
    #[error("cannot read the audit log {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A line is not an audit event.
    #[error("the audit log has a line that is not an event: {line}")]
    Parse {
        /// The line.
        line: String,
        /// The error of the decoder.
        source: serde_json::Error,
    },
    /// Too few matching requests in time.
    #[error("only {seen} of {expected} requests within {} s", limit.as_secs_f32())]
    TimedOut {
        /// Matching requests seen.
        seen: usize,
        /// Matching requests expected.
        expected: usize,
        /// The limit that passed.
        limit: Duration,
    },
}

impl AuditLog {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file: one JSON event per line.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The current end of the log.
    #[expect(clippy::disallowed_methods, reason = "the API server reads the same clock")]
    pub fn mark(&self) -> Result<Mark, AuditError> {
        let end = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(source) => return Err(self.unreadable(source)),
        };
        Ok(Mark { end, at: Timestamp::now() })
    }

    /// Every request so far, in the order of completion.
    pub fn entries(&self) -> Result<Vec<Entry>, AuditError> {
        self.since(Mark::default())
    }

    /// The requests that were received after `mark`.
    pub fn since(&self, mark: Mark) -> Result<Vec<Entry>, AuditError> {
        let text = self.read_from(mark).map_err(|source| self.unreadable(source))?;
        // The last line may be incomplete.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut entries: Vec<Entry> = whole.lines().map(parse).collect::<Result<_, _>>()?;
        entries.retain(|entry| entry.request_received >= mark.at);
        Ok(entries)
    }

    /// How many requests so far match.
    pub fn count(&self, matches: impl Fn(&Entry) -> bool) -> Result<usize, AuditError> {
        self.count_since(Mark::default(), matches)
    }

    /// How many requests after `mark` match.
    pub fn count_since(
        &self,
        mark: Mark,
        matches: impl Fn(&Entry) -> bool,
    ) -> Result<usize, AuditError> {
        Ok(self.since(mark)?.iter().filter(|entry| matches(entry)).count())
    }

    /// Waits until at least `expected` requests after `mark` match, and returns how many do.
    pub async fn wait_for(
        &self,
        mark: Mark,
        expected: usize,
        limit: Duration,
        matches: impl Fn(&Entry) -> bool,
    ) -> Result<usize, AuditError> {
        let deadline = Instant::now() + limit;
        loop {
            let seen = self.count_since(mark, &matches)?;
            if seen >= expected {
                return Ok(seen);
            }
            if Instant::now() >= deadline {
                return Err(AuditError::TimedOut { seen, expected, limit });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn read_from(&self, mark: Mark) -> io::Result<String> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(mark.end))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn unreadable(&self, source: io::Error) -> AuditError {
        AuditError::Read { path: self.path.clone(), source }
    }
}

fn parse(line: &str) -> Result<Entry, AuditError> {
    Entry::parse(line).map_err(|source| AuditError::Parse { line: line.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"1","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/a/secrets/b?timeout=1s","verb":"patch","user":{"username":"someone","groups":["g"]},"sourceIPs":["127.0.0.1"],"userAgent":"test","objectRef":{"resource":"secrets","namespace":"a","name":"b","apiVersion":"v1","subresource":"status"},"responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"2026-01-02T03:04:05.678901Z","stageTimestamp":"2026-01-02T03:04:06.000000Z"}"#;

    fn log(content: &str) -> (tempfile::TempDir, AuditLog) {
        let folder = tempfile::tempdir().expect("a folder");
        let log = AuditLog::new(folder.path().join("audit.jsonl"));
        std::fs::write(log.path(), content).expect("written");
        (folder, log)
    }

    #[test]
    fn an_event_becomes_an_entry() {
        let (_folder, log) = log(&format!("{LINE}\n"));
        let entries = log.entries().expect("parses");
        let [entry] = entries.as_slice() else { panic!("one entry, got {entries:?}") };
        assert!(entry.is_write());
        assert_eq!((entry.user.as_str(), entry.code), ("someone", 200));
        assert_eq!((entry.resource.as_str(), entry.subresource.as_str()), ("secrets", "status"));
        assert_eq!(entry.to_string(), "2026-01-02T03:04:05.678901Z patch secrets/status b 200");
    }

    #[test]
    fn an_incomplete_line_is_not_read() {
        let (_folder, log) = log(&format!("{LINE}\n{}", &LINE[..50]));
        assert_eq!(log.count(|_| true).expect("parses"), 1);
    }

    #[test]
    fn requests_before_a_mark_are_not_counted_even_if_their_line_comes_later() {
        let (_folder, log) = log(&format!("{LINE}\n"));
        let mark = log.mark().expect("a mark");
        assert_eq!(log.count_since(mark, |_| true).expect("parses"), 0);
        let later = LINE.replace("2026-01-02T03:04:05.678901Z", "9999-01-01T00:00:00.000001Z");
        assert_ne!(later, LINE);
        std::fs::write(log.path(), format!("{LINE}\n{LINE}\n{later}\n")).expect("written");
        assert_eq!(log.count_since(mark, |_| true).expect("parses"), 1);
    }

    #[test]
    fn a_log_that_does_not_exist_yet_is_empty() {
        let log = AuditLog::new(PathBuf::from("/nonexistent/audit.jsonl"));
        assert_eq!(log.mark().expect("a mark").end, 0);
        assert!(log.entries().expect("empty").is_empty());
    }

    #[tokio::test]
    async fn a_timeout_says_how_many_requests_were_seen() {
        let (_folder, log) = log(&format!("{LINE}\n"));
        let error = log
            .wait_for(Mark::default(), 2, Duration::from_millis(50), |_| true)
            .await
            .expect_err("only one");
        assert!(error.to_string().contains("1 of 2"), "{error}");
    }
}
