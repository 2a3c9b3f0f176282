//! The socket side. Each connection is one task, so dropping the task closes the connection.

use std::{io, net::SocketAddr, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

use super::{
    counts::RequestCounts,
    elsewhere::{ChangeError, Who},
    faults::Fault,
    merge::OldId,
    options::{Credential, Options},
    person::PersonDump,
    serve::serve,
    shared::{GRACE, Shared},
};

/// A running emulator; stops when dropped.
pub struct Sandbox {
    shared: Arc<Shared>,
    address: SocketAddr,
    data: Option<PathBuf>,
}

impl Sandbox {
    /// Binds and serves on the present runtime.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let data = options.data.clone();
        let shared = Arc::new(Shared::new(options, address));
        if let Some(path) = &data {
            shared.load(path)?;
        }
        shared.tasks.spawn(accept(listener, shared.clone()));
        Ok(Self { shared, address, data })
    }

    /// The origin, without a path.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers a request without a socket, so that a test can run on paused time. `None`: the
    /// connection would have been closed without a response.
    pub async fn answer(&self, request: Request<Full<Bytes>>) -> Option<Response<Full<Bytes>>> {
        serve(&self.shared, self.address, request).await.ok()
    }

    /// The people of an account, with everything attached to them.
    pub fn people(&self, account: &str) -> Vec<PersonDump> {
        let dump = self.shared.dump(Some(account));
        dump.pointer("/people").and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// How many e-mail addresses, whatever their case, more than one person of an account has.
    pub fn doubled(&self, account: &str) -> usize {
        self.shared.doubled(account)
    }

    /// Anonymises a person, by id or e-mail address. Returns the id if the person exists.
    pub fn anonymise(&self, account: &str, person: &str) -> Option<String> {
        self.shared.anonymise(Some(account), Who::from_text(person)).ok()
    }

    /// Merges one person into another, by ids or e-mail addresses. Returns the id that is left.
    pub fn merge(
        &self,
        account: &str,
        from: &str,
        into: &str,
        old_id: OldId,
    ) -> Result<String, ChangeError> {
        let who = (Who::from_text(from), Who::from_text(into));
        self.shared.merge(Some(account), who, old_id)
    }

    /// Deletes a person, by id or e-mail address. Returns the id if the person existed.
    pub fn delete(&self, account: &str, person: &str) -> Option<String> {
        self.shared.delete(Some(account), Who::from_text(person)).ok()
    }

    /// Sets attributes, by built-in name, of a person, by id or e-mail address. Returns the id.
    pub fn edit(
        &self,
        account: &str,
        person: &str,
        attributes: &Value,
    ) -> Result<String, ChangeError> {
        self.shared.edit(Some(account), Who::from_text(person), attributes)
    }

    /// Adds a person as somebody else, with attributes by built-in name. Returns the id.
    pub fn add_person(&self, account: &str, attributes: &Value) -> Result<String, ChangeError> {
        self.shared.add_person(Some(account), attributes, None)
    }

    /// Lets the candidate filter find nobody from now on, as while a search index is being rebuilt; or everybody
    /// again.
    pub fn set_blind(&self, account: &str, blind: bool) {
        self.shared.set_blind(account, blind);
    }

    /// Request counts.
    pub fn requests(&self) -> RequestCounts {
        self.shared.counter.snapshot()
    }

    /// Replaces the scripted faults.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.shared.set_faults(faults);
    }

    /// Sets the minimum latency of each response.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.set_latency(latency);
    }

    /// Moves the emulator's clock.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.shared.set_offset(seconds);
    }

    /// Revokes a credential.
    pub fn revoke(&self, access_key: &str) {
        self.shared.revoke(access_key);
    }

    /// Adds a credential.
    pub fn add_credential(&self, credential: Credential) {
        self.shared.add_credential(credential);
    }

    /// Stops listening, waits up to a second for requests in progress, then closes them; then saves
    /// the data, if configured.
    pub async fn stop(self) -> io::Result<()> {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.data.as_ref().map_or(Ok(()), |path| self.shared.save(path))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
        };
        let Ok((stream, peer)) = accepted else { continue };
        let _slow = stream.set_nodelay(true).is_err();
        let own = shared.clone();
        shared.tasks.spawn(async move {
            let service = service_fn(|request| serve(&own, peer, request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let mut connection = pin!(connection);
            tokio::select! {
                // A connection closed on purpose ends with the error that closed it.
                _ended = &mut connection => return,
                () = own.stop.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            let _ended = tokio::time::timeout(GRACE, connection).await;
        });
    }
}
