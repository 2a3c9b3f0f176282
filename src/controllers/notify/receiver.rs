//! The receivers that an integration names, with what their Secrets hold. Neither a URL nor a part of it is
//! ever shown: it may be all that a sender has to know. Reads Secrets; makes no request.

use std::{str, sync::Arc};

use tokio::sync::Semaphore;

use crate::{
    api::{ClinchIntegrationSpec, NotifyFormat, NotifyReceiver, USE_LABEL, USE_NOTIFY},
    cluster::{Bundle, Cluster, ObjectKey},
    controllers::{secrets::is_for, settings::NotifySettings},
    domain::{Cause, Digest, Reason, digest_parts},
    signing::WebhookKeys,
    storage::{Endpoint, PlaceError},
};

/// Field of the Secret with the URL.
const URL: &str = "url";
/// Field of the Secret with the key that messages are signed with.
const SIGNING_KEY: &str = "signingKey";
/// Field of the Secret with the key before it.
const PREVIOUS_KEY: &str = "previousSigningKey";

/// A receiver of notifications.
#[derive(Clone)]
pub(in crate::controllers) struct Receiver {
    pub(super) name: String,
    /// Where messages are sent, or why none are.
    pub(super) target: Result<Target, Cause>,
    /// Whether its Secret could not be read, which says nothing of the receiver.
    pub(super) is_unread: bool,
}

impl Receiver {
    /// One whose Secret was read, or does not exist.
    pub(super) fn found(name: String, target: Result<Target, Cause>) -> Self {
        Self { name, target, is_unread: false }
    }

    /// One whose Secret could not be read. The permission to read it may be missing.
    pub(super) fn unread(name: String, message: String) -> Self {
        let cause = Cause::new(Reason::NotifySecretInvalid, message);
        Self { name, target: Err(cause), is_unread: true }
    }

    /// Whether nothing about it has changed.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.target, &other.target) {
            (Ok(one), Ok(other)) => one.digest == other.digest,
            (Err(one), Err(other)) => one == other,
            _ => false,
        }
    }

    /// Why it is sent nothing, if so.
    pub(in crate::controllers) fn fault(&self) -> Option<&Cause> {
        self.target.as_ref().err()
    }
}

/// Where messages are sent.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) format: NotifyFormat,
    pub(super) endpoint: Endpoint,
    /// Sign the messages; `None`: they are not signed.
    pub(super) keys: Option<WebhookKeys>,
    /// One request at a time.
    pub(super) turn: Arc<Semaphore>,
    digest: Digest,
}

/// The receivers of an integration. A fault of one is data. `key`: the integration, in whose namespace the
/// Secrets are.
pub(in crate::controllers) async fn receivers<C: Cluster>(
    cluster: &C,
    key: &ObjectKey,
    spec: &ClinchIntegrationSpec,
    settings: &NotifySettings,
) -> Vec<Receiver> {
    let mut found = Vec::with_capacity(spec.notify.len());
    for receiver in &spec.notify {
        let name = receiver.name.clone();
        found.push(match cluster.secret(&key.sibling(&receiver.secret_ref.name)).await {
            Ok(secret) => Receiver::found(name, target(receiver, secret, settings)),
            Err(error) => Receiver::unread(name, error.to_string()),
        });
    }
    found
}

/// What is wrong with the Secret of a receiver, wherever messages may be sent.
pub(in crate::controllers) fn secret_fault(
    receiver: &NotifyReceiver,
    secret: Bundle,
) -> Option<Cause> {
    let fault = target(receiver, Some(secret), &NotifySettings::default()).err();
    fault.filter(|cause| cause.reason == Reason::NotifySecretInvalid)
}

/// Where a receiver is sent messages, or why it cannot be.
pub(super) fn target(
    receiver: &NotifyReceiver,
    secret: Option<Bundle>,
    settings: &NotifySettings,
) -> Result<Target, Cause> {
    let name = &receiver.secret_ref.name;
    let invalid = |what: String| {
        Cause::new(Reason::NotifySecretInvalid, format!("Secret {name} cannot be used: {what}"))
    };
    let Some(secret) = secret.filter(|secret| is_for(secret, USE_NOTIFY)) else {
        return Err(invalid(format!(
            "it must exist, carry the label {USE_LABEL}={USE_NOTIFY}, and hold no service account token"
        )));
    };
    let keys = match receiver.format {
        NotifyFormat::Slack => None,
        NotifyFormat::Webhook => {
            let keys = WebhookKeys::of_named(&secret.data, SIGNING_KEY, PREVIOUS_KEY);
            Some(keys.map_err(|error| invalid(error.to_string()))?)
        }
    };
    let url = secret.data.get(URL).ok_or_else(|| invalid(format!("it has no field {URL}")))?;
    let url = str::from_utf8(url).unwrap_or_default().trim();
    let endpoint = Endpoint::open(url, None, &settings.receivers).map_err(|error| match error {
        PlaceError::NotAllowed(..) | PlaceError::AccountNotAllowed(..) => Cause::new(
            Reason::NotifyNotAllowed,
            format!(
                "the URL in Secret {name} is not under any place listed in the operator's \
                 --allowed-notify"
            ),
        ),
        _ => invalid(format!(
            "its field {URL} is no URL: write https://HOST/PATH, without user info or fragment"
        )),
    })?;
    let field = |field: &str| secret.data.get(field).map(AsRef::as_ref).unwrap_or_default();
    let format = [u8::from(receiver.format == NotifyFormat::Webhook)];
    let digest = digest_parts([url.as_bytes(), &format, field(SIGNING_KEY), field(PREVIOUS_KEY)]);
    let turn = Arc::new(Semaphore::new(1));
    Ok(Target { format: receiver.format, endpoint, keys, turn, digest })
}
