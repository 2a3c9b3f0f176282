//! Opens the sink of a run. Sends no request.

use super::gather::{Fields, Gathered};
use crate::{
    api::ImportFormat,
    controllers::destinations::refused,
    domain::{Cause, Clock, Reason},
    pipeline::{AnySink, HttpSink, HttpSinkSettings, ImportName, ObjectSink, PartFormat, SinkGate},
    signing::WebhookKeys,
    storage::Endpoint,
};

/// A sink, of which only is missing what the run itself knows.
pub(super) enum Opened {
    Objects(Box<ObjectSink>),
    Http(Box<(Endpoint, HttpSinkSettings)>),
}

impl Opened {
    /// The sink of the run. `gate`: whether it may send.
    pub(super) fn of_run(self, gate: SinkGate, clock: Clock) -> AnySink {
        match self {
            Self::Objects(sink) => AnySink::Objects(sink),
            Self::Http(opened) => {
                let (endpoint, settings) = *opened;
                AnySink::Http(HttpSink::new(endpoint, settings, gate, clock).into())
            }
        }
    }
}

/// The place that people are written or sent to, or why it cannot be opened.
pub(super) fn open(gathered: &Gathered, import: &ImportName) -> Result<Opened, Cause> {
    let unknown = || Cause::new(Reason::InternalError, "the run has no destination");
    let found = gathered.sink.as_ref().ok_or_else(unknown)?;
    let secret = found.secret.clone().transpose()?;
    let (secret, policy) = (secret.as_ref(), &gathered.destinations);
    let spec = &gathered.import.spec.sink;
    let at_least_one = |number: i32| usize::try_from(number).unwrap_or(1).max(1);
    if let Some(store) = &spec.object_store {
        let rows = at_least_one(store.max_records_per_file);
        let format = match store.format {
            ImportFormat::Ndjson => PartFormat::Ndjson,
            ImportFormat::Csv => PartFormat::Csv,
        };
        let parts = (format, rows);
        let opened = ObjectSink::open(&found.url, secret, policy, gathered.uid(), parts);
        return opened
            .map(|sink| Opened::Objects(sink.into()))
            .map_err(|error| refused(found.field(), &error));
    }
    let spec = spec.http.as_ref().ok_or_else(unknown)?;
    let endpoint = Endpoint::open(&found.url, secret, policy)
        .map_err(|error| refused(found.field(), &error))?;
    let settings = HttpSinkSettings {
        import: import.clone(),
        max_records: at_least_one(spec.max_records),
        max_bytes: spec.max_bytes(),
        keys: keys(found.signing.as_ref())?,
    };
    Ok(Opened::Http((endpoint, settings).into()))
}

fn keys(signing: Option<&Fields>) -> Result<WebhookKeys, Cause> {
    let unknown = || Cause::new(Reason::InternalError, "the run has no signing key");
    let fields = signing.ok_or_else(unknown)?.as_ref().map_err(Clone::clone)?;
    WebhookKeys::of_fields(fields).map_err(|error| {
        let message = format!("the signing Secret cannot be used: {error}");
        Cause::new(Reason::DestinationDenied, message)
    })
}
