//! Reads the admin's own list of people who must never be written, from a Secret or from where
//! `spec.suppression.objectStore` says. A fault is data. Async; the only part of a reconcile
//! that contacts an object store. No message repeats what a list holds.

use std::{io::Read, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::timeout;

use crate::{
    api::{
        ClinchIntegrationSpec, HMAC_KEY_FIELD, SuppressionSecretRef, SuppressionSource,
        SuppressionStore, USE_LABEL, USE_SUPPRESSION,
    },
    cluster::{Bundle, Cluster, ObjectKey},
    controllers::{
        lists::{StoreList, has_extension, open},
        secrets::is_for,
    },
    domain::{Digest, digest_parts},
    storage::{Location, Opening, Place, ReadFault, StoragePolicy},
};

/// Maximum size of all lists of an object store together, in bytes.
const MOST_BYTES: u64 = 64 << 20;
/// How long listing and reading may take together.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The admin's list, as it is now.
#[derive(Clone, Default)]
pub(super) enum ListedFound {
    /// None is named.
    #[default]
    None,
    /// The lists by field or file, with the key of their digests. Not read line by line yet.
    Parts {
        /// Name and content of each.
        parts: Vec<(String, Bytes)>,
        /// The value of the field `hmacKey`.
        hmac_key: Option<Bytes>,
    },
    /// It cannot be used until the fault in the message is fixed.
    Unreadable(String),
    /// It cannot be read at the moment; another attempt may succeed.
    NotReadNow(String),
}

impl ListedFound {
    /// Changes with the content of the lists and their key.
    pub(super) fn digest(&self) -> Digest {
        let Self::Parts { parts, hmac_key } = self else { return digest_parts([]) };
        let named = parts.iter().flat_map(|(name, list)| [name.as_bytes(), &list[..]]);
        digest_parts(named.chain(hmac_key.as_deref()))
    }
}

/// Reads the list of an integration. `key`: the integration, in whose namespace the Secret is.
pub(super) async fn gather_listed<C: Cluster>(
    cluster: &C,
    key: &ObjectKey,
    spec: &ClinchIntegrationSpec,
    policy: &Arc<StoragePolicy>,
) -> ListedFound {
    let Some(source) = &spec.suppression else { return ListedFound::None };
    let secret = match source.secret() {
        None => None,
        Some(name) => match cluster.secret(&key.sibling(name)).await {
            Ok(found) => found,
            Err(error) => return ListedFound::NotReadNow(error.to_string()),
        },
    };
    match source {
        SuppressionSource { secret_ref: Some(reference), .. } => of_secret(reference, secret),
        SuppressionSource { object_store: Some(store), .. } => {
            of_store(store, secret, policy).await
        }
        _ => ListedFound::Unreadable(
            "spec.suppression: exactly one of secretRef and objectStore must be set".to_owned(),
        ),
    }
}

fn of_secret(reference: &SuppressionSecretRef, found: Option<Bundle>) -> ListedFound {
    let name = &reference.name;
    let Some(secret) = found.filter(|secret| is_for(secret, USE_SUPPRESSION)) else {
        return ListedFound::Unreadable(format!(
            "Secret {name} cannot be used as a list: it must exist, carry the label \
             {USE_LABEL}={USE_SUPPRESSION}, and hold no service account token"
        ));
    };
    let mut data = secret.data;
    let hmac_key = data.remove(HMAC_KEY_FIELD);
    let mut parts = Vec::new();
    if reference.keys.is_empty() {
        parts.extend(data);
    } else {
        for key in &reference.keys {
            match data.get(key) {
                Some(list) => parts.push((key.clone(), list.clone())),
                None => {
                    return ListedFound::Unreadable(format!("Secret {name} has no list {key:?}"));
                }
            }
        }
    }
    if parts.is_empty() {
        let message = format!("Secret {name} has no field with a list");
        return ListedFound::Unreadable(message);
    }
    ListedFound::Parts { parts, hmac_key }
}

async fn of_store(
    store: &SuppressionStore,
    found: Option<Bundle>,
    policy: &Arc<StoragePolicy>,
) -> ListedFound {
    let StoreList { place: remote, hmac_key } = match open(store, found, policy) {
        Ok(list) => list,
        Err(message) => return ListedFound::Unreadable(message),
    };
    let read = match timeout(REQUEST_TIMEOUT, read(&remote)).await {
        Ok(read) => read,
        Err(_) => Err(Fault::Remote(ReadFault::Unreachable)),
    };
    match read {
        Ok(parts) => ListedFound::Parts { parts, hmac_key },
        Err(fault) => fault.found(remote.location()),
    }
}

enum Fault {
    Remote(ReadFault),
    TooLarge,
}

impl Fault {
    fn found(self, location: &Location) -> ListedFound {
        match self {
            Self::TooLarge => ListedFound::Unreadable(format!(
                "{location} holds more than {} MiB of lists",
                MOST_BYTES >> 20
            )),
            Self::Remote(ReadFault::TooMany { limit }) => ListedFound::Unreadable(format!(
                "{location} matches more than {limit} files: narrow the pattern"
            )),
            Self::Remote(ReadFault::Changed) => {
                ListedFound::NotReadNow(format!("{location} changed while it was read"))
            }
            Self::Remote(fault) if fault.is_transient() => {
                ListedFound::NotReadNow(format!("{location} {fault}"))
            }
            Self::Remote(fault) => ListedFound::Unreadable(format!("{location} {fault}")),
        }
    }
}

async fn read(remote: &Place) -> Result<Vec<(String, Bytes)>, Fault> {
    let listing = remote.list(has_extension).await.map_err(Fault::Remote)?;
    if listing.bytes.is_some_and(|bytes| bytes > MOST_BYTES) {
        return Err(Fault::TooLarge);
    }
    // A reader of a bucket waits for its answers: on a thread that may.
    let read = tokio::task::spawn_blocking(move || whole(&listing.openings));
    read.await.map_err(|_| Fault::Remote(ReadFault::Unreachable))?
}

fn whole(openings: &[Opening]) -> Result<Vec<(String, Bytes)>, Fault> {
    let mut left = MOST_BYTES;
    let mut parts = Vec::with_capacity(openings.len());
    for opening in openings {
        let reader = opening.open().map_err(Fault::Remote)?;
        let mut list = Vec::new();
        // One byte more than accepted is enough to see that there is more.
        reader.take(left + 1).read_to_end(&mut list).map_err(|error| {
            let fault = error.get_ref().and_then(|inner| inner.downcast_ref::<ReadFault>());
            Fault::Remote(fault.cloned().unwrap_or(ReadFault::Unreachable))
        })?;
        left = left.checked_sub(list.len() as u64).ok_or(Fault::TooLarge)?;
        parts.push((opening.name.to_string(), list.into()));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::AllowedPlaces;

    fn bundle(label: &str, fields: &[&str]) -> Bundle {
        let data = fields.iter().map(|field| ((*field).to_owned(), Bytes::from_static(b"a@x.org")));
        let labels = [(USE_LABEL.to_owned(), label.to_owned())].into();
        Bundle { data: data.collect(), labels, ..Bundle::default() }
    }

    /// The names of the lists and whether there is a key, else the message.
    fn summarize(found: ListedFound) -> Result<(Vec<String>, bool), String> {
        match found {
            ListedFound::None => Err("none".to_owned()),
            ListedFound::Parts { parts, hmac_key } => {
                Ok((parts.into_iter().map(|(name, _)| name).collect(), hmac_key.is_some()))
            }
            ListedFound::Unreadable(message) => Err(message),
            ListedFound::NotReadNow(message) => Err(format!("later: {message}")),
        }
    }

    fn from_secret(keys: &[&str], found: Option<Bundle>) -> Result<(Vec<String>, bool), String> {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        summarize(of_secret(&SuppressionSecretRef { name: "s".to_owned(), keys }, found))
    }

    #[test]
    fn every_field_but_the_key_is_a_list_unless_some_are_named() {
        let secret = || Some(bundle(USE_SUPPRESSION, &["b", "a", HMAC_KEY_FIELD]));
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(from_secret(&[], secret()), Ok((names(&["a", "b"]), true)));
        assert_eq!(from_secret(&["b"], secret()), Ok((names(&["b"]), true)));
        let plain = bundle(USE_SUPPRESSION, &["a"]);
        assert_eq!(from_secret(&[], Some(plain)), Ok((names(&["a"]), false)));
    }

    #[test]
    fn missing_lists_are_reported_and_only_labelled_secrets_are_read() {
        let secret = bundle(USE_SUPPRESSION, &["a"]);
        let message = from_secret(&["a", "z"], Some(secret)).unwrap_err();
        assert_eq!(message, "Secret s has no list \"z\"");
        let only_key = bundle(USE_SUPPRESSION, &[HMAC_KEY_FIELD]);
        assert!(from_secret(&[], Some(only_key)).unwrap_err().contains("no field with a list"));
        let token = Bundle {
            secret_type: "kubernetes.io/service-account-token".to_owned(),
            ..bundle(USE_SUPPRESSION, &["a"])
        };
        let refused = [None, Some(bundle("source", &["a"])), Some(token)];
        let message = refused.map(|found| from_secret(&[], found).unwrap_err());
        assert!(message[0].contains(USE_LABEL), "{}", message[0]);
        assert!(message.iter().all(|one| *one == message[0]), "missing and forbidden read alike");
    }

    fn store(url: String) -> SuppressionStore {
        SuppressionStore { url, credentials_secret_ref: None }
    }

    #[tokio::test]
    async fn files_of_a_listed_folder_are_read_whole_and_up_to_a_size() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let at = |name: &str| store(format!("file://{}/{name}", root.display()));
        let allowed = AllowedPlaces::listed([format!("file://{}", root.display()).as_str()]);
        let policy = StoragePolicy { allowed: allowed.unwrap(), ..StoragePolicy::default() };
        let (policy, nowhere) = (Arc::new(policy), Arc::default());
        for name in ["a.txt", "b.txt", "c.csv"] {
            std::fs::write(root.join(name), name).unwrap();
        }
        let found = of_store(&at("*.txt"), None, &policy).await;
        let ListedFound::Parts { parts, hmac_key: None } = found else { panic!("not read") };
        let parts: Vec<(&str, &[u8])> =
            parts.iter().map(|(name, list)| (name.as_str(), list.as_ref())).collect();
        assert!(parts[0].0.ends_with("a.txt") && parts[1].0.ends_with("b.txt"), "{parts:?}");
        assert_eq!((parts.len(), parts[0].1), (2, b"a.txt".as_slice()));

        let message = summarize(of_store(&at("none.txt"), None, &policy).await).unwrap_err();
        assert!(message.contains("does not exist"), "{message}");
        let message = summarize(of_store(&at("a.txt"), None, &nowhere).await).unwrap_err();
        assert!(message.contains("--allowed-sources"), "{message}");
        let large = std::fs::File::create(root.join("large.txt")).unwrap();
        large.set_len(MOST_BYTES + 1).unwrap();
        let message = summarize(of_store(&at("large.txt"), None, &policy).await).unwrap_err();
        assert!(message.contains("more than 64 MiB"), "{message}");
    }

    #[tokio::test]
    async fn the_secret_of_a_store_must_be_labelled_for_lists_and_name_the_store() {
        let store = SuppressionStore {
            credentials_secret_ref: Some(crate::api::NameReference { name: "s".to_owned() }),
            ..store("s3://bucket/list.txt".to_owned())
        };
        let secret = Bundle {
            annotations: [(crate::api::ALLOWED_ORIGIN.to_owned(), "s3://other".to_owned())].into(),
            ..bundle(USE_SUPPRESSION, &["AWS_ACCESS_KEY_ID"])
        };
        let message = summarize(of_store(&store, Some(secret), &Arc::default()).await).unwrap_err();
        assert!(message.contains("allowed-origin: s3://bucket"), "{message}");
        let message = summarize(of_store(&store, None, &Arc::default()).await).unwrap_err();
        assert!(message.contains("must exist"), "{message}");
    }

    #[test]
    fn faults_that_need_a_fix_are_distinguished_from_transient_ones() {
        let location = Location::objects("s3://bucket/list.txt").unwrap();
        for (fault, passes) in [
            (ReadFault::Unreachable, true),
            (ReadFault::Changed, true),
            (ReadFault::Denied, false),
            (ReadFault::Missing, false),
            (ReadFault::TooMany { limit: 3 }, false),
        ] {
            let message = summarize(Fault::Remote(fault).found(&location)).unwrap_err();
            assert_eq!(message.starts_with("later: "), passes, "{message}");
            assert!(message.contains("s3://bucket/list.txt "), "{message}");
        }
    }
}
