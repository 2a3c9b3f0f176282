//! Assembles the objects of a local cluster from their manifests and the records of earlier runs.
//! Reads the state folder and does not write to it.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value as Json;

use super::{
    admission,
    manifests::Declared,
    object::{ByKind, Object, parse},
    problem::{Problem, Severity},
    state::{OpenError, Record, StateFolder},
};
use crate::{
    api::GROUP,
    cluster::{Kind, ObjectKey},
    domain::{digest_json, digest_parts},
};

/// Assembles objects.
pub(super) struct Assembler<'a> {
    pub folder: Option<&'a StateFolder>,
    pub now: Timestamp,
    /// The new records, by UID.
    pub records: BTreeMap<String, Record>,
    /// Changes of immutable fields.
    pub refused: Vec<Problem>,
}

impl Assembler<'_> {
    /// Every object.
    pub(super) fn assemble(
        &mut self,
        declared: &ByKind<Declared>,
    ) -> Result<ByKind<Arc<dyn Object>>, OpenError> {
        let mut objects = ByKind::new();
        for (kind, declared) in declared {
            let of_kind: &mut BTreeMap<_, _> = objects.entry(*kind).or_default();
            for (key, declared) in declared {
                of_kind.insert(key.clone(), self.object(*kind, key, declared)?.into());
            }
        }
        Ok(objects)
    }

    fn object(
        &mut self,
        kind: Kind,
        key: &ObjectKey,
        declared: &Declared,
    ) -> Result<Box<dyn Object>, OpenError> {
        let failed = || OpenError::Assemble(format!("{kind} {key}"));
        let uid = uid(kind, key);
        let mut json = declared.object.to_json();
        let spec = json["spec"].take();
        let mut record = self.record(kind, key, &uid, &spec);
        if let Some(old) = &record.spec {
            for fault in admission::admit_change(kind, &spec, old) {
                let problem =
                    declared.lines.problem(&fault.path, fault.message, Severity::Error, fault.rule);
                self.refused.push(problem);
            }
        }
        record.spec = compared_with_the_next(kind, &spec);
        record.refers = matches!(kind, Kind::Export | Kind::Import).then(|| refers(&spec));
        json["spec"] = spec;
        let stored = |status: Option<Json>| {
            let mut json = json.clone();
            json["status"] = status.unwrap_or(Json::Null);
            parse(kind, json).ok()
        };
        let mut object = if let Some(object) = stored(record.status.clone()) {
            object
        } else {
            if let Some(folder) = self.folder {
                folder.set_record_aside(&uid);
            }
            record.status = admission::first_status(kind);
            stored(record.status.clone()).ok_or_else(failed)?
        };
        let metadata = object.metadata_mut();
        metadata.uid = Some(uid.clone());
        metadata.generation = Some(record.generation);
        metadata.creation_timestamp = Some(Time(record.created_at));
        self.records.insert(uid, record);
        Ok(object)
    }

    /// The record after this spec was applied.
    fn record(&self, kind: Kind, key: &ObjectKey, uid: &str, spec: &Json) -> Record {
        let digest = digest_json(spec).to_string();
        match self.folder.and_then(|folder| folder.record::<Record>(uid)) {
            Some(mut record) => {
                if record.spec_digest != digest {
                    record.spec_digest = digest;
                    record.generation = record.generation.max(1).saturating_add(1);
                }
                record
            }
            None => Record {
                object: format!("{kind} {key}"),
                generation: 1,
                spec_digest: digest,
                created_at: self.now,
                spec: None,
                refers: None,
                status: admission::first_status(kind),
            },
        }
    }
}

/// What is kept of a spec for the rules that compare it with the next one. Literals of mappings and
/// selections are not, as they may be about people, and nothing of exports, which may hold profiles.
fn compared_with_the_next(kind: Kind, spec: &Json) -> Option<Json> {
    match kind {
        Kind::Integration => Some(spec.clone()),
        Kind::Mapping => Some(members(spec, &["direction"])),
        Kind::Import => Some(members(spec, &["sink"])),
        Kind::Export => None,
    }
}

/// The fields of the spec of an export or import that are kept to show them. None can hold a profile.
fn refers(spec: &Json) -> Json {
    members(spec, &["integrationRef", "fieldMappingRef", "failureBudget", "mode"])
}

/// These members of an object.
fn members(of: &Json, names: &[&str]) -> Json {
    let named = |name: &&str| Some(((*name).to_owned(), of.get(*name)?.clone()));
    Json::Object(names.iter().filter_map(named).collect())
}

/// The UID of an object: the same in every run, and different for every name. A version 8 UUID
/// whose bits are a digest of group, kind, namespace and name.
pub fn uid(kind: Kind, key: &ObjectKey) -> String {
    let parts = [GROUP, kind.as_str(), &key.namespace, &key.name];
    let digest = digest_parts(parts.map(str::as_bytes));
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex::encode(bytes);
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}
