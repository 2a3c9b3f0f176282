//! Who takes a line for each record of a run: the file of `spec.report`, the report of `apply --report`,
//! both or nobody.

use std::sync::Arc;

use super::gather::Gathered;
use crate::{
    api::{ExportMode, ReportInclude},
    cluster::Cluster,
    controllers::{
        Context,
        claims::{rendered, zone},
        destinations::refused,
        read_permission::reveals,
        runs::RunState,
    },
    domain::{Cause, Disposition},
    pipeline::{Ending, LineFormat, Progress, RecordReport, Report, ReportSpec, with_report},
    storage::Destination,
};

/// Where the lines of a run go.
pub(super) struct Reporting {
    /// The file, or why it cannot be opened.
    file: Option<Result<ReportSpec, Cause>>,
    /// The report of this process.
    own: Option<Arc<dyn RecordReport>>,
}

impl Reporting {
    /// For a run that starts now.
    pub(super) fn of<C: Cluster>(
        context: &Context<C>,
        gathered: &Gathered,
        state: &RunState,
    ) -> Self {
        let own = context.reports.as_ref();
        let own = own.map(|reports| reports.of(gathered.key(), &state.revision));
        Self { file: file(gathered, state), own }
    }

    /// Runs with it.
    pub(super) async fn run<F>(self, run: impl FnOnce(Option<Arc<dyn RecordReport>>) -> F) -> Report
    where
        F: Future<Output = Report>,
    {
        match self.file {
            None => run(self.own).await,
            Some(Ok(spec)) => with_report(spec, self.own, |report| run(Some(report))).await,
            Some(Err(Cause { reason, message })) => {
                let disposition = Disposition::Stalled { reason };
                let ending = Ending::Interrupted { disposition, message };
                Report { progress: Progress::default(), ending }
            }
        }
    }
}

fn file(gathered: &Gathered, state: &RunState) -> Option<Result<ReportSpec, Cause>> {
    let found = gathered.report.as_ref()?;
    let target = &found.target;
    let zone = zone(&gathered.export.spec);
    let url = rendered(&target.to.url, gathered.key(), state.started_at, &zone);
    let opened = target.secret.clone().and_then(|secret| {
        Destination::open(&url, secret.as_ref(), &gathered.destinations)
            .map_err(|error| refused(target.field, &error))
    });
    Some(opened.map(|destination| {
        ReportSpec {
            format: LineFormat::of_name(&url),
            destination,
            rejected_only: found.include == ReportInclude::Rejected,
            dry_run: state.mode == ExportMode::DryRun,
            reveals: gathered
                .integration
                .granted()
                .and_then(|integration| reveals(&integration.spec.read_permission)),
            owner: format!("{}/report", gathered.uid()),
        }
    }))
}
