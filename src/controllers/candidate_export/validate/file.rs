//! The file that an export writes: whether it may, and what a run does. Pure.

use super::{Inputs, Task, Validated, access, guards, mode, revision_to_compare};
use crate::{
    api::{
        CandidateExportSpec, ClinchIntegration, ConditionType, CsvHeader, CsvOutput,
        FileCompression, FileDestination, FileFormat, FormulaCells, PdfOutput, PdfPageSize,
    },
    conditions::{Observation, Verdict},
    controllers::{
        candidate_export::{
            file_target::{FileFound, TargetFound},
            gather::Gathered,
            push_permission::{refuses_places, urls},
        },
        check::Check,
        destinations::refused,
    },
    domain::{Cause, Reason, digest_json, digest_parts},
    mapping::Plan,
    output::{Compression, CsvStyle, Formulas, Header},
    pipeline::{DocumentStyle, Encoding, FileSpec, no_documents},
    storage::Destination,
};

/// Part of every revision. Raised when rows are written in another way: then files are written again.
const LAYOUT: u32 = 1;

/// Whether file and report may be written: by the integration, by the operator, and as no older export
/// does.
pub(super) fn check(gathered: &Gathered, integration: &ClinchIntegration) -> Check<()> {
    let observe = |status: bool, reason, message: &str| {
        Observation::new(ConditionType::Permitted, status, reason, message)
    };
    match refusal(gathered, integration) {
        None => Check {
            value: Some(()),
            observation: observe(true, Reason::Allowed, "the destination is permitted"),
            fault: None,
        },
        Some(cause) => Check {
            value: None,
            observation: observe(false, cause.reason, &cause.message),
            fault: Some(Verdict::Stalled(cause)),
        },
    }
}

fn refusal(gathered: &Gathered, integration: &ClinchIntegration) -> Option<Cause> {
    let urls = urls(gathered);
    if let Some(message) = refuses_places(urls.iter().map(String::as_str), &integration.spec) {
        return Some(Cause::new(Reason::NotPermitted, message));
    }
    if let Some(message) = refuses_format(&gathered.export.spec) {
        return Some(Cause::new(Reason::InvalidSpec, format!("{FORMAT}: {message}")));
    }
    gathered.targets().find_map(|target| unusable(gathered, target))
}

/// Why a place cannot be written to, if so.
pub(in super::super) fn unusable(gathered: &Gathered, target: &TargetFound) -> Option<Cause> {
    // Before the Secret is looked at: a caller who may not use the place must not see its faults.
    let url = target.sample_url();
    let of_place = |secret| match Destination::open(&url, secret, &gathered.destinations) {
        Ok(_) => None,
        Err(error) => Some(refused(target.field, &error)),
    };
    let opened = match &target.secret {
        Ok(secret) => of_place(secret.as_ref()),
        Err(cause) => of_place(None)
            .filter(|fault| {
                matches!(fault.reason, Reason::DestinationNotAllowed | Reason::InvalidSpec)
            })
            .or_else(|| Some(cause.clone())),
    };
    opened.or_else(|| {
        let what = if target.is_set() { "these files" } else { "this file" };
        let hint = ", e.g. with {namespace} and {export}";
        let older = target.claimed_by.as_ref()?;
        Some(older.refusal(&gathered.key().namespace, target.field, what, hint))
    })
}

/// The field that names the format of a file.
pub(in super::super) const FORMAT: &str = "spec.destination.file.format";

/// Why this program cannot write the format of the file, if so.
pub(in super::super) fn refuses_format(spec: &CandidateExportSpec) -> Option<&'static str> {
    let file = spec.destination.file.as_ref()?;
    no_documents(cfg!(feature = "pdf")).filter(|_| file.format == FileFormat::Pdf)
}

/// A run that writes the file.
pub(super) fn assemble(
    gathered: &Gathered,
    file: &FileFound,
    integration: &ClinchIntegration,
    mapping: Option<Plan>,
    Inputs { source, select, schedule }: Inputs,
) -> Validated {
    let spec = &gathered.export.spec;
    let written = mapping.as_ref().map(|mapping| mapping.digest().to_string());
    let base = digest_json(&(
        layout(gathered, file),
        (&spec.select, spec.limit, &spec.destination, spec.mode, &spec.guards, &spec.report),
        written,
        hex::encode(gathered.keys.payload_digest(&source.fingerprint().to_string()).0),
        &integration.metadata.uid,
    ));
    // It decides whether people count as having left.
    let base = if file.spec.is_per_candidate() {
        let budget = digest_json(&spec.failure_budget);
        digest_parts([&base.as_bytes()[..], &budget.as_bytes()[..]])
    } else {
        base
    };
    // Written again without those who must not leave any more.
    let lists = file.lists.as_ref().and_then(|lists| lists.as_ref().ok());
    let revision = match lists {
        Some(lists) => format!("{}{}{}", base.short(), super::TARGET, lists.revision().short()),
        None => base.short(),
    };
    let guards = guards::file_guards(spec);
    let task = FileSpec {
        source,
        select,
        limit: spec.limit.and_then(|limit| u64::try_from(limit).ok()),
        mapping,
        encoding: encoding(&file.spec),
        compression: compression(&file.spec),
        mode: mode(spec.mode),
        guards,
        baseline: baseline(gathered),
        rows: gathered.previous.file.as_ref().and_then(|seen| u64::try_from(seen.rows).ok()),
    };
    Validated {
        revision: revision_to_compare(gathered, revision, None),
        task: Task::File(task.into()),
        mode: spec.mode,
        asks_clinch: false,
        schedule,
        grace: spec.ready_grace.get(),
        access: access(gathered),
    }
}

/// The version of how rows are written; of documents also that of their design and fonts.
fn layout(gathered: &Gathered, file: &FileFound) -> (u32, Option<String>) {
    let document = file.spec.format == FileFormat::Pdf;
    (LAYOUT, document.then(|| gathered.renderer.version()))
}

/// How rows become bytes.
fn encoding(file: &FileDestination) -> Encoding {
    match file.format {
        FileFormat::Ndjson => Encoding::Ndjson,
        FileFormat::Pdf => {
            let PdfOutput { page_size, locale, .. } = file.pdf.clone().unwrap_or_default();
            let letter = page_size == PdfPageSize::Letter;
            Encoding::Pdf(DocumentStyle { letter, locale, ..DocumentStyle::default() })
        }
        FileFormat::Csv => {
            let CsvOutput { header, formulas, bom, .. } = file.csv.clone().unwrap_or_default();
            Encoding::Csv(CsvStyle {
                header: match header {
                    CsvHeader::Names => Header::Names,
                    CsvHeader::Paths => Header::Paths,
                    CsvHeader::None => Header::None,
                },
                formulas: match formulas {
                    FormulaCells::Escape => Formulas::Escape,
                    FormulaCells::Keep => Formulas::Keep,
                },
                bom,
            })
        }
    }
}

fn compression(file: &FileDestination) -> Compression {
    match file.csv.as_ref().map(|csv| csv.compress) {
        Some(FileCompression::Gzip) => Compression::Gzip,
        Some(FileCompression::None) | None => Compression::of_name(&file.to.url),
    }
}

/// How many records the source had when it was last read to its end.
fn baseline(gathered: &Gathered) -> Option<u64> {
    let last = gathered.previous.history.first()?;
    u64::try_from(last.counts.read).ok()
}
