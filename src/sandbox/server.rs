//! The socket side. A connection is one task, so that cutting it is dropping it.

use std::{io, net::SocketAddr, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

use super::{
    counts::RequestCounts,
    elsewhere::{ChangeError, Who},
    faults::Fault,
    options::{Credential, Options},
    serve::serve,
    shared::Shared,
    state::PersonDump,
};

/// How long requests under way may take to end after a stop.
pub(super) const GRACE: Duration = Duration::from_secs(1);

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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
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

    /// Takes from a person, by id or e-mail address, everything that says who they are; the id,
    /// if there is such a person.
    pub fn anonymise(&self, account: &str, person: &str) -> Option<String> {
        self.shared.anonymise(Some(account), Who::from_text(person)).ok()
    }

    /// Deletes a person, by id or e-mail address; the id that they had, if there is such a person.
    pub fn delete(&self, account: &str, person: &str) -> Option<String> {
        self.shared.delete(Some(account), Who::from_text(person)).ok()
    }

    /// Changes attributes, by built-in name, of a person, by id or e-mail address; the id.
    pub fn edit(
        &self,
        account: &str,
        person: &str,
        attributes: &Value,
    ) -> Result<String, ChangeError> {
        self.shared.edit(Some(account), Who::from_text(person), attributes)
    }

    /// Adds a person of somebody else, with attributes by built-in name; the id.
    pub fn add_person(&self, account: &str, attributes: &Value) -> Result<String, ChangeError> {
        self.shared.add_person(Some(account), attributes, None)
    }

    /// How many requests were answered.
    pub fn requests(&self) -> RequestCounts {
        self.shared.counter.snapshot()
    }

    /// Replaces the scripted faults.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.shared.set_faults(faults);
    }

    /// How long every answer takes at least.
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

    /// Stops listening, lets requests under way end for up to a second, then cuts them; then keeps
    /// the data, where asked to.
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
                // A cut connection ends with the error that cut it.
                _ended = &mut connection => return,
                () = own.stop.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            let _ended = tokio::time::timeout(GRACE, connection).await;
        });
    }
}
