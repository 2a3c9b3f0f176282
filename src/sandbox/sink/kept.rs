//! What a test sink has received. Pure.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A batch, by its webhook id.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SinkDelivery {
    /// Its webhook id.
    pub id: String,
    /// How often it came, with a valid signature.
    pub times: u64,
    /// SHA-256 of each body that it came with.
    pub bodies: BTreeSet<String>,
    /// Whether it was kept.
    pub kept: bool,
    /// Records in it.
    pub records: u64,
}

/// A version of a person, or that they are gone.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SinkRecord {
    /// The Clinch id.
    pub id: String,
    /// The revision; of a tombstone, its reason.
    pub revision: String,
    /// In how many batches that were kept it is.
    pub times: u64,
}

/// What a test sink has received.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SinkReceived {
    /// Requests with batches.
    pub requests: u64,
    /// Requests whose signature is not valid, and why the last one is not.
    pub unsigned: u64,
    /// Why.
    pub unsigned_because: Option<&'static str>,
    /// Requests with the id of a batch that is kept, and another body.
    pub conflicts: u64,
    /// Batches, in the order in which they came first.
    pub deliveries: Vec<SinkDelivery>,
    /// People of batches that were kept.
    pub records: Vec<SinkRecord>,
}

/// A batch was kept before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// No.
    New,
    /// With the same body.
    Same,
    /// With another body.
    Other,
}

#[derive(Debug, Default)]
pub(super) struct Kept {
    requests: u64,
    unsigned: u64,
    unsigned_because: Option<&'static str>,
    conflicts: u64,
    order: Vec<String>,
    deliveries: BTreeMap<String, SinkDelivery>,
    records: BTreeMap<(String, String), u64>,
    bodies: Vec<Bytes>,
    digests: BTreeMap<String, String>,
}

fn digest(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

impl Kept {
    pub(super) fn unsigned(&mut self, because: &'static str) {
        self.requests += 1;
        self.unsigned += 1;
        self.unsigned_because = Some(because);
    }

    /// Notes a signed request.
    pub(super) fn came(&mut self, id: &str, body: &[u8], records: usize) -> Known {
        self.requests += 1;
        let digest = digest(body);
        let delivery = self.deliveries.entry(id.to_owned()).or_insert_with(|| {
            self.order.push(id.to_owned());
            SinkDelivery { id: id.to_owned(), ..SinkDelivery::default() }
        });
        delivery.times += 1;
        delivery.records = records as u64;
        delivery.bodies.insert(digest.clone());
        match self.digests.get(id) {
            None => Known::New,
            Some(kept) if *kept == digest => Known::Same,
            Some(_) => {
                self.conflicts += 1;
                Known::Other
            }
        }
    }

    /// Notes a text, which has neither id nor signature.
    pub(super) fn text_came(&mut self) {
        self.requests += 1;
    }

    /// Keeps a text.
    pub(super) fn keep_text(&mut self, body: Bytes) {
        self.bodies.push(body);
    }

    /// Keeps a batch.
    pub(super) fn keep(&mut self, id: &str, body: Bytes, records: &[Value]) {
        self.digests.insert(id.to_owned(), digest(&body));
        if let Some(delivery) = self.deliveries.get_mut(id) {
            delivery.kept = true;
        }
        for record in records {
            let member = |name: &str| record["clinch"][name].as_str().map(str::to_owned);
            let version = member("revision").or_else(|| member("reason")).unwrap_or_default();
            *self.records.entry((member("id").unwrap_or_default(), version)).or_default() += 1;
        }
        self.bodies.push(body);
    }

    pub(super) const fn requests(&self) -> u64 {
        self.requests
    }

    /// The bodies of the batches that were kept, in order.
    pub(super) fn bodies(&self) -> Vec<Bytes> {
        self.bodies.clone()
    }

    pub(super) fn received(&self) -> SinkReceived {
        let records = self.records.iter().map(|((id, revision), times)| SinkRecord {
            id: id.clone(),
            revision: revision.clone(),
            times: *times,
        });
        SinkReceived {
            requests: self.requests,
            unsigned: self.unsigned,
            unsigned_because: self.unsigned_because,
            conflicts: self.conflicts,
            deliveries: self.order.iter().map(|id| self.deliveries[id].clone()).collect(),
            records: records.collect(),
        }
    }
}
