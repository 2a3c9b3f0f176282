//! What a pass of an export or import knows of the way to Clinch: the connection of its integration, whether
//! it may be used now, and how Clinch answers. No I/O.

use std::{sync::Arc, time::Duration};

use super::{
    connections::{Connection, Connections},
    references::Sending,
};
use crate::{api::ClinchIntegration, clinch::Client};

/// How long Clinch answers with nothing but 429 before the status says so: shorter spells are how its
/// limit is found.
pub(super) const LIMITED: Duration = Duration::from_secs(3);

/// The way to Clinch.
pub(super) struct Link {
    /// The verified connection.
    pub(super) connection: Option<Connection>,
    /// Whether runs in progress may use it.
    pub(super) sending: Sending,
    /// Whether Clinch has answered with nothing but 429 for a while.
    pub(super) limited: bool,
    /// How long requests still wait because Clinch answered 429.
    pub(super) wait: Option<Duration>,
}

impl Link {
    /// That of an integration which the object may use, if there is one.
    pub(super) fn of(
        connections: &Connections,
        integration: Option<&Arc<ClinchIntegration>>,
    ) -> Self {
        let uid = integration.map(|found| found.metadata.uid.as_deref().unwrap_or_default());
        let known = uid.and_then(|uid| connections.known(uid));
        let sending = match &known {
            Some(known) if known.paused => Sending::Paused,
            _ => Sending::Permitted,
        };
        let connection = known.map(|known| known.connection);
        let client = connection.as_ref().map(|open| &open.client);
        let limited = client.and_then(Client::limited_for);
        Self {
            sending,
            limited: limited.is_some_and(|lasted| lasted >= LIMITED),
            wait: client.and_then(Client::waits_for),
            connection,
        }
    }

    /// The same for work that sends nothing to Clinch.
    pub(super) fn unused(self) -> Self {
        Self { sending: Sending::Permitted, limited: false, wait: None, ..self }
    }
}
