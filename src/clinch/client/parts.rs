//! Files and activities of a person. Does network I/O through the client.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Client, encode};
use crate::{
    clinch::{
        contract::Op,
        error::ClinchError,
        resources::{Activity, AttachmentInfo, File},
    },
    domain::ClinchId,
    jsonapi::NewResource,
};

impl Client {
    /// The files of a person.
    pub async fn attachments(
        &self,
        candidate: &ClinchId,
    ) -> Result<Vec<AttachmentInfo>, ClinchError> {
        let names = &self.contract().names;
        let all = self.all(Op::ListAttachments, Some(candidate)).await?;
        all.iter().map(|resource| AttachmentInfo::read(resource, names)).collect()
    }

    /// Attaches a file, once. `Ambiguous`: check [`Client::attachments`] before anything else.
    pub async fn attach(
        &self,
        candidate: &ClinchId,
        file: &File<'_>,
    ) -> Result<ClinchId, ClinchError> {
        let names = &self.contract().names;
        let content = STANDARD.encode(file.bytes);
        let mut attributes = BTreeMap::from([
            (names.file_name.as_str(), file.name),
            (names.content.as_str(), content.as_str()),
        ]);
        if let Some(name) = &names.content_type {
            attributes.insert(name, file.content_type);
        }
        if let Some(name) = &names.attachment_kind {
            attributes.insert(name, file.kind);
        }
        self.create_part(Op::CreateAttachment, candidate, part("attachment", attributes)).await
    }

    /// The activities of a person.
    pub async fn activities(&self, candidate: &ClinchId) -> Result<Vec<Activity>, ClinchError> {
        let names = &self.contract().names;
        let all = self.all(Op::ListActivities, Some(candidate)).await?;
        all.iter().map(|resource| Activity::read(resource, names)).collect()
    }

    /// Adds an activity, once. `Ambiguous`: check [`Client::activities`] before anything else.
    pub async fn add_activity(
        &self,
        candidate: &ClinchId,
        kind: &str,
        body: &str,
    ) -> Result<ClinchId, ClinchError> {
        let names = &self.contract().names;
        let mut attributes = BTreeMap::from([(names.activity_body.as_str(), body)]);
        if let Some(name) = &names.activity_kind {
            attributes.insert(name, kind);
        }
        self.create_part(Op::CreateActivity, candidate, part("activity", attributes)).await
    }
}

fn part(kind: &str, attributes: BTreeMap<&str, &str>) -> bytes::Bytes {
    encode(NewResource { kind, id: None, attributes, relationships: BTreeMap::new() })
}
