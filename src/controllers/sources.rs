//! Where profiles come from: the source of an export, and the list that an import compares with Clinch. Not
//! found is data. Nothing announces changes of object stores and URLs: those are read when a run starts.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use serde_json::Value;

use super::{
    check::Check,
    secrets::{is_for, usable_fields},
};
use crate::{
    api::{ConditionType, CsvFormulas, ExportSource, SourceFormat, USE_LABEL, USE_SOURCE},
    cluster::{Bundle, Cluster, ClusterError, ObjectKey},
    conditions::{Observation, Verdict},
    domain::{Cause, Reason},
    pipeline::Source,
    source::{CsvOptions, Format, Limits, Part},
    storage::{Location, Place, PlaceError, SecretFields, StoragePolicy},
};

/// The source's bytes.
pub(super) enum SourceFound {
    /// `inline`: the values are in the spec.
    Inline,
    /// A remote place, with the fields of the Secret for it.
    Remote(Location, Option<SecretFields>),
    /// The URL cannot be used.
    Unusable(String),
    /// Values by key.
    Parts(Vec<(String, Bytes)>),
    /// The object does not exist.
    Missing(String),
    /// The object has no such key.
    KeyMissing(String),
    /// The object may not be read as a source.
    Forbidden(String),
}

/// Reads what a source refers to. `at`: the field of the spec that holds it.
pub(super) async fn find(
    cluster: &impl Cluster,
    key: &ObjectKey,
    source: &ExportSource,
    at: &str,
) -> Result<SourceFound, ClusterError> {
    if let Some(reference) = &source.config_map_ref {
        let found = cluster.config_map(&key.sibling(&reference.name)).await?;
        let what = format!("ConfigMap {}", reference.name);
        return Ok(match found {
            None => SourceFound::Missing(what),
            Some(bundle) => pick(&what, bundle, &reference.keys, &format!("{at}.configMapRef")),
        });
    }
    if let Some(reference) = &source.secret_ref {
        let found = cluster.secret(&key.sibling(&reference.name)).await?;
        let what = format!("Secret {}", reference.name);
        // One answer for "does not exist" and "may not be read": nobody must learn from it which Secrets
        // a namespace has.
        return Ok(match found.filter(is_source) {
            None => SourceFound::Forbidden(format!(
                "{what} cannot be used as a source: it must exist, carry the label \
                 {USE_LABEL}={USE_SOURCE}, and hold no service account token"
            )),
            Some(bundle) => pick(&what, bundle, &reference.keys, &format!("{at}.secretRef")),
        });
    }
    let location = match location(source, at) {
        None => return Ok(SourceFound::Inline),
        Some(Err(message)) => return Ok(SourceFound::Unusable(message)),
        Some(Ok(location)) => location,
    };
    let Some(name) = source.remote_secret() else {
        return Ok(SourceFound::Remote(location, None));
    };
    let found = cluster.secret(&key.sibling(name)).await?;
    Ok(match usable_fields(name, found, &location, USE_SOURCE) {
        Ok(fields) => SourceFound::Remote(location, Some(fields)),
        Err(message) => SourceFound::Forbidden(message),
    })
}

/// The remote place that a source refers to, if it does.
fn location(source: &ExportSource, at: &str) -> Option<Result<Location, String>> {
    let fault = |field: &str, error| format!("{at}.{field}.url: {error}");
    let store = source.object_store.as_ref();
    let store = store.map(|s| Location::objects(&s.url).map_err(|e| fault("objectStore", e)));
    let http = source.http.as_ref();
    store.or_else(|| http.map(|h| Location::web(&h.url).map_err(|e| fault("http", e))))
}

fn is_source(secret: &Bundle) -> bool {
    is_for(secret, USE_SOURCE)
}

/// The keys in the order of the reference; all of them, by name, when it lists none. `at`: the field of the
/// spec that holds the reference.
fn pick(what: &str, mut bundle: Bundle, keys: &[String], at: &str) -> SourceFound {
    if keys.is_empty() {
        if bundle.data.is_empty() {
            return SourceFound::KeyMissing(format!("{at}.name: {what} has no data"));
        }
        return SourceFound::Parts(bundle.data.into_iter().collect());
    }
    let mut parts = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        let Some(value) = bundle.data.remove(key) else {
            return SourceFound::KeyMissing(format!(
                "{at}.keys[{index}]: {what} has no key {key:?}"
            ));
        };
        parts.push((key.clone(), value));
    }
    SourceFound::Parts(parts)
}

/// The source that a run reads, as far as it can be checked without reading a remote place.
pub(super) fn check(
    spec: &ExportSource,
    found: &SourceFound,
    policy: &Arc<StoragePolicy>,
) -> Check<Source> {
    match found {
        SourceFound::Inline => {
            let values: Arc<[Value]> = spec.inline.clone().unwrap_or_default().into();
            let message = format!("{} inline candidates", values.len());
            usable(Source::Inline(values), message)
        }
        SourceFound::Parts(parts) => {
            let names: Vec<&str> = parts.iter().map(|(key, _)| key.as_str()).collect();
            let message = shorten(&format!("read {}", names.join(", ")));
            let source = Source::Parts {
                parts: parts.iter().map(|(key, bytes)| part(key, bytes, spec.format)).collect(),
                csv: csv_options(spec),
                limits: Limits::default(),
            };
            usable(source, message)
        }
        SourceFound::Remote(location, secret) => {
            let (format, csv) = (spec.format.map(format_of), csv_options(spec));
            let fields = secret.as_ref().map(|secret| &secret.fields);
            match remote(location.clone(), fields, policy, format, csv) {
                Ok(source) => Check { value: Some(source), observation: not_yet(), fault: None },
                Err(cause) => faulty(Verdict::Stalled, cause),
            }
        }
        SourceFound::Unusable(message) => {
            faulty(Verdict::Stalled, Cause::new(Reason::InvalidSpec, message.clone()))
        }
        SourceFound::Missing(what) => {
            let message = format!("{what} does not exist");
            faulty(Verdict::Reconciling, Cause::new(Reason::SourceNotFound, message))
        }
        SourceFound::KeyMissing(message) => {
            faulty(Verdict::Reconciling, Cause::new(Reason::SourceNotFound, message.clone()))
        }
        SourceFound::Forbidden(message) => {
            faulty(Verdict::Stalled, Cause::new(Reason::ReferenceForbidden, message.clone()))
        }
    }
}

/// What decoders say of a source, who take it for that of an export: with the field of the spec that holds
/// it.
pub(super) fn named_in(message: &str, at: &str) -> String {
    message.replace("spec.source.", &format!("{at}."))
}

fn usable(source: Source, message: String) -> Check<Source> {
    let observation = Observation::new(ConditionType::SourceReady, true, Reason::Read, message);
    Check { value: Some(source), observation, fault: None }
}

fn faulty(verdict: fn(Cause) -> Verdict, cause: Cause) -> Check<Source> {
    let Cause { reason, message } = cause.clone();
    let observation = Observation::new(ConditionType::SourceReady, false, reason, message);
    Check { value: None, observation, fault: Some(verdict(cause)) }
}

fn part(key: &str, bytes: &Bytes, format: Option<SourceFormat>) -> Part {
    Part { name: key.into(), bytes: bytes.clone(), format: format.map(format_of) }
}

fn format_of(format: SourceFormat) -> Format {
    match format {
        SourceFormat::Json => Format::Json,
        SourceFormat::Ndjson => Format::Ndjson,
        SourceFormat::Csv => Format::Csv,
    }
}

fn csv_options(spec: &ExportSource) -> CsvOptions {
    let csv = spec.csv.as_ref();
    let headers = csv.map(|csv| csv.headers.clone()).unwrap_or_default();
    let unescape = csv.is_some_and(|csv| csv.formulas == CsvFormulas::Escaped);
    CsvOptions { headers, unescape, ..CsvOptions::default() }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// A remote source of a run.
fn remote(
    location: Location,
    secret: Option<&BTreeMap<String, Bytes>>,
    policy: &Arc<StoragePolicy>,
    format: Option<Format>,
    csv: CsvOptions,
) -> Result<Source, Cause> {
    match Place::open(location, secret, policy) {
        Ok(remote) => Ok(Source::Remote { remote, format, csv, applied_version: None }),
        Err(error @ (PlaceError::NotAllowed(..) | PlaceError::AccountNotAllowed(..))) => {
            Err(Cause::new(Reason::SourceNotAllowed, error.to_string()))
        }
        Err(error @ (PlaceError::Credentials(_) | PlaceError::NoAccount(_))) => {
            Err(Cause::new(Reason::SourceDenied, error.to_string()))
        }
        Err(error @ PlaceError::Url(_)) => Err(Cause::new(Reason::InvalidSpec, error.to_string())),
    }
}

/// The condition before any run has read the source.
fn not_yet() -> Observation {
    let message = "checked when a run starts";
    Observation::new(ConditionType::SourceReady, None, Reason::Progressing, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::HeaderFault;

    fn bundle(label: Option<&str>, secret_type: &str) -> Bundle {
        Bundle {
            data: [("b".to_owned(), Bytes::new()), ("a".to_owned(), Bytes::new())].into(),
            labels: label
                .map(|value| (USE_LABEL.to_owned(), value.to_owned()))
                .into_iter()
                .collect(),
            secret_type: secret_type.to_owned(),
            ..Bundle::default()
        }
    }

    #[test]
    fn only_labelled_secrets_that_are_no_tokens_are_sources() {
        assert!(is_source(&bundle(Some(USE_SOURCE), "Opaque")));
        assert!(!is_source(&bundle(None, "Opaque")));
        assert!(!is_source(&bundle(Some("other"), "Opaque")));
        let token = bundle(Some(USE_SOURCE), "kubernetes.io/service-account-token");
        assert!(!is_source(&token));
    }

    #[test]
    fn messages_about_a_source_name_the_field_that_holds_it() {
        let fault = HeaderFault::Conflict { column: 2 }.to_string();
        assert!(fault.contains("spec.source.csv.headers"), "{fault}");
        let named = named_in(&fault, "spec.match.source");
        assert!(named.contains("spec.match.source.csv.headers"), "{named}");
        assert!(!named.contains("spec.source"), "{named}");
    }

    #[test]
    fn keys_are_read_in_the_order_of_the_reference_and_a_missing_one_is_named() {
        let names = |found| match found {
            SourceFound::Parts(parts) => parts.into_iter().map(|(key, _)| key).collect(),
            SourceFound::KeyMissing(what) => vec![what],
            _ => vec![],
        };
        let asked = ["b".to_owned(), "a".to_owned()];
        let pick = |keys: &[String]| names(pick("ConfigMap c", bundle(None, ""), keys, "spec.x"));
        assert_eq!(pick(&asked), ["b", "a"]);
        assert_eq!(pick(&[]), ["a", "b"]);
        let missing = pick(&["a".to_owned(), "z".to_owned()]);
        assert_eq!(missing, ["spec.x.keys[1]: ConfigMap c has no key \"z\""]);
    }
}
