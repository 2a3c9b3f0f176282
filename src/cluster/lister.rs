//! A read-only view of the objects seen so far, and the queries that are the same for the watches of
//! `k8s` and the manifests of `local`. No I/O.

use std::sync::Arc;

use super::{ObjectKey, ObjectRef, integration_of};
use crate::api::{CandidateExport, CandidateImport, ClinchIntegration};

/// The objects seen so far. Inline candidates of exports may be left out.
pub trait Lister {
    /// The integration of this name.
    fn integration(&self, key: &ObjectKey) -> Option<Arc<ClinchIntegration>>;

    /// The integrations of a namespace; `None`: of every watched one.
    fn integrations(&self, namespace: Option<&str>) -> Vec<(ObjectKey, Arc<ClinchIntegration>)>;

    /// The export of this name.
    fn export(&self, key: &ObjectKey) -> Option<Arc<CandidateExport>>;

    /// The exports of a namespace; `None`: of every watched one.
    fn exports(&self, namespace: Option<&str>) -> Vec<(ObjectKey, Arc<CandidateExport>)>;

    /// The exports that name an integration, in whatever namespace they are.
    fn exports_of(&self, integration: &ObjectKey) -> Vec<ObjectKey> {
        self.exports(None)
            .into_iter()
            .filter(|(key, export)| integration_of(key, &export.spec) == *integration)
            .map(|(key, _)| key)
            .collect()
    }

    /// The import of this name.
    fn import(&self, key: &ObjectKey) -> Option<Arc<CandidateImport>>;

    /// The imports of a namespace; `None`: of every watched one.
    fn imports(&self, namespace: Option<&str>) -> Vec<(ObjectKey, Arc<CandidateImport>)>;

    /// The imports that name an integration, in whatever namespace they are.
    fn imports_of(&self, integration: &ObjectKey) -> Vec<ObjectKey> {
        self.imports(None)
            .into_iter()
            .filter(|(key, import)| integration_of(key, &import.spec) == *integration)
            .map(|(key, _)| key)
            .collect()
    }

    /// Whether this very import exists, not another one of its name.
    fn has_import(&self, import: &ObjectRef) -> bool {
        self.import(&import.key)
            .is_some_and(|found| found.metadata.uid.as_deref() == Some(import.uid.as_str()))
    }

    /// The exports that write files or reports.
    fn file_exports(&self) -> Vec<(ObjectKey, Arc<CandidateExport>)> {
        let mut found = self.exports(None);
        let writes = |export: &CandidateExport| {
            export.spec.destination.file.is_some() || export.spec.report.is_some()
        };
        found.retain(|(_, export)| writes(export));
        found
    }

    /// The imports that write a report on a list.
    fn file_imports(&self) -> Vec<(ObjectKey, Arc<CandidateImport>)> {
        let mut found = self.imports(None);
        let writes = |import: &CandidateImport| {
            import.spec.rediscovery.as_ref().is_some_and(|list| list.report.is_some())
        };
        found.retain(|(_, import)| writes(import));
        found
    }

    /// Whether this very export exists, not another one of its name.
    fn has_export(&self, export: &ObjectRef) -> bool {
        self.export(&export.key)
            .is_some_and(|found| found.metadata.uid.as_deref() == Some(export.uid.as_str()))
    }

    /// The UID of an export of which a run was attempted.
    fn attempted_export(&self, key: &ObjectKey) -> Option<String> {
        let export = self.export(key)?;
        export.status.as_ref()?.last_attempted_revision.as_ref()?;
        export.metadata.uid.clone()
    }
}
