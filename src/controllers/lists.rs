//! Looks after the lists of people who must never be written while a run works: nothing announces that the admin's
//! list in an object store has changed, or that the stored list of anonymised people is gone. Contacts the stores.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{context::Context, secrets::usable};
use crate::{
    api::{ClinchIntegration, HMAC_KEY_FIELD, SuppressionStore, USE_SUPPRESSION},
    cluster::{Bundle, Cluster, Kind, ObjectKey},
    domain::{Digest, Disposition, digest_parts},
    ledger::{LedgerHome, Suppressions},
    storage::{Location, Place, ReadFault, StoragePolicy},
};

/// How often to look while a run works. A change takes effect within two seconds.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After so many looks the stored list of anonymised people is read again.
const STORED_EVERY: u32 = 10;
/// How long a look may take.
const LOOK_WITHIN: Duration = Duration::from_secs(10);
/// After so many looks without an answer the integration is reconciled, which decides what that means.
const SILENT: u32 = 5;

/// A place with lists, and the key of their digests.
pub(super) struct StoreList {
    pub(super) place: Place,
    pub(super) hmac_key: Option<Bytes>,
}

/// Opens the place of a list. Makes no request. `found`: the Secret that the store names.
pub(super) fn open(
    store: &SuppressionStore,
    found: Option<Bundle>,
    policy: &Arc<StoragePolicy>,
) -> Result<StoreList, String> {
    let location = Location::objects(&store.url)
        .map_err(|error| format!("spec.suppression.objectStore.url: {error}"))?;
    let mut secret: Option<BTreeMap<String, Bytes>> = match &store.credentials_secret_ref {
        None => None,
        Some(name) => Some(usable(&name.name, found, &location, USE_SUPPRESSION)?),
    };
    // It is not the store's: there it would be refused as unknown.
    let hmac_key = secret.as_mut().and_then(|fields| fields.remove(HMAC_KEY_FIELD));
    let place =
        Place::open(location, secret.as_ref(), policy).map_err(|error| error.to_string())?;
    Ok(StoreList { place, hmac_key })
}

/// Whether a name tells that a file holds something: an empty one whose name does not is no list.
pub(super) fn has_extension(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|file| file.contains('.'))
}

/// Looks after the lists of an integration as long as the result is kept: its run works. When the admin's list
/// has changed, or one of them cannot be read any more, the integration is reconciled, which reads them.
/// `anonymised`: the list of its account.
pub(super) fn watch<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    integration: Option<&ClinchIntegration>,
    anonymised: Suppressions,
) -> Option<AbortOnDropHandle<()>> {
    let metadata = &integration?.metadata;
    let key = ObjectKey::new(metadata.namespace.as_deref()?, metadata.name.as_deref()?);
    let uid = metadata.uid.clone()?;
    let context = context.clone();
    let looks = async move {
        tokio::join!(look_on(&context, &key), check(&context, &key, &uid, &anonymised));
    };
    Some(AbortOnDropHandle::new(tokio::spawn(looks)))
}

/// Ends the runs if the stored list no longer holds what it held: after a restart it would be missing.
async fn check<C: Cluster>(
    context: &Context<C>,
    key: &ObjectKey,
    uid: &str,
    anonymised: &Suppressions,
) {
    loop {
        sleep(LOOK_EVERY * STORED_EVERY).await;
        // A store that does not answer now says nothing about the list.
        if let Err(error) = anonymised.check_stored().await
            && matches!(error.disposition(), Disposition::Stalled { .. })
        {
            context.connections.verify_again(uid);
            (context.enqueue)(Kind::Integration, key);
        }
    }
}

/// What a look shows.
enum Seen {
    /// There is no list in a store.
    Nothing,
    /// The list at a version, or a fault in its place; `None` where only reading shows a change.
    Version(Option<Digest>),
    /// The store does not answer.
    Silence,
}

async fn look_on<C: Cluster>(context: &Context<C>, key: &ObjectKey) {
    // The first look counts as a change: it is not known what the last pass has read.
    let (mut known, mut silent) = (None, 0);
    loop {
        match look(context, key).await {
            Seen::Nothing => known = None,
            Seen::Version(version) => {
                silent = 0;
                if version.is_none() || version != known {
                    (context.enqueue)(Kind::Integration, key);
                }
                known = version;
            }
            Seen::Silence => {
                silent += 1;
                if silent == SILENT {
                    (context.enqueue)(Kind::Integration, key);
                    // What comes after the silence is read, too.
                    (known, silent) = (None, 0);
                }
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn look<C: Cluster>(context: &Context<C>, key: &ObjectKey) -> Seen {
    let Ok(found) = context.cluster.read::<ClinchIntegration>(key).await else {
        return Seen::Silence;
    };
    let source = found.as_ref().and_then(|found| found.spec.suppression.as_ref());
    let Some(store) = source.and_then(|source| source.object_store.as_ref()) else {
        return Seen::Nothing;
    };
    let secret = match &store.credentials_secret_ref {
        None => None,
        Some(name) => match context.cluster.secret(&key.sibling(&name.name)).await {
            Ok(secret) => secret,
            Err(_) => return Seen::Silence,
        },
    };
    let fault = |message: &str| Seen::Version(Some(digest_parts([message.as_bytes()])));
    let place = match open(store, secret, &context.settings.sources) {
        Ok(StoreList { place, .. }) => place,
        Err(message) => return fault(&message),
    };
    match timeout(LOOK_WITHIN, place.list(has_extension)).await {
        Ok(Ok(listing)) => Seen::Version(listing.version),
        Ok(Err(error)) if !error.is_transient() || error == ReadFault::Changed => {
            fault(&error.to_string())
        }
        Ok(Err(_)) | Err(_) => Seen::Silence,
    }
}
