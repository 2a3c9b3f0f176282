//! The source of an export, as far as it can be checked without reading a remote place. Pure.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::{
    api::{ConditionType, CsvFormulas, SourceFormat},
    conditions::{Observation, Verdict},
    controllers::{
        candidate_export::{
            gather::{Gathered, SourceFound},
            remote,
        },
        check::Check,
    },
    domain::{Cause, Reason},
    pipeline::Source,
    source::{CsvOptions, Format, Limits, Part},
};

/// The source that a run reads.
pub(super) fn check(gathered: &Gathered) -> Check<Source> {
    let spec = &gathered.export.spec.source;
    match &gathered.source {
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
                csv: csv_options(gathered),
                limits: Limits::default(),
            };
            usable(source, message)
        }
        SourceFound::Remote(location, secret) => {
            let (format, csv) = (spec.format.map(format_of), csv_options(gathered));
            let policy = &gathered.policy;
            let fields = secret.as_ref().map(|secret| &secret.fields);
            match remote::source(location.clone(), fields, policy, format, csv) {
                Ok(source) => {
                    Check { value: Some(source), observation: remote::not_yet(), fault: None }
                }
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

fn csv_options(gathered: &Gathered) -> CsvOptions {
    let csv = gathered.export.spec.source.csv.as_ref();
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
