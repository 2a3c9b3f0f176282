//! What the local cluster does with an object of any kind, and the way back to its type. Pure.

use std::{any::Any, collections::BTreeMap, fmt, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use serde_json::Value as Json;

use crate::{
    api::{CandidateExport, CandidateImport, ClinchIntegration, CommonStatus, FieldMapping},
    cluster::{Kind, ObjectKey, OurKind},
};

/// Something for each object.
pub(super) type ByKind<T> = BTreeMap<Kind, BTreeMap<ObjectKey, T>>;

/// An object of any kind.
pub(super) trait Object: Any + fmt::Debug + Send + Sync {
    /// The object as JSON.
    fn to_json(&self) -> Json;
    /// Its metadata, to be changed.
    fn metadata_mut(&mut self) -> &mut ObjectMeta;
    /// The generation its status was computed for, and its conditions; `None` without a status.
    fn observed(&self) -> Option<(i64, &[Condition])>;
}

impl<K: OurKind> Object for K {
    fn to_json(&self) -> Json {
        serde_json::to_value(self).expect("an API object serialises to JSON")
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        self.meta_mut()
    }

    fn observed(&self) -> Option<(i64, &[Condition])> {
        self.status().map(|status| (status.observed_generation(), status.conditions()))
    }
}

/// Reads an object of a kind.
pub(super) fn parse(kind: Kind, json: Json) -> serde_json::Result<Box<dyn Object>> {
    fn of<K: OurKind>(json: Json) -> serde_json::Result<Box<dyn Object>> {
        Ok(Box::new(serde_json::from_value::<K>(json)?))
    }
    match kind {
        Kind::Integration => of::<ClinchIntegration>(json),
        Kind::Mapping => of::<FieldMapping>(json),
        Kind::Export => of::<CandidateExport>(json),
        Kind::Import => of::<CandidateImport>(json),
    }
}

/// The object by its type; `None` when it is of another one.
pub(super) fn typed<K: OurKind>(object: Arc<dyn Object>) -> Option<Arc<K>> {
    let object: Arc<dyn Any + Send + Sync> = object;
    object.downcast().ok()
}

/// A borrowed object by its type; `None` when it is of another one.
pub(super) fn typed_ref<K: OurKind>(object: &dyn Object) -> Option<&K> {
    let object: &dyn Any = object;
    object.downcast_ref()
}
