//! A run over people held in memory, as the operator puts it together.

use std::sync::Arc;

use clinch_operator::{
    clinch::{Client, Limits},
    domain::Fence,
    ledger::{AccountName, Keys, SegmentStore, Suppressions},
    pipeline::{
        ClinchCrm, DestinationSpec, Duplicates, Guards, LedgerTrust, Mode, PeopleGuard, Progress,
        Renderer, RunPorts, RunSpec, SeenSource, Source, Suspects, no_neighbours,
    },
    source::{CsvOptions, Part},
    storage::NamedFiles,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::people::plan;

pub(crate) fn spec(part: Part) -> anyhow::Result<RunSpec> {
    Ok(RunSpec {
        source: Source::Parts {
            parts: vec![part],
            csv: CsvOptions::default(),
            limits: clinch_operator::source::Limits {
                max_expanded_bytes: u64::MAX,
                ..clinch_operator::source::Limits::default()
            },
        },
        select: None,
        limit: None,
        plan: plan()?,
        destination: DestinationSpec::Prospect,
        duplicates: Duplicates::Update,
        mode: Mode::Push,
        guards: Guards::default(),
        renderer: Renderer::default(),
        resumes: NamedFiles::default(),
        reveals: None,
    })
}

/// The account that is pushed to.
pub(crate) fn account() -> AccountName {
    AccountName::of(&[7; 32], "https://bench.example", "AKBENCH")
}

pub(crate) fn ports<S: SegmentStore>(client: Client, store: S) -> RunPorts<ClinchCrm, S> {
    RunPorts {
        crm: ClinchCrm::new(client, SeenSource::new(|| {})),
        guard: Arc::<PeopleGuard>::default(),
        suppressions: Suppressions::in_memory(Keys::of_account(&[7; 32], account())),
        look_up: false,
        export: "bench".to_owned(),
        neighbours: no_neighbours(),
        suspects: Suspects::default(),
        keys: Keys::of(&[7; 32], account(), "bench"),
        store,
        trust: LedgerTrust::default(),
        ledger_max: None,
        fence: Fence::open(),
        max_in_flight: Limits::default().max_in_flight,
        progress: watch::channel(Progress::default()).0,
        report: None,
        cancel: CancellationToken::new(),
    }
}
